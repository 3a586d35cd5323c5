import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { OsUser } from './osUser.ts';

const run = promisify(execFile);

/** Of a mode: whoever it is may search the folder, or run the program. */
const ANYONE_MAY_PASS = 0o001;

/**
 * The folder `bin`, or a copy of its programs and libraries within `folder` when `user` cannot get
 * there: what npm installs for root in root's home.
 */
export async function reachablePrograms(
  bin: string,
  user: OsUser,
  folder: string,
): Promise<string> {
  if (user.uid === undefined || (await isOpen(join(bin, 'postgres')))) return bin;
  const copy = join(folder, 'programs');
  await run('cp', ['-a', dirname(bin), copy]);
  await run('chown', ['-R', `${user.uid}:${user.gid}`, copy]);
  return join(copy, 'bin');
}

async function isOpen(path: string): Promise<boolean> {
  if (((await stat(path)).mode & ANYONE_MAY_PASS) === 0) return false;
  return path === dirname(path) || isOpen(dirname(path));
}
