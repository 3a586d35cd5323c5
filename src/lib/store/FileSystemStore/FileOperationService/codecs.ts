import type { Transform } from 'node:stream';
import zlib, { constants } from 'node:zlib';
import { StoreError } from '../../../errors.ts';

export type CompressionFormat = 'gzip' | 'brotli' | 'zstd';

export type ZlibStream = Transform & { readonly bytesWritten: number };

interface Codec {
  readonly levelMin: number;
  readonly levelMax: number;
  readonly levelDefault: number;
  readonly encoder: (level: number) => ZlibStream;
  readonly decoder: () => ZlibStream;
  /** What may stand where the compressed bytes have ended. */
  readonly tail: 'zeros' | 'nothing' | 'another frame';
}

/** Bytes that a decoder gives at once: what a bomb gets before it is stopped. */
const OUTPUT = { chunkSize: 64 * 1024 } as const;

const CODECS: Readonly<Record<CompressionFormat, Codec>> = {
  gzip: {
    levelMin: 0,
    levelMax: 9,
    levelDefault: 6,
    encoder: (level) => zlib.createGzip({ ...OUTPUT, level }),
    decoder: () => zlib.createGunzip(OUTPUT),
    // What tapes and block devices fill up with; gzip(1) takes it too.
    tail: 'zeros',
  },
  brotli: {
    levelMin: 0,
    levelMax: 11,
    // The default of Node, 11, takes a hundred times as long.
    levelDefault: 5,
    encoder: (level) =>
      zlib.createBrotliCompress({ ...OUTPUT, params: { [constants.BROTLI_PARAM_QUALITY]: level } }),
    decoder: () => zlib.createBrotliDecompress(OUTPUT),
    tail: 'nothing',
  },
  zstd: {
    levelMin: 1,
    // Above it a reader needs windows of up to 128 MiB.
    levelMax: 19,
    levelDefault: 3,
    encoder: (level) =>
      zlib.createZstdCompress({
        ...OUTPUT,
        params: {
          [constants.ZSTD_c_compressionLevel]: level,
          [constants.ZSTD_c_checksumFlag]: 1,
        },
      }),
    decoder: () => zlib.createZstdDecompress(OUTPUT),
    tail: 'another frame',
  },
};

/** How many bytes `formatOf` looks at. */
export const MARK_BYTES = 4;

const ZSTD_FRAME = 0xfd2fb528;
/** The last four bits are the application's. */
const ZSTD_SKIPPABLE_FRAME = 0x184d2a50;

/**
 * The format by the bytes that it begins with; `undefined` where they are not known. Brotli has no
 * such bytes (RFC 7932), gzip two and its only method (RFC 1952), zstd four (RFC 8878).
 */
export function formatOf(bytes: Uint8Array): Exclude<CompressionFormat, 'brotli'> | undefined {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8) return 'gzip';
  if (bytes.length < MARK_BYTES) return undefined;
  const mark = Buffer.from(bytes.subarray(0, MARK_BYTES)).readUInt32LE();
  const isSkippable = (mark & ~0xf) >>> 0 === ZSTD_SKIPPABLE_FRAME;
  return mark === ZSTD_FRAME || isSkippable ? 'zstd' : undefined;
}

/** `INVALID_ARGUMENT` for a name that is none of the three. */
export function codecOf(format: CompressionFormat): Codec {
  if (Object.hasOwn(CODECS, format)) return CODECS[format];
  throw new StoreError('INVALID_ARGUMENT', `format: ${format} is not gzip, brotli or zstd`);
}

export function encoderOf(format: CompressionFormat, level: number | undefined): ZlibStream {
  const { levelMin, levelMax, levelDefault, encoder } = codecOf(format);
  const wanted = level ?? levelDefault;
  if (Number.isInteger(wanted) && wanted >= levelMin && wanted <= levelMax) return encoder(wanted);
  const message = `level: ${format} has whole levels from ${levelMin} to ${levelMax}, not ${wanted}`;
  throw new StoreError('INVALID_ARGUMENT', message);
}
