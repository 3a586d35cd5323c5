import { basename, dirname, resolve } from 'node:path';
import { type FileSystem, OPEN } from '../../../ports/fileSystem.ts';
import { storageError } from '../storageError.ts';
import { withFile } from './disk.ts';

/** A name that came, changed or went and is not known to be durable. */
interface Change {
  /** How many syncs of its folder had failed before. */
  readonly failures: number;
}

/** What may have happened before anything else. */
const FIRST: Change = { failures: 0 };

interface Folder {
  failures: number;
  /** Why the last of them failed. */
  cause: unknown;
  readonly changed: Map<string, Change>;
  readonly running: Set<Promise<void>>;
}

/**
 * All syncs of folders of one service, and which names they made durable.
 *
 * W3: Linux counts what a failed sync could not write as clean, and tells the failure once. A later
 * sync succeeds without it, whoever asks. So a change of a name is durable only if no sync of its
 * folder failed between the moment before it and the end of a sync that began after it; else it is
 * lost, and stays so until the name is changed anew. Nobody but this process is known of: a later one
 * believes what it finds. (Rebello et al., "Can Applications Recover from fsync Failures?", 2020.)
 */
export class FolderSyncs {
  readonly #fs: FileSystem;
  readonly #folders = new Map<string, Folder>();

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  /** Makes, replaces or removes a name by `work`. Durable after a `sync` of it. */
  async change<T>(path: string, work: () => Promise<T>): Promise<T> {
    const folder = this.#folder(dirname(path));
    const { failures } = folder;
    const result = await work();
    folder.changed.set(basename(path), { failures });
    return result;
  }

  /** A name that was there: any failure until now may have been that of its own sync. */
  found(path: string): void {
    const { changed } = this.#folder(dirname(path));
    const name = basename(path);
    if (!changed.has(name)) changed.set(name, FIRST);
  }

  /** Whether there may be names in it that are lost. */
  hasFailed(folder: string): boolean {
    return this.#folder(folder).failures > 0;
  }

  /** Makes what became of these names durable; one sync a folder. Fails for a name that is lost. */
  async sync(paths: Iterable<string>): Promise<void> {
    const folders = Map.groupBy(paths, (path) => dirname(resolve(path)));
    const proven = [...folders].map(([folder, inside]) => {
      const names = inside.map((path) => basename(path));
      return this.#prove(folder, names);
    });
    for (const result of await Promise.allSettled(proven)) {
      if (result.status === 'rejected') throw result.reason;
    }
  }

  /** As `sync`, of all that the folder holds, also what others left: no sync of it ever failed. */
  syncFolder(folder: string): Promise<void> {
    return this.#prove(folder);
  }

  async #prove(path: string, names?: readonly string[]): Promise<void> {
    const folder = this.#folder(path);
    const wanted = names?.flatMap((name) => folder.changed.get(name) ?? []) ?? [FIRST];
    const begun = [...folder.changed];
    await this.#run(path, folder);
    // The kernel may have failed another one first, and told it later.
    await Promise.allSettled(folder.running);
    for (const [name, change] of begun) {
      const isSame = folder.changed.get(name) === change;
      if (isSame && change.failures === folder.failures) folder.changed.delete(name);
    }
    if (wanted.every(({ failures }) => failures === folder.failures)) return;
    throw storageError(folder.cause, `another sync of ${path}`);
  }

  async #run(path: string, folder: Folder): Promise<void> {
    // Where the folder cannot be opened nothing was said to the kernel, and nothing is lost.
    const running = withFile(this.#fs, path, OPEN.folder, async (handle) => {
      try {
        await handle.sync();
      } catch (error) {
        folder.failures++;
        folder.cause = error;
        throw error;
      }
    });
    folder.running.add(running);
    try {
      await running;
    } finally {
      folder.running.delete(running);
    }
  }

  #folder(path: string): Folder {
    const key = resolve(path);
    let folder = this.#folders.get(key);
    if (folder === undefined) {
      folder = { failures: 0, cause: undefined, changed: new Map(), running: new Set() };
      this.#folders.set(key, folder);
    }
    return folder;
  }
}
