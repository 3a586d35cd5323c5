import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FileSystem, StoreError } from '../index.ts';
import { systemCode } from './errorFacts.ts';
import { CommandError, EXIT } from './failure.ts';

export const DEFAULT_STORE = 'file:./.holdfast';
const MEMORY = 'memory:';
// Two letters at least: one is a drive of Windows.
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;

const DATABASES = /^(postgres|postgresql|sqlite):/;

/** Whether many processes may have the store at once. */
export function isDatabase(url: string): boolean {
  return DATABASES.test(url);
}

/** The URL of the store that a person means: a plain folder stands for itself. */
export function storeUrl(given: string): string {
  if (given.trim() === '') {
    throw new CommandError('the store has no name', 'give a folder: --store ./folder');
  }
  if (/^file:\/\/[^/]/.test(given)) {
    const remedy = `write file:/${given.slice('file:'.length).replace(/^\/+/, '')}, or file:./folder`;
    throw new CommandError(`${given} names a folder of another machine`, remedy);
  }
  return SCHEME.test(given) ? given : `file:${given}`;
}

/** The folder of a file store; `undefined` for a store that has none. */
export function storeFolder(url: string, cwd: string): string | undefined {
  if (!url.startsWith('file:')) return undefined;
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(cwd, url.slice('file:'.length));
}

/** Refuses to look at a store where there is none: the commonest mistake gets the plainest words. */
export async function requireStore(url: string, cwd: string, files: FileSystem): Promise<void> {
  if (url === MEMORY) {
    const message = `${MEMORY} is empty in a new process: there is nothing to look at`;
    throw new CommandError(message, 'name a store with --store');
  }
  const folder = storeFolder(url, cwd);
  if (folder === undefined) return;
  try {
    await files.stat(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    throw noStore(url, new StoreError('NOT_FOUND', `there is no store at ${folder}`));
  }
}

/** Where nobody has named a store, the likeliest reason is that nothing has been recorded yet. */
export function noStore(url: string, cause: StoreError): CommandError {
  return url === DEFAULT_STORE
    ? new CommandError(
        'nothing is recorded here yet',
        '`holdfast record -- <command>`, or give --store',
        EXIT.notFound,
        cause,
      )
    : new CommandError(cause.message, howToMake(url, cause), EXIT.notFound, cause);
}

function howToMake(url: string, { id = '…' }: StoreError): string {
  // Its tables are made by who owns the database, and not by whoever comes first. `id` is the URL
  // without its password.
  return url.startsWith('postgres')
    ? `check the URL; \`holdfast migrate up --own --store ${id}\` makes a store`
    : 'check the path; `holdfast record` makes a store';
}
