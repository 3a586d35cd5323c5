import { dirname, resolve } from 'node:path';
import type { FileSystem } from '../../../ports/fileSystem.ts';
import { StoreError } from '../../../errors.ts';
import { storageError, systemCode } from '../storageError.ts';
import { attempt, syncFolder } from './disk.ts';

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
  /** Found or made here. Where one is missing later, the storage is gone, or was moved away. */
  readonly #seen = new Set<string>();
  /** By folder: how often a sync of the names in it failed, and how at last. */
  readonly #failures = new Map<string, { readonly count: number; readonly cause: unknown }>();
  /** Who asks for a folder that is being made has the fate of the one who makes it. */
  readonly #ongoing = new Map<string, Promise<void>>();

  constructor(fs: FileSystem) {
    this.#fs = fs;
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
    const failures = this.#failuresOf(parent);
    const created = await this.#make(folder);
    if (!created && this.#durable.has(folder)) return;
    await this.#check(folder, created);
    try {
      await this.#syncNames(parent, failures);
    } catch (error) {
      if (created) await attempt(() => this.#fs.rmdir(folder));
      // Its name was there before us, in a parent that is not ours to open.
      if (created || !NOT_OURS.has(systemCode(error) ?? '')) throw error;
    }
    this.#durable.add(folder);
    this.#seen.add(parent).add(folder);
  }

  #failuresOf(parent: string): number {
    return this.#failures.get(parent)?.count ?? 0;
  }

  /**
   * W3: a sync that follows a failed one succeeds without the names that were there before. So they
   * count as lost, those of others too, and whoever asks again makes them anew.
   */
  async #syncNames(parent: string, failures: number): Promise<void> {
    try {
      await syncFolder(this.#fs, parent);
    } catch (error) {
      this.#failures.set(parent, { count: this.#failuresOf(parent) + 1, cause: error });
      throw error;
    }
    const failure = this.#failures.get(parent);
    if (failure === undefined || failure.count === failures) return;
    throw storageError(failure.cause, `syncing ${parent}`);
  }

  /**
   * `false` when something is there already. Missing parents are made, and made durable, first; but
   * not those that were there: what is written in their place is lost when they come back.
   */
  async #make(folder: string, parentIsThere = false): Promise<boolean> {
    try {
      await this.#fs.mkdir(folder, { mode: OWNER_ALL });
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
