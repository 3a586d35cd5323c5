import { StoreError } from '../../../errors.ts';
import type { FileOperationService, StoredBytes } from '../FileOperationService.ts';
import { CodecPass } from './codecPass.ts';
import { type CompressionFormat, encoderOf, formatOf, MARK_BYTES } from './codecs.ts';
import { decode } from './decoding.ts';
import { type ByteSource, bytesOf } from './streams.ts';

export interface CompressOptions {
  /** Default `zstd`. */
  readonly format?: CompressionFormat | undefined;
  /** gzip 0–9 (default 6), brotli 0–11 (default 5), zstd 1–19 (default 3). */
  readonly level?: number | undefined;
  /** Ends the stream with `ABORTED`, also while the source is silent. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each chunk with the bytes so far, as they are uncompressed. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export interface DecompressOptions {
  /**
   * More uncompressed bytes than this are `LIMIT_EXCEEDED`: a few bytes can stand for many gigabytes.
   * What is right only the caller knows; `Infinity` is a choice, too.
   */
  readonly bytesMax: number;
  /** Default: told by the first bytes; brotli cannot be told and has to be named. */
  readonly format?: CompressionFormat | undefined;
  /** Ends the stream with `ABORTED`, also while the source is silent. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each chunk with the bytes so far, as they are uncompressed. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export interface CompressedBytes extends StoredBytes {
  /** Bytes before compression. */
  readonly plainSize: number;
}

/**
 * gzip, brotli and zstd, always by stream: in the memory of some chunks and of the format's own window
 * (32 KiB, up to 16 MiB, up to 8 MiB of our own zstd and 128 MiB of others').
 *
 * Damaged, cut off or foreign bytes are `DATA_CORRUPT`, but what was decompressed before is with the
 * reader of a stream by then; the functions that write files leave nothing behind. gzip and our zstd
 * have checksums; brotli has none, and so not every flipped bit of it is found: keep a sidecar.
 */
export class FileCompression {
  readonly #files: FileOperationService;

  constructor(files: FileOperationService) {
    this.#files = files;
  }

  /** The compressed bytes of `source`; it is asked for more when they have been taken. */
  async *compress(
    source: ByteSource,
    { format = 'zstd', level, signal, onProgress }: CompressOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const pass = new CodecPass(encoderOf(format, level));
    try {
      let bytes = 0;
      for await (const chunk of bytesOf(source, signal)) {
        if (chunk.length > 0) yield* pass.feed(chunk);
        bytes += chunk.length;
        onProgress?.(bytes);
      }
      yield* pass.finish();
    } finally {
      pass.close();
    }
  }

  /** What the compressed bytes of `source` stand for. */
  decompress(
    source: ByteSource,
    options: DecompressOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    return limited(source, options, 'the source');
  }

  /** The format of a file by its first bytes; `undefined` where they tell nothing, as with brotli. */
  async detect(path: string): Promise<CompressionFormat | undefined> {
    return formatOf(await this.#files.readRange(path, 0, MARK_BYTES));
  }

  /** A file with the compressed bytes of `source`: whole or not at all, as with `writeStream`. */
  async write(
    path: string,
    source: ByteSource,
    options: CompressOptions = {},
  ): Promise<CompressedBytes> {
    let plainSize = 0;
    const onProgress = (bytes: number) => {
      plainSize = bytes;
      options.onProgress?.(bytes);
    };
    const compressed = this.compress(source, { ...options, onProgress });
    return { ...(await this.#files.writeStream(path, compressed)), plainSize };
  }

  /** What a compressed file stands for. */
  read(path: string, options: DecompressOptions): AsyncGenerator<Uint8Array, void, undefined> {
    return limited(this.#files.readStream(path), options, path);
  }

  /** `write` from a file. */
  compressFile(from: string, to: string, options?: CompressOptions): Promise<CompressedBytes> {
    return this.write(to, this.#files.readStream(from), options);
  }

  /** `to` is whole or not there: a limit that is passed, or damage, leaves nothing behind. */
  decompressFile(from: string, to: string, options: DecompressOptions): Promise<StoredBytes> {
    return this.#files.writeStream(to, this.read(from, options));
  }
}

async function* limited(
  source: ByteSource,
  { bytesMax, format, signal, onProgress }: DecompressOptions,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!(bytesMax >= 0)) {
    throw new StoreError('INVALID_ARGUMENT', `bytesMax: ${bytesMax} is not a number of bytes`);
  }
  let bytes = 0;
  for await (const chunk of decode(bytesOf(source, signal), { format, what })) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      throw new StoreError('LIMIT_EXCEEDED', `${what} stands for more than ${bytesMax} bytes`);
    }
    yield chunk;
    onProgress?.(bytes);
  }
}
