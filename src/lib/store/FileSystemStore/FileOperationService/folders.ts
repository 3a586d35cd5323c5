import { dirname, resolve } from 'node:path';
import type { FileSystem } from '../../../ports/fileSystem.ts';
import { StoreError } from '../../../errors.ts';
import { systemCode } from '../storageError.ts';
import { syncFolder } from './disk.ts';

const OWNER_ALL = 0o700;
/** What a parent answers that may be passed through but not read. */
const NOT_OURS: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);

/**
 * Folders that exist and whose names are durable. One that was found may have been made by a process
 * that died before the sync, so the first use of each folder syncs its parent too.
 */
export class Folders {
  readonly #fs: FileSystem;
  readonly #durable = new Set<string>();

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  async ensure(path: string): Promise<void> {
    const folder = resolve(path);
    const created = await this.#make(folder);
    if (!created && this.#durable.has(folder)) return;
    await this.#check(folder, created);
    try {
      await syncFolder(this.#fs, dirname(folder));
    } catch (error) {
      // Its name was there before us, in a parent that is not ours to open.
      if (created || !NOT_OURS.has(systemCode(error) ?? '')) throw error;
    }
    this.#durable.add(folder);
  }

  /** `false` when something is there already. Missing parents are made, and made durable, first. */
  async #make(folder: string, parentIsThere = false): Promise<boolean> {
    try {
      await this.#fs.mkdir(folder, { mode: OWNER_ALL });
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      const parent = dirname(folder);
      if (systemCode(error) !== 'ENOENT' || parent === folder || parentIsThere) throw error;
      await this.ensure(parent);
    }
    // Whoever else asked for it meanwhile may have made it.
    return this.#make(folder, true);
  }

  async #check(folder: string, created: boolean): Promise<void> {
    const stat = await this.#fs.stat(folder);
    if (!stat.isDirectory()) {
      throw new StoreError('STORAGE_FAILED', `${folder} is in the way: it is not a folder`);
    }
    // A umask can take away what `mode` asked for.
    if (created && (stat.mode & OWNER_ALL) !== OWNER_ALL) await this.#fs.chmod(folder, OWNER_ALL);
  }
}
