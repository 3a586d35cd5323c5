import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { StoreError } from '../../../errors.ts';
import { type FileHandle, type FileStat, OPEN } from '../../../ports/fileSystem.ts';
import { storageError, systemCode } from '../storageError.ts';
import { attempt, type Disk, readFully } from './disk.ts';
import { type Edits, editsOf, overlay, type Range, sizeOf } from './edits.ts';
import { StagedFile } from './stagedFile.ts';
import { changeOf, type Turns } from './turns.ts';

export type { Range } from './edits.ts';

export interface PartOptions {
  /** `sha256:…` of the whole file before, or `VERSION_CONFLICT`. Default: whatever it has. */
  readonly ifMatch?: string | undefined;
  /** Called with the bytes of the new file that are written so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** The file as it is now; `digest` is the `ifMatch` of the next change. */
export interface ChangedBytes {
  readonly size: number;
  /** `sha256:…` */
  readonly digest: string;
}

/** Read and write what is there, and never through a link; see `append.ts`. */
const EXISTING = OPEN.createNew & OPEN.durableWrite;
const PERMISSIONS = 0o777;
const CHUNK_BYTES = 256 * 1024;

/**
 * Changes of a part of a file. Each copies the file with the change into a new one and gives that the
 * name (W5): so after a crash at any moment the file is as before or as after, however many ranges
 * there are, and readers never see a mixture. It costs one copy of the file, in the memory of a chunk;
 * whoever only adds to a long file, and can live with half of the last line, has `append`.
 *
 * One after the other per file, together with `append`, `writeAtomic` and `writeStream` of this
 * service. Other processes are kept out by `withLock`. Without it, a file that another process
 * replaced or resized meanwhile is `VERSION_CONFLICT`, as far as that can be seen.
 *
 * Permissions stay; the file belongs to whoever changed it, and other hard links keep the old bytes.
 * `NOT_FOUND` where there is none; `STORAGE_FAILED` through a link or without the right to write.
 */
export class FileParts {
  readonly #disk: Disk;
  readonly #turns: Turns;

  constructor(disk: Disk, turns: Turns) {
    this.#disk = disk;
    this.#turns = turns;
  }

  /** Puts `data` in the place of what is at `position`, or up to beyond the end. */
  write(
    path: string,
    position: number,
    data: Uint8Array | string,
    options?: PartOptions,
  ): Promise<ChangedBytes> {
    return this.patch(path, [{ position, data }], options);
  }

  /** Adds to the end: all of it or nothing, unlike `files.append`, also after a crash. */
  append(path: string, data: Uint8Array | string, options?: PartOptions): Promise<ChangedBytes> {
    return this.#change(path, (size) => editsOf([{ position: size, data }], size), options);
  }

  /** Cuts the file off at `size`, or adds zeros up to there. */
  truncate(path: string, size: number, options?: PartOptions): Promise<ChangedBytes> {
    return this.#change(path, () => ({ size: sizeOf(size, 'size'), ranges: [] }), options);
  }

  /** Several ranges at once: all of them or none. They may not overlap, nor leave a gap. */
  patch(path: string, ranges: readonly Range[], options?: PartOptions): Promise<ChangedBytes> {
    return this.#change(path, (size) => editsOf(ranges, size), options);
  }

  #change(
    path: string,
    editsFor: (size: number) => Edits,
    options: PartOptions = {},
  ): Promise<ChangedBytes> {
    const target = resolve(path);
    return this.#turns.take(changeOf(target), async () => {
      try {
        const handle = await this.#disk.fs.open(target, EXISTING);
        try {
          return await this.#rewrite(target, handle, editsFor, options);
        } finally {
          // Nothing was written to it, so closing it has nothing to tell.
          await attempt(() => handle.close());
        }
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw storageError(error, `changing ${path}`);
        throw new StoreError('NOT_FOUND', `there is no file ${path}`, { cause: error });
      }
    });
  }

  async #rewrite(
    path: string,
    handle: FileHandle,
    editsFor: (size: number) => Edits,
    options: PartOptions,
  ): Promise<ChangedBytes> {
    const before = await handle.stat();
    const edits = editsFor(before.size);
    const mode = before.mode & PERMISSIONS;
    const staged = await StagedFile.create(this.#disk, path, { digest: true, mode });
    try {
      const digest = await copyWith(handle, before.size, edits, staged, options);
      if (options.ifMatch !== undefined && options.ifMatch !== digest) {
        throw conflict(`${path} has ${digest}, not ${options.ifMatch}`);
      }
      await staged.seal();
      // The handle keeps its inode: another file of that name cannot have the same number.
      const [held, named] = [await handle.stat(), await this.#disk.fs.lstat(path)];
      if (held.size !== before.size || !isSame(held, named)) {
        throw conflict(`${path} was changed by somebody else meanwhile`);
      }
      await staged.commit();
      return { size: staged.bytesWritten, digest: String(staged.digest) };
    } catch (error) {
      await attempt(() => staged.discard());
      throw error;
    }
  }
}

/** Writes the new file and returns `sha256:…` of the old one, each byte of which is read once. */
async function copyWith(
  old: FileHandle,
  oldSize: number,
  edits: Edits,
  staged: StagedFile,
  { onProgress }: PartOptions,
): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const change = overlay(edits);
  for (let at = 0; at < Math.max(oldSize, edits.size); at += chunk.length) {
    const there = Math.max(0, Math.min(oldSize - at, chunk.length));
    if ((await readFully(old, chunk.subarray(0, there), at)) < there) {
      throw conflict('the file became shorter while it was read');
    }
    hash.update(chunk.subarray(0, there));
    chunk.fill(0, there);
    const kept = chunk.subarray(0, Math.max(0, Math.min(edits.size - at, chunk.length)));
    if (kept.length === 0) continue;
    change(kept, at);
    await staged.write(kept);
    onProgress?.(staged.bytesWritten);
  }
  return `sha256:${hash.digest('hex')}`;
}

function conflict(message: string): StoreError {
  return new StoreError('VERSION_CONFLICT', message);
}

/** As far as the file system numbers its files. */
function isSame(a: FileStat, b: FileStat): boolean {
  return identityOf(a) === identityOf(b);
}

function identityOf(stat: object): string {
  return 'dev' in stat && 'ino' in stat ? `${String(stat.dev)}:${String(stat.ino)}` : '';
}
