import { basename, dirname, join, resolve } from 'node:path';
import { StoreError } from '../../errors.ts';
import { FILE_STORE_DEFAULTS } from '../../limits.ts';
import { type Clock, systemClock } from '../../ports/clock.ts';
import { type FileSystem, OPEN, realFileSystem } from '../../ports/fileSystem.ts';
import { type Random, systemRandom } from '../../ports/random.ts';
import { appendTo } from './FileOperationService/append.ts';
import { FileChecksums } from './FileOperationService/checksums.ts';
import { FileCompression } from './FileOperationService/compression.ts';
import * as disk from './FileOperationService/disk.ts';
import { Folders } from './FileOperationService/folders.ts';
import { FolderSyncs } from './FileOperationService/folderSyncs.ts';
import { guard, guardRead, readError } from './FileOperationService/guard.ts';
import { FileLinks } from './FileOperationService/links.ts';
import { FileNames } from './FileOperationService/names.ts';
import { FileParts } from './FileOperationService/parts.ts';
import { FilePermissions } from './FileOperationService/permissions.ts';
import { Removals } from './FileOperationService/removals.ts';
import * as several from './FileOperationService/several.ts';
import { type StageOptions, StagedFile } from './FileOperationService/stagedFile.ts';
import * as streams from './FileOperationService/streams.ts';
import * as temporaries from './FileOperationService/temporaries.ts';
import { FileTree } from './FileOperationService/tree.ts';
import { changeOf, Turns } from './FileOperationService/turns.ts';
import { FileWatch } from './FileOperationService/watch.ts';
import { type LockFile, lockFile } from './lock.ts';
import { systemCode } from './storageError.ts';

export type { StagedFile } from './FileOperationService/stagedFile.ts';
export { storageError } from './storageError.ts';

export interface FileOperationOptions {
  readonly random?: Random | undefined;
  readonly clock?: Clock | undefined;
  /** How processes exclude each other. Default: a lock held by the kernel. */
  readonly lockFile?: LockFile | undefined;
}

export interface LockOptions {
  /** How long to wait for each: the callers of this service, then other processes. Default 10 s. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface StoredBytes {
  readonly size: number;
  /** `sha256:…` */
  readonly digest: string;
}

/**
 * Every touch of the disk, on a file system that can be exchanged. Every failure is a `StoreError`
 * with the disk's own error as its cause: `STORAGE_FULL` or `STORAGE_FAILED`, and nothing was changed;
 * `OUTCOME_UNKNOWN` where a change is visible but may not outlive a crash; `NOT_FOUND` for reading
 * what is not there. Unfinished files carry names of their own until `removeTemporaries`.
 */
export class FileOperationService {
  readonly fileSystem: FileSystem;
  /** gzip, brotli and zstd. */
  readonly compression: FileCompression;
  /** SHA-256 sidecars. */
  readonly checksums: FileChecksums;
  /** Partial updates. */
  readonly parts: FileParts;
  readonly permissions: FilePermissions;
  /** What is below a folder. */
  readonly tree: FileTree;
  /** Symbolic links, and paths that stay in a folder. */
  readonly links: FileLinks;
  /** Names that every system takes. */
  readonly names: FileNames;
  /** What changes below a folder. */
  readonly watch: FileWatch;
  readonly #disk: disk.Disk;
  readonly #clock: Clock;
  readonly #lockFile: LockFile;
  readonly #syncs: FolderSyncs;
  readonly #folders: Folders;
  readonly #removals: Removals;
  readonly #turns: Turns;

  constructor(fs: FileSystem = realFileSystem, options: FileOperationOptions = {}) {
    this.fileSystem = fs;
    this.#syncs = new FolderSyncs(fs);
    this.#disk = {
      fs,
      random: options.random ?? systemRandom,
      syncs: this.#syncs,
      inUse: new Set(),
    };
    this.#clock = options.clock ?? systemClock;
    this.#lockFile = options.lockFile ?? lockFile;
    this.#removals = new Removals(this.#disk);
    this.#folders = new Folders(fs, this.#syncs);
    this.#turns = new Turns(this.#clock);
    this.compression = new FileCompression(this);
    this.checksums = new FileChecksums(this.#disk, this.#turns, this);
    this.parts = new FileParts(this.#disk, this.#turns);
    this.permissions = new FilePermissions(this.#disk, this.#turns);
    this.tree = new FileTree(fs);
    this.links = new FileLinks(this.#disk, this.#turns);
    this.names = new FileNames(this.#disk);
    this.watch = new FileWatch(fs, this.#clock, this.tree);
  }

  /**
   * Makes a folder 0700, with every missing one above it. Durable, also where it was there; see
   * `Folders` for what a failed sync of its parent leaves to believe.
   */
  ensureFolder(path: string): Promise<void> {
    return guard(`making the folder ${path}`, () => this.#folders.ensure(path));
  }

  /**
   * Makes all names in a folder durable, and all removals, also those of a process before this one.
   * Once a sync of the folder has failed, this fails for ever: nobody knows what was lost (W3).
   */
  syncFolder(path: string): Promise<void> {
    return guard(`syncing the folder ${path}`, () => this.#syncs.syncFolder(path));
  }

  /**
   * Makes durable what this service did to these names: `commit` without its sync, `rename`, `remove`.
   * One sync a folder. Where a sync of the folder, anybody's, has failed since, it fails until the
   * name is given or removed anew (W3).
   */
  syncNames(paths: Iterable<string>): Promise<void> {
    return guard('syncing new names', () => this.#syncs.sync(paths));
  }

  /** The file has the old bytes or these, whatever happens (W5). Mode 0600. Durable. */
  async writeAtomic(path: string, data: Uint8Array | string): Promise<void> {
    const staged = await this.#stageBytes(path, data);
    await this.#turns.take(changeOf(path), () => staged.commit());
  }

  async #stageBytes(path: string, data: Uint8Array | string): Promise<StagedFile> {
    const staged = await this.createStaged(path);
    await staged.write(data);
    return staged;
  }

  /**
   * All files get their new bytes or none does, also across a crash once `recover` or
   * `removeTemporaries` has been called on the deepest folder that holds them all. The files share a
   * file system that knows hard links. Durable. `OUTCOME_UNKNOWN`: `recover` decides it.
   */
  async writeAtomicAll(entries: readonly several.FileEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const turns = entries.map(({ path }) => changeOf(path));
    await this.#turns.takeAll(turns, () =>
      guard('writing several files', () => several.writeAll(this.#disk, entries)),
    );
  }

  /** Takes back what a crash left of a `writeAtomicAll` in this folder. Returns how many. */
  recover(folder: string): Promise<number> {
    return guard(`recovering ${folder}`, () => several.rollBackIn(this.#disk, folder));
  }

  /** A new file, written piece by piece and invisible until `commit`. `path` may change there. */
  createStaged(path: string, options?: StageOptions): Promise<StagedFile> {
    return StagedFile.create(this.#disk, path, options);
  }

  /** `writeAtomic` from a stream, in the memory of one chunk. A source that breaks leaves nothing. */
  async writeStream(
    path: string,
    source: streams.ByteSource,
    options?: streams.WriteStreamOptions,
  ): Promise<StoredBytes> {
    const staged = await this.stageStream(path, source, options);
    await this.#turns.take(changeOf(path), () => staged.commit());
    return { size: staged.bytesWritten, digest: String(staged.digest) };
  }

  /** `writeStream` without its `commit`: for a file whose name depends on its digest. */
  async stageStream(
    path: string,
    source: streams.ByteSource,
    options: streams.WriteStreamOptions = {},
  ): Promise<StagedFile> {
    const staged = await this.createStaged(path, { digest: true });
    try {
      await guard(`writing ${path}`, () => streams.pour(source, staged, options));
      await staged.seal();
      return staged;
    } catch (error) {
      await disk.attempt(() => staged.discard());
      throw error;
    }
  }

  /** The bytes from `start` up to `end`, in chunks. The file is closed when the reader stops. */
  async *readStream(
    path: string,
    options?: streams.ReadStreamOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* streams.readChunks(this.fileSystem, path, options);
    } catch (error) {
      throw readError(error, path);
    }
  }

  /** All of a small file. */
  read(path: string): Promise<Uint8Array> {
    return guardRead(path, () => disk.readWhole(this.fileSystem, path));
  }

  /** As `read`; `undefined` when there is no such file. */
  readIfPresent(path: string): Promise<Uint8Array | undefined> {
    return guard(`reading ${path}`, async () => {
      try {
        return await disk.readWhole(this.fileSystem, path);
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  /** These bytes, by one open, one read, one close. Fewer when the file ends before. */
  readRange(path: string, offset: number, length: number): Promise<Buffer> {
    return guardRead(path, () =>
      disk.withFile(this.fileSystem, path, OPEN.read, async (handle) => {
        const bytes = Buffer.allocUnsafe(length);
        return bytes.subarray(0, await disk.readFully(handle, bytes, offset));
      }),
    );
  }

  /**
   * Adds to the end of a file, or makes it. One after the other per file. Durable. A failure leaves
   * what was there; `OUTCOME_UNKNOWN` when that could not be made sure.
   */
  append(path: string, data: Uint8Array | string): Promise<void> {
    const bytes = disk.toBytes(data);
    return this.#turns.take(changeOf(path), () =>
      guard(`appending to ${path}`, async () => {
        try {
          await appendTo(this.fileSystem, path, bytes);
        } catch (error) {
          if (systemCode(error) !== 'ENOENT') throw error;
          await (await this.#stageBytes(path, bytes)).commit();
        }
      }),
    );
  }

  /** `sha256:…` of a file, in bounded memory. */
  checksum(path: string): Promise<string> {
    return guardRead(path, () => streams.digestOf(this.fileSystem, path));
  }

  /** `DATA_CORRUPT` unless the file has this digest. */
  async verifyChecksum(path: string, digest: string): Promise<void> {
    const actual = await this.checksum(path);
    if (actual === digest) return;
    throw new StoreError('DATA_CORRUPT', `${path} has ${actual}, not ${digest}`);
  }

  /**
   * Runs `work` while nobody else holds the lock of `path`: callers of this service in the order in
   * which they came, then processes (by `.<name>.lock` beside it, which stays). `STORE_LOCKED` after
   * `waitMs`. Asking for the same lock inside `work` waits in vain.
   */
  withLock<T>(path: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
    const { waitMs = FILE_STORE_DEFAULTS.lockWaitMs, signal } = options;
    const target = resolve(path);
    const locked = async () => {
      const lock = await this.#lockFile({
        path: join(dirname(target), `.${basename(target)}.lock`),
        fs: this.fileSystem,
        clock: this.#clock,
        waitMs,
        signal,
        refusal: () => new StoreError('STORE_LOCKED', `another process holds the lock of ${path}`),
      });
      try {
        return await work();
      } finally {
        lock.release();
      }
    };
    return this.#turns.take(`lock ${target}`, locked, { waitMs, signal });
  }

  /**
   * Removes the unfinished files of this service, never by age (W12), nobody else's; first takes back
   * an interrupted `writeAtomicAll`. What this service is writing stays. Another process must not be
   * writing there: call it while holding the lock (`withLock`) under which all write, because gaining
   * that proves that a former writer has ended. Links are not followed. `recursive` looks at every
   * file below. Returns how many were removed.
   */
  removeTemporaries(
    folder: string,
    options: { readonly recursive?: boolean | undefined } = {},
  ): Promise<number> {
    const { recursive = false } = options;
    const rollBack = (at: string) => several.rollBackIn(this.#disk, at);
    return guard(`cleaning up ${folder}`, () =>
      temporaries.cleanUp(this.fileSystem, folder, {
        inUse: this.#disk.inUse,
        recursive,
        rollBack,
      }),
    );
  }

  /** A fresh name in the folder of `path` that `removeTemporaries` knows. */
  temporaryName(path: string): string {
    return temporaries.temporaryBeside(this.#disk, path);
  }

  /** Removes a temporary file after a failure; one that stays goes with `removeTemporaries`. */
  async discard(temporary: string): Promise<void> {
    await disk.attempt(() => this.fileSystem.unlink(temporary));
  }

  /** Durable after `syncNames` of `to`, which is in the same folder. */
  rename(from: string, to: string): Promise<void> {
    return guard(`renaming ${from}`, () =>
      this.#syncs.change(to, () => this.fileSystem.rename(from, to)),
    );
  }

  /** Removes a file; `false` when there was none. Durable after `syncNames`. */
  remove(path: string): Promise<boolean> {
    return guard(`removing ${path}`, () => disk.removeName(this.#disk, path));
  }

  /**
   * Removes files, or what there is of them. Durable. After a failure they are there as before, and a
   * second try, of the same names, is as good as the first.
   */
  removeAll(paths: readonly string[]): Promise<void> {
    return guard('removing files', () => this.#removals.removeAll(paths));
  }

  /** The names in a folder, sorted; none when there is no such folder. */
  list(folder: string): Promise<readonly string[]> {
    return guard(`listing ${folder}`, () => temporaries.namesIn(this.fileSystem, folder));
  }

  /** Bytes of a file. */
  size(path: string): Promise<number> {
    return guardRead(path, async () => (await this.fileSystem.stat(path)).size);
  }
}
