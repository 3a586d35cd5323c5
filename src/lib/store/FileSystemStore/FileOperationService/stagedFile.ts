import { createHash, type Hash } from 'node:crypto';
import { resolve } from 'node:path';
import { StoreError } from '../../../errors.ts';
import type { FileHandle } from '../../../ports/fileSystem.ts';
import { storageError } from '../storageError.ts';
import { attempt, type Disk, syncNewName, toBytes, unlinkIfPresent, writeWhole } from './disk.ts';
import { openTemporary } from './temporaries.ts';

const OWNER_READ_WRITE = 0o600;

export interface StageOptions {
  /** Sync bytes and name. Default `true`; `false` is for what can be made again. */
  readonly durable?: boolean | undefined;
  /** Compute the SHA-256 of what is written. Default `false`. */
  readonly digest?: boolean | undefined;
  /** Permissions, at least 0600 and whatever the umask. Default 0600. */
  readonly mode?: number | undefined;
}

export interface CommitOptions {
  /** Default `true`. With `false` the name is durable only after a later sync of it. */
  readonly syncFolder?: boolean | undefined;
}

/**
 * A new file that nobody sees until it is whole (W5).
 *
 *     open ── write* ──> seal ──> sealed ── commit ──> committed
 *       └────────── a failure, or discard ──────────> discarded: nothing is left of it
 *
 * Calls are awaited one by one. `discard` after `commit` does nothing, so it may stand in `finally`,
 * or the file be held by `await using`.
 */
export class StagedFile implements AsyncDisposable {
  /** Where the bytes are until `commit`. */
  readonly temporary: string;
  readonly #disk: Disk;
  readonly #target: string;
  readonly #durable: boolean;
  readonly #mode: number;
  readonly #hash: Hash | undefined;
  #handle: FileHandle | undefined;
  #state: 'open' | 'sealed' | 'committed' | 'discarded' = 'open';
  #digest: string | undefined;
  #bytes = 0;

  private constructor(
    disk: Disk,
    target: string,
    options: StageOptions,
    opened: { readonly temporary: string; readonly handle: FileHandle },
  ) {
    this.#disk = disk;
    this.#target = target;
    this.#durable = options.durable ?? true;
    this.#mode = options.mode ?? OWNER_READ_WRITE;
    this.#hash = options.digest === true ? createHash('sha256') : undefined;
    this.temporary = opened.temporary;
    this.#handle = opened.handle;
  }

  /** Opens a temporary file in the folder of `target`. */
  static async create(disk: Disk, target: string, options: StageOptions = {}): Promise<StagedFile> {
    try {
      return new StagedFile(disk, target, options, await openTemporary(disk, target));
    } catch (error) {
      throw storageError(error, `creating ${target}`);
    }
  }

  get bytesWritten(): number {
    return this.#bytes;
  }

  /** `sha256:…` of all bytes, once sealed; `undefined` before, or when it was not asked for. */
  get digest(): string | undefined {
    return this.#digest;
  }

  async write(chunk: Uint8Array | string): Promise<void> {
    const handle = this.#opened();
    const bytes = toBytes(chunk);
    await this.#orDiscard(async () => {
      const written = writeWhole(handle, bytes, this.#bytes);
      // While the bytes are on their way: both take about as long.
      this.#hash?.update(bytes);
      await written;
      this.#bytes += bytes.length;
    });
  }

  /** Checks the length, syncs and closes. `commit` does it by itself. */
  async seal(): Promise<void> {
    const handle = this.#opened();
    await this.#orDiscard(async () => {
      const { size, mode } = await handle.stat();
      if (size !== this.#bytes) {
        const message = `${this.#target} has ${size} bytes after writing ${this.#bytes}`;
        throw new StoreError('STORAGE_FAILED', message);
      }
      // A umask can take away what `open` asked for.
      if ((mode & this.#mode) !== this.#mode) {
        await this.#disk.fs.chmod(this.temporary, this.#mode);
      }
      if (this.#durable) await handle.sync();
      this.#handle = undefined;
      await handle.close();
    });
    if (this.#hash !== undefined) this.#digest = `sha256:${this.#hash.digest('hex')}`;
    this.#state = 'sealed';
  }

  /**
   * Gives the file its name, in place of what had it: readers see the old bytes or the new ones.
   * Durable when it resolves. `path` must be on the same file system; default: the target. A failure
   * leaves the old bytes, except `OUTCOME_UNKNOWN`: the new ones are visible, a crash may undo it;
   * also where another's sync of that folder failed meanwhile.
   */
  async commit(path: string = this.#target, options: CommitOptions = {}): Promise<void> {
    if (this.#state !== 'sealed') await this.seal();
    const { fs, syncs } = this.#disk;
    await this.#orDiscard(() => syncs.change(path, () => fs.rename(this.temporary, path)));
    this.#state = 'committed';
    this.#letGo();
    if (this.#durable && options.syncFolder !== false) await syncNewName(this.#disk, path);
  }

  /** Removes what was written. Does nothing after `commit`, or a second time. */
  async discard(): Promise<void> {
    if (this.#state === 'committed' || this.#state === 'discarded') return;
    this.#state = 'discarded';
    this.#letGo();
    const handle = this.#handle;
    this.#handle = undefined;
    try {
      // The file goes away: what closing it says about its bytes does not matter any more.
      if (handle !== undefined) await attempt(() => handle.close());
      await unlinkIfPresent(this.#disk.fs, this.temporary);
    } catch (error) {
      throw storageError(error, `discarding ${this.temporary}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }

  /** From here on what is left of it, if anything, is for cleaning up. */
  #letGo(): void {
    this.#disk.inUse.delete(resolve(this.temporary));
  }

  #opened(): FileHandle {
    if (this.#handle !== undefined) return this.#handle;
    throw new StoreError('STORAGE_FAILED', `the new ${this.#target} was ${this.#state} before`);
  }

  /** What cannot be removed now carries a temporary name, and goes when the store is next opened. */
  async #orDiscard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await attempt(() => this.discard());
      throw storageError(error, `writing ${this.#target}`);
    }
  }
}
