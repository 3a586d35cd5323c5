import type { DatabaseSync } from 'node:sqlite';
import { dirname } from 'node:path';
import { StoreError } from '../../errors.ts';
import { isThere, mayWrite } from '../../ports/fileSystem.ts';
import { isDenied } from './sqliteError.ts';

/**
 * Whether this user may only read the file. SQLite opens it all the same, and reads it with the log and
 * its index that whoever writes it has beside it. Where they are not, it would make them, as this user's:
 * nobody else could write the database from then on. So that is refused: `STORAGE_FAILED`.
 * https://www.sqlite.org/wal.html#read_only_databases
 */
export async function isForReading(database: DatabaseSync, location: string): Promise<boolean> {
  // As SQLite names it, which follows links.
  const file = database.location();
  // SQLite does not tell, and opening it to see would let go of the locks that this process has on it.
  if (file === null || (await mayWrite(file))) return false;
  const hasLog = (await isThere(`${file}-wal`)) && (await isThere(`${file}-shm`));
  if (!hasLog && (await mayWrite(dirname(file)))) throw denied(location, undefined);
  return true;
}

/** What SQLite says when it may not make what it needs, in words that help. */
export function explained(error: unknown, location: string): unknown {
  return isDenied(error) ? denied(location, error) : error;
}

function denied(location: string, cause: unknown): StoreError {
  const message =
    `${location}: this user may not write the file, or not make files beside it, and without the log that ` +
    'a writer keeps there (…-wal and …-shm) it cannot be read: give the user both rights, let somebody ' +
    'who has them keep it open meanwhile, or read a copy of it';
  return new StoreError('STORAGE_FAILED', message, { id: location, cause });
}
