import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StoreError } from './errors.ts';
import { createMemoryFileSystem } from './ports/memoryFileSystem.ts';
import type { RepairReport, Store } from './store/contract.ts';
import { FileSystemStore } from './store/FileSystemStore.ts';
import type { OpenOptions } from './store/options.ts';

/**
 * Opens the store at `url`, or makes it:
 *
 * - `file:./data`, `file:///var/lib/data`: a folder on this machine;
 * - `memory:`: gone with the process, for tests and trials.
 *
 * Rejects with `STORE_LOCKED` while another process owns it, `JOURNAL_CORRUPT` when acknowledged
 * commits are damaged, `UNSUPPORTED_FORMAT` for the store of a newer version, `INVALID_ARGUMENT`
 * for any other URL.
 */
export async function openStore(url: string, options: OpenOptions = {}): Promise<Store> {
  if (url === 'memory:') {
    const fileSystem = options.fileSystem ?? createMemoryFileSystem();
    const location = { location: url, isPrivate: true };
    return FileSystemStore.open('/holdfast', { ...options, ...location, fileSystem });
  }
  const root = folderOf(url);
  return FileSystemStore.open(root, { ...options, location: `file:${root}`, isPrivate: false });
}

/**
 * Makes the store at `url` writable again after `JOURNAL_CORRUPT`. What it takes out is kept in a
 * folder that the report names; runs keep what their files, and the journal before the damage, say.
 */
export async function repairStore(url: string, options: OpenOptions = {}): Promise<RepairReport> {
  const root = folderOf(url);
  return FileSystemStore.repair(root, { ...options, location: url, isPrivate: false });
}

/** The folder that a `file:` URL names; relative ones start at the current folder. */
function folderOf(url: string): string {
  if (typeof url !== 'string' || !url.startsWith('file:') || url.length === 'file:'.length) {
    const message = `${url} names no store: use file:./folder or memory:`;
    throw new StoreError('INVALID_ARGUMENT', message);
  }
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(url.slice('file:'.length));
}
