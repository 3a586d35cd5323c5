import { createHash } from 'node:crypto';
import { isStoreError, StoreError } from '../../../errors.ts';
import { type FileSystem, OPEN } from '../../../ports/fileSystem.ts';
import { messageOf } from '../storageError.ts';
import { attempt, readFully, withFile } from './disk.ts';
import type { StagedFile } from './stagedFile.ts';

const CHUNK_BYTES = 64 * 1024;

export type ByteSource = AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;

export interface WriteStreamOptions {
  /** More than this many bytes is `LIMIT_EXCEEDED`. Default: no limit. */
  readonly bytesMax?: number | undefined;
  /** Ends the stream with `ABORTED`, also while the source is silent. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each chunk with the bytes written so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export interface ReadStreamOptions {
  /** First byte. Default 0. */
  readonly start?: number | undefined;
  /** The byte after the last one. Default: the end of the file. */
  readonly end?: number | undefined;
  /** Bytes of one chunk; two are in memory. Default 64 KiB. */
  readonly chunkBytes?: number | undefined;
  /** Looked at before each chunk: `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the reader is done with a chunk, with the bytes read so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** Writes all of `source` into `staged`, one chunk at a time, asking for the next when it is done. */
export async function pour(
  source: ByteSource,
  staged: StagedFile,
  options: WriteStreamOptions,
): Promise<void> {
  const { bytesMax = Infinity, signal, onProgress } = options;
  for await (const chunk of bytesOf(source, signal)) {
    if (staged.bytesWritten + chunk.length > bytesMax) {
      throw new StoreError('LIMIT_EXCEEDED', `the source gives more than ${bytesMax} bytes`);
    }
    await staged.write(chunk);
    onProgress?.(staged.bytesWritten);
  }
}

/** The chunks of `source`, until it breaks, gives anything but bytes, or `signal` aborts. */
export async function* bytesOf(
  source: ByteSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of abortable(source, signal)) {
    if (chunk instanceof Uint8Array) yield chunk;
    else throw new StoreError('INVALID_ARGUMENT', 'the source must give Uint8Array chunks');
  }
}

/** The chunks of `source`, until it breaks or `signal` aborts; then it is told to stop. */
async function* abortable(source: ByteSource, signal: AbortSignal | undefined): AsyncGenerator {
  const chunks: AsyncIterator<unknown> = source[Symbol.asyncIterator]();
  let silent = true;
  try {
    for (;;) {
      const next = await nextUnlessAborted(chunks, signal);
      if (next.done === true) return;
      silent = false;
      yield next.value;
      silent = true;
    }
  } catch (error) {
    throw sourceError(error);
  } finally {
    const stopping = attempt(async () => chunks.return?.());
    // A source that owes us a chunk answers when it likes; one that does not is waited for.
    if (!silent) await stopping;
  }
}

/** A promise for each chunk: one for the whole stream, raced again and again, would keep them all. */
async function nextUnlessAborted(
  chunks: AsyncIterator<unknown>,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<unknown>> {
  if (signal === undefined) return chunks.next();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(aborted(signal));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([chunks.next(), promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function aborted(signal: AbortSignal): StoreError {
  return new StoreError('ABORTED', 'the stream was aborted', { cause: signal.reason });
}

function sourceError(error: unknown): StoreError {
  if (isStoreError(error)) return error;
  return new StoreError('INVALID_ARGUMENT', `the source broke: ${messageOf(error)}`, {
    cause: error,
  });
}

/** The bytes of a file, chunk by chunk; each chunk is the reader's to keep. */
export async function* readChunks(
  fs: FileSystem,
  path: string,
  options: ReadStreamOptions = {},
): AsyncGenerator<Uint8Array> {
  const { start = 0, end = Infinity, signal, onProgress } = options;
  const chunkBytes = Math.max(1, options.chunkBytes ?? CHUNK_BYTES);
  const handle = await fs.open(path, OPEN.read);
  const read = async (at: number): Promise<Uint8Array> => {
    const chunk = Buffer.allocUnsafe(Math.max(0, Math.min(chunkBytes, end - at)));
    return chunk.subarray(0, await readFully(handle, chunk, at));
  };
  // One ahead: the disk brings the next chunk while the reader is at work on this one.
  let ahead = read(start);
  try {
    for (let at = start; ;) {
      if (signal?.aborted === true) throw aborted(signal);
      const chunk = await ahead;
      if (chunk.length === 0) return;
      at += chunk.length;
      ahead = read(at);
      yield chunk;
      onProgress?.(at - start);
    }
  } finally {
    // Whoever stops here does not want to know what became of it.
    await attempt(() => ahead);
    await handle.close();
  }
}

/** `sha256:` and the digest of a file, in the memory of one chunk. */
export function digestOf(fs: FileSystem, path: string): Promise<string> {
  return withFile(fs, path, OPEN.read, async (handle) => {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let at = 0, length = chunk.length; length === chunk.length; at += length) {
      length = await readFully(handle, chunk, at);
      hash.update(chunk.subarray(0, length));
    }
    return `sha256:${hash.digest('hex')}`;
  });
}

export function digestOfBytes(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
