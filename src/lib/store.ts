import { StoreError } from './errors.ts';
import { createMemoryFileSystem } from './ports/memoryFileSystem.ts';
import { realFileSystem } from './ports/fileSystem.ts';
import type { RepairReport, Store } from './store/contract.ts';
import { DatabaseStore } from './store/DatabaseStore.ts';
import { FileSystemStore, type StorePlace } from './store/FileSystemStore.ts';
import { folderOf } from './store/folderUrl.ts';
import type { OpenOptions } from './store/options.ts';

/**
 * Opens the store at `url`, or makes it:
 *
 * - `file:./data`, `file:///var/lib/data`: a folder on this machine;
 * - `sqlite:./data.db`: a file of SQLite;
 * - `postgres://user@host/name`: a database of PostgreSQL, for any number of processes (`npm install pg`);
 * - `memory:`: gone with the process, for tests and trials.
 *
 * Rejects with `STORE_LOCKED` while another process owns it, `JOURNAL_CORRUPT` when acknowledged
 * commits are damaged, `UNSUPPORTED_FORMAT` for the store of a newer version, `INVALID_ARGUMENT`
 * for any other URL.
 */
export async function openStore(url: string, options: OpenOptions = {}): Promise<Store> {
  if (isDatabase(url)) return DatabaseStore.open(url, options);
  return FileSystemStore.open(url === 'memory:' ? inMemory() : inFolder(url), options);
}

/**
 * Makes the store at `url` writable again after `JOURNAL_CORRUPT`. What it takes out is kept in a
 * folder that the report names; runs keep what their files, and the journal before the damage, say.
 * `NOT_FOUND`, and nothing is made, where there is no store; `UNSUPPORTED` for a database.
 */
export async function repairStore(url: string, options: OpenOptions = {}): Promise<RepairReport> {
  if (isDatabase(url)) {
    const message = 'a database recovers by itself: what it cannot read comes back from its backup';
    throw new StoreError('UNSUPPORTED', message);
  }
  return FileSystemStore.repair(inFolder(url), options);
}

function isDatabase(url: unknown): boolean {
  return typeof url === 'string' && /^(sqlite|postgres|postgresql):/.test(url);
}

function inMemory(): StorePlace {
  const fileSystem = createMemoryFileSystem();
  return { root: '/holdfast', location: 'memory:', isPrivate: true, fileSystem };
}

function inFolder(url: string): StorePlace {
  const root = folderOf(url);
  if (root === undefined) throw namesNoStore(url);
  return { root, location: `file:${root}`, isPrivate: false, fileSystem: realFileSystem };
}

function namesNoStore(url: unknown): StoreError {
  if (typeof url !== 'string') {
    const message =
      `${String(url)} is no URL of a store, as in openStore('postgres://…', { database: ` +
      '{ connectionsMax } }): a store has connections of its own. A pool or an open database is for ' +
      'connectDatabase, whose transactions take a commit of the store along by store.enlist(tx)';
    return new StoreError('INVALID_ARGUMENT', message);
  }
  const message = `${url} names no store: use file:./folder, sqlite:./file.db, postgres://… or memory:`;
  return new StoreError('INVALID_ARGUMENT', message);
}
