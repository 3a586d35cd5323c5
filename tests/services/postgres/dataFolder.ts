import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { constants, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Binaries } from './binaries.ts';
import { giveTo, type OsUser } from './osUser.ts';

const run = promisify(execFile);

/** One folder a version and user, filled by the first who needs it, then copied: 1 s becomes 0.1. */
const TEMPLATES = join(import.meta.dirname, '../../../node_modules/.cache/postgres');

/** The name of the superuser. */
export const USER = 'holdfast';

const INITDB = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', '--no-sync'];

/**
 * Fills `<folder>/data` with an empty cluster and returns the password of its superuser. `folder`
 * belongs to `user`. There is a password because the server runs as a user whom other local
 * users could reach through it.
 */
export async function fillDataFolder(
  binaries: Binaries,
  user: OsUser,
  folder: string,
  templates = TEMPLATES,
): Promise<string> {
  const key = JSON.stringify([binaries.version, user, INITDB]);
  const template = join(templates, createHash('sha256').update(key).digest('hex').slice(0, 16));
  try {
    const password = await readFile(join(template, 'password'), 'utf8');
    await copy(join(template, 'data'), join(folder, 'data'));
    return password;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const password = await initialise(binaries, user, folder);
  await publish(folder, template, password);
  return password;
}

async function initialise(
  { folder: bin }: Binaries,
  user: OsUser,
  folder: string,
): Promise<string> {
  const password = randomUUID();
  const file = join(folder, 'password');
  await writeFile(file, password);
  await giveTo(user, file);
  const args = [...INITDB, `--username=${USER}`, `--pwfile=${file}`, join(folder, 'data')];
  await run(join(bin, 'initdb'), args, { ...user, cwd: folder });
  await rm(file);
  return password;
}

/** Several processes may come here at once: the first to rename has made it, the others let go. */
async function publish(folder: string, template: string, password: string): Promise<void> {
  const draft = `${template}.${randomUUID()}`;
  await mkdir(draft, { recursive: true, mode: 0o700 });
  try {
    await copy(join(folder, 'data'), join(draft, 'data'));
    await writeFile(join(draft, 'password'), password, { mode: 0o600 });
    await rename(draft, template);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

/** With owners and modes, and without copying blocks where the file system can share them. */
async function copy(from: string, to: string): Promise<void> {
  if (process.platform === 'linux') await run('cp', ['-a', '--reflink=auto', from, to]);
  else await cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE });
}
