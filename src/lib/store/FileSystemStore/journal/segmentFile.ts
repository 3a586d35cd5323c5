import { dirname } from 'node:path';
import { StoreError } from '../../../errors.ts';
import {
  type FileHandle,
  type FileSystem,
  HAS_DURABLE_WRITE,
  OPEN,
} from '../../../ports/fileSystem.ts';
import { type FileOperationService, storageError } from '../FileOperationService.ts';
import { NEWLINE } from './segment.ts';

const FILL_BYTES = 1024 * 1024;
const FILLER = Buffer.alloc(FILL_BYTES, NEWLINE);

/**
 * A segment's file, open for writing. It has its full size from the start, filled with newlines and
 * synced, so that a later write changes no metadata: one write on `O_DSYNC` is one trip to the disk.
 */
export class SegmentFile {
  readonly capacity: number;
  #path: string;
  readonly #handle: FileHandle;
  readonly #files: FileOperationService;

  private constructor(
    path: string,
    handle: FileHandle,
    capacity: number,
    files: FileOperationService,
  ) {
    this.#path = path;
    this.#handle = handle;
    this.capacity = capacity;
    this.#files = files;
  }

  /** Allocates a file under a temporary name. A failure leaves nothing behind, and nothing poisoned. */
  static async allocate(
    fs: FileSystem,
    files: FileOperationService,
    path: string,
    capacity: number,
  ): Promise<SegmentFile> {
    const temporary = files.temporaryName(path);
    try {
      const filling = await fs.open(temporary, OPEN.createNew, 0o600);
      try {
        for (let at = 0; at < capacity; at += FILL_BYTES) {
          await writeWhole(filling, FILLER.subarray(0, Math.min(FILL_BYTES, capacity - at)), at);
        }
        await filling.sync();
      } finally {
        await filling.close();
      }
      const handle = await fs.open(temporary, OPEN.durableWrite);
      return new SegmentFile(temporary, handle, capacity, files);
    } catch (error) {
      await files.discard(temporary);
      throw storageError(error, `allocating ${path}`);
    }
  }

  /** Resolves when the bytes are durable (W1). */
  async write(bytes: Uint8Array, at: number): Promise<void> {
    try {
      await writeWhole(this.#handle, bytes, at);
      if (!HAS_DURABLE_WRITE) await this.#handle.datasync();
    } catch (error) {
      throw storageError(error, `writing ${this.#path}`);
    }
  }

  /** Gives the file its name, durably (W5): what was written before is there when it appears. */
  async publish(path: string): Promise<void> {
    await this.#files.rename(this.#path, path);
    this.#path = path;
    await this.#files.syncFolder(dirname(path));
  }

  async close(): Promise<void> {
    try {
      await this.#handle.close();
    } catch (error) {
      throw storageError(error, `closing ${this.#path}`);
    }
  }

  /** For a file that was never published. */
  async discard(): Promise<void> {
    await this.close();
    await this.#files.discard(this.#path);
  }
}

/** A short write resolves without an error: Linux does so on a full disk. */
async function writeWhole(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  const { bytesWritten } = await handle.write(bytes, 0, bytes.length, at);
  if (bytesWritten === bytes.length) return;
  const message = `short write: ${bytesWritten} of ${bytes.length} bytes`;
  throw new StoreError('STORAGE_FULL', message);
}
