import { dirname, resolve } from 'node:path';
import type { FileSystem } from '../../../ports/fileSystem.ts';
import { StoreError } from '../../../errors.ts';
import { systemCode } from '../storageError.ts';
import type { FolderSyncs } from './folderSyncs.ts';

const OWNER_ALL = 0o700;
/** What a parent answers that may be passed through but not read. */
const NOT_OURS: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);
/** What a folder answers that holds something: POSIX allows either. */
const IN_USE: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST']);

/**
 * Folders that exist and whose names are durable. One that was found may have been made by a process
 * that died before the sync, or was told that it failed, so the first use of each folder does not
 * believe it. Inside a folder of ours the rule is: what has something in it was durable before that
 * was put there; what is empty goes, and is made anew. Its parent is synced too, unless a sync of that
 * has failed already and would prove nothing any more (W3).
 * Elsewhere a folder that was found is refused for good.
 */
export class Folders {
  readonly #fs: FileSystem;
  readonly #syncs: FolderSyncs;
  readonly #durable = new Set<string>();
  /** Found or made here. Where one is missing later, the storage is gone, or was moved away. */
  readonly #seen = new Set<string>();
  /** Who asks for a folder that is being made has the fate of the one who makes it. */
  readonly #ongoing = new Map<string, Promise<void>>();

  constructor(fs: FileSystem, syncs: FolderSyncs) {
    this.#fs = fs;
    this.#syncs = syncs;
  }

  ensure(path: string): Promise<void> {
    const folder = resolve(path);
    const ongoing = this.#ongoing.get(folder);
    if (ongoing !== undefined) return ongoing;
    const ensured = this.#ensure(folder).finally(() => this.#ongoing.delete(folder));
    this.#ongoing.set(folder, ensured);
    return ensured;
  }

  async #ensure(folder: string): Promise<void> {
    const parent = dirname(folder);
    // Between this one and one of ours there may be one that its maker did not make durable.
    if (!this.#durable.has(parent) && this.#isInside(parent)) await this.ensure(parent);
    const created = await this.#make(folder);
    if (!created && this.#durable.has(folder)) return;
    this.#durable.delete(folder);
    await this.#check(folder, created);
    const isInside = this.#durable.has(parent);
    if (!created && isInside) {
      const state = await this.#removeEmpty(folder);
      if (state === 'removed') return this.#ensure(folder);
      if (state === 'used' && this.#syncs.hasFailed(parent)) return this.#believe(folder);
    }
    if (!created) this.#syncs.found(folder);
    try {
      await this.#syncs.sync([folder]);
    } catch (error) {
      // Its name was there before us, in a parent that is not ours to open.
      const isTheirs = !created && NOT_OURS.has(systemCode(error) ?? '');
      if (created || (isInside && !isTheirs)) await this.#removeEmpty(folder);
      if (!isTheirs) throw error;
    }
    this.#believe(folder);
  }

  #isInside(folder: string): boolean {
    const parent = dirname(folder);
    return parent !== folder && (this.#durable.has(parent) || this.#isInside(parent));
  }

  #believe(folder: string): void {
    this.#durable.add(folder);
    this.#seen.add(dirname(folder)).add(folder);
  }

  async #removeEmpty(folder: string): Promise<'removed' | 'used' | 'stuck'> {
    try {
      await this.#syncs.change(folder, () => this.#fs.rmdir(folder));
      return 'removed';
    } catch (error) {
      return IN_USE.has(systemCode(error) ?? '') ? 'used' : 'stuck';
    }
  }

  /**
   * `false` when something is there already. Missing parents are made, and made durable, first; but
   * not those that were there: what is written in their place is lost when they come back.
   */
  async #make(folder: string, parentIsThere = false): Promise<boolean> {
    try {
      await this.#syncs.change(folder, () => this.#fs.mkdir(folder, { mode: OWNER_ALL }));
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      const parent = dirname(folder);
      const isGone = parentIsThere || parent === folder || this.#seen.has(parent);
      if (systemCode(error) !== 'ENOENT' || isGone) throw error;
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
