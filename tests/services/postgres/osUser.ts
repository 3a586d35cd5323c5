import { chown } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Who runs the server; nothing stands in it when that is who runs the tests. */
export interface OsUser {
  readonly uid?: number;
  readonly gid?: number;
}

const run = promisify(execFile);

/** PostgreSQL refuses to run as root: there it is `postgres`, or `nobody` where that is missing. */
export async function serverUser(): Promise<OsUser> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all([idOf('-u', name), idOf('-g', name)]);
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new Error('PostgreSQL does not run as root, and there is no user `postgres` or `nobody`');
}

async function idOf(option: '-u' | '-g', name: string): Promise<number | undefined> {
  try {
    return Number((await run('id', [option, name])).stdout);
  } catch {
    return undefined; // There is no such user.
  }
}

/** Gives the folder itself, not what is in it, to `user`. */
export async function giveTo(user: OsUser, folder: string): Promise<void> {
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
}
