import { isStoreError, StoreError } from '../../../errors.ts';
import { messageOf, storageError, systemCode } from '../storageError.ts';
import { CodecPass } from './codecPass.ts';
import { codecOf, type CompressionFormat, formatOf, MARK_BYTES } from './codecs.ts';
import { ZstdFrames } from './zstdFrames.ts';

/** What the machine lacks, not the input. */
const NO_MEMORY: ReadonlySet<unknown> = new Set([
  'Z_MEM_ERROR',
  'ERR_MEMORY_ALLOCATION_FAILED',
  'ZSTD_error_memory_allocation',
]);

interface Decoding {
  /** Default: told by the first bytes. */
  readonly format: CompressionFormat | undefined;
  /** For messages: what is being read. */
  readonly what: string;
}

/** Chunks, but for empty ones: the next can be looked at, and what is not needed be put back. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #kept: Uint8Array | undefined;

  constructor(chunks: AsyncIterator<Uint8Array>) {
    this.#chunks = chunks;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#kept !== undefined) {
      const kept = this.#kept;
      this.#kept = undefined;
      return kept;
    }
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      if (next.value.length > 0) return next.value;
    }
  }

  putBack(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#kept = chunk;
  }

  /** The first bytes, as many as there are of `length`. */
  async peek(length: number): Promise<Uint8Array> {
    let seen: Uint8Array = Buffer.alloc(0);
    while (seen.length < length) {
      const chunk = await this.next();
      if (chunk === undefined) break;
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    }
    this.putBack(seen);
    return seen;
  }
}

/** What the compressed `chunks` stand for. `DATA_CORRUPT`: cut off, damaged, or something else. */
export async function* decode(
  chunks: AsyncGenerator<Uint8Array>,
  { format, what }: Decoding,
): AsyncGenerator<Uint8Array> {
  try {
    const input = new Input(chunks);
    const known = format ?? formatOf(await input.peek(MARK_BYTES));
    if (known === undefined) {
      const message = `${what} begins neither as gzip nor as zstd; brotli has to be named`;
      throw new StoreError('DATA_CORRUPT', message);
    }
    const { tail } = codecOf(known);
    do yield* decodeOne(input, known, what);
    while (tail === 'another frame' && (await input.peek(1)).length > 0);
    await expectEnd(input, tail, what);
  } finally {
    await chunks.return(undefined);
  }
}

/** Up to where the decoder stops; what is behind that stays in `input`. */
async function* decodeOne(
  input: Input,
  format: CompressionFormat,
  what: string,
): AsyncGenerator<Uint8Array> {
  const pass = new CodecPass(codecOf(format).decoder());
  const frames = format === 'zstd' ? new ZstdFrames() : undefined;
  try {
    while (!pass.hasEnded) {
      const chunk = await input.next();
      if (chunk === undefined) {
        yield* pass.finish();
        const isCutOff = pass.taken === 0 || frames?.isBetweenFrames === false;
        if (isCutOff) throw new Error('unexpected end of file');
        return;
      }
      const before = pass.taken;
      yield* pass.feed(chunk);
      const taken = pass.taken - before;
      frames?.take(chunk.subarray(0, taken));
      input.putBack(chunk.subarray(taken));
    }
  } catch (error) {
    throw decodingError(error, format, what);
  } finally {
    pass.close();
  }
}

async function expectEnd(input: Input, tail: string, what: string): Promise<void> {
  for (;;) {
    const rest = await input.next();
    if (rest === undefined) return;
    if (tail === 'zeros' && rest.every((byte) => byte === 0)) continue;
    throw new StoreError('DATA_CORRUPT', `${what} goes on behind its compressed bytes`);
  }
}

function decodingError(error: unknown, format: string, what: string): StoreError {
  if (isStoreError(error)) return error;
  const code = systemCode(error);
  if (NO_MEMORY.has(code)) return storageError(error, `decompressing ${what}`);
  if (code === 'ZSTD_error_frameParameter_windowTooLarge') {
    const message = `${what} needs a window of more than 128 MiB to be decompressed`;
    return new StoreError('LIMIT_EXCEEDED', message, { cause: error });
  }
  const message = `${what} is not whole ${format}: ${messageOf(error)}`;
  return new StoreError('DATA_CORRUPT', message, { cause: error });
}
