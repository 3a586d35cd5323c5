import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import zlib from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StoreError } from '../../src/lib/errors.ts';
import { ZstdFrames } from '../../src/lib/store/FileSystemStore/FileOperationService/zstdFrames.ts';
import { collect } from '../fixtures/collect.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld } from './fileWorlds.ts';

const FORMATS = ['gzip', 'brotli', 'zstd'] as const;
const KiB = 1024;
/** Text, and bytes that nothing makes smaller. */
const PLAIN = Buffer.concat([
  Buffer.from('the same again and again. '.repeat(8_000)),
  Buffer.from(Array.from({ length: 40_000 }, (_, n) => Math.imul(n, 0x9e3779b1) >>> 24)),
]);

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

let world: FileWorld;
afterEach(() => world.close());

const gather = async (chunks: AsyncIterable<Uint8Array>) => Buffer.concat(await collect(chunks));
/** One chunk, of `length` bytes at a time if wanted. */
const plain = (bytes: Uint8Array, options: object = {}, length = bytes.length || 1) =>
  gather(
    world.files.compression.decompress(pieces(bytes, length), { bytesMax: Infinity, ...options }),
  );
const packed = (bytes: Uint8Array, options: object = {}, length = 10_000) =>
  gather(world.files.compression.compress(pieces(bytes, length), options));

describe.each(FILE_WORLDS)('compressed files on $disk', ({ open }) => {
  beforeEach(async () => void (world = await open()));

  test.each(FORMATS)('come back from %s as they were, with their sizes [FO-10]', async (format) => {
    const { files, at } = world;
    const progress: number[] = [];
    await files.writeAtomic(at('plain'), PLAIN);
    const stored = await files.compression.compressFile(at('plain'), at('packed'), {
      format,
      onProgress: (bytes) => progress.push(bytes),
    });
    expect(stored).toEqual({
      size: await files.size(at('packed')),
      digest: await files.checksum(at('packed')),
      plainSize: PLAIN.length,
    });
    expect(stored.size).toBeLessThan(PLAIN.length / 3);
    expect(progress.slice(0, 2)).toEqual([64 * KiB, 128 * KiB]);
    expect(progress.at(-1)).toBe(PLAIN.length);
    const seen: number[] = [];
    const restored = await files.compression.decompressFile(at('packed'), at('again'), {
      format,
      bytesMax: PLAIN.length,
      onProgress: (bytes) => seen.push(bytes),
    });
    expect(restored).toEqual({ size: PLAIN.length, digest: await files.checksum(at('plain')) });
    expect(seen.at(-1)).toBe(PLAIN.length);
    expect(await files.list(world.folder)).toEqual(['again', 'packed', 'plain']);
  });

  test('tell their format by their first bytes, but for brotli [FO-10]', async () => {
    const { files, at } = world;
    for (const format of FORMATS) {
      await files.compression.write(at(format), pieces(PLAIN, 5_000), { format });
    }
    await files.writeAtomic(at('plain'), PLAIN);
    await files.writeAtomic(at('empty'), '');
    const found = ['gzip', 'zstd', 'brotli', 'plain', 'empty'].map((name) =>
      files.compression.detect(at(name)),
    );
    expect(await Promise.all(found)).toEqual(['gzip', 'zstd', undefined, undefined, undefined]);
    const read = (name: string) => gather(files.compression.read(at(name), { bytesMax: Infinity }));
    expect((await read('gzip')).equals(PLAIN)).toBe(true);
    expect((await read('zstd')).equals(PLAIN)).toBe(true);
    for (const name of ['brotli', 'plain', 'empty']) {
      await expect(read(name)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    }
    await expect(files.compression.detect(at('no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(read('no')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test.each(FORMATS)(
    'that stand for too much stop early and leave nothing [FO-10]: %s',
    async (format) => {
      const { files, at } = world;
      await files.writeAtomic(at('target'), 'old');
      async function* zeros() {
        const chunk = Buffer.alloc(256 * KiB);
        for (let n = 0; n < 64; n++) yield chunk;
      }
      const { size } = await files.compression.write(at('bomb'), zeros(), { format });
      expect(size).toBeLessThan(32 * KiB);
      let unpacked = 0;
      const bomb = files.compression.decompressFile(at('bomb'), at('target'), {
        format,
        bytesMax: 300 * KiB,
        onProgress: (bytes) => void (unpacked = bytes),
      });
      await expect(bomb).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', retryable: false });
      expect(unpacked).toBeGreaterThan(0);
      expect(unpacked).toBeLessThanOrEqual(300 * KiB);
      expect(await world.text('target')).toBe('old');
      expect(await files.list(world.folder)).toEqual(['bomb', 'target']);
    },
  );

  test.each(FORMATS)('that are damaged leave the old file alone [FO-10]: %s', async (format) => {
    const { files, at } = world;
    await files.writeAtomic(at('target'), 'old');
    const { size } = await files.compression.write(at('packed'), pieces(PLAIN, 5_000), { format });
    const half = Buffer.from(await files.readRange(at('packed'), 0, size >> 1));
    await files.writeAtomic(at('packed'), half);
    const options = { format, bytesMax: Infinity };
    const unpacking = files.compression.decompressFile(at('packed'), at('target'), options);
    await expect(unpacking).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await expect(unpacking).rejects.toThrow(at('packed'));
    expect(await world.text('target')).toBe('old');
    expect(await files.list(world.folder)).toEqual(['packed', 'target']);
  });

  test('are whole or not there, whichever operation fails [FO-10] [FO-1]', async () => {
    const { fs, serviceOn, at, folder } = world;
    const { files } = world;
    for (let nth = 1; ; nth++) {
      await files.writeAtomic(at('plain'), 'text '.repeat(50));
      await files.writeAtomic(at('packed'), 'old');
      const faults = faulty(fs, { nth, code: 'ENOSPC' });
      const done = await serviceOn(faults.fs)
        .compression.compressFile(at('plain'), at('packed'))
        .catch((error: StoreError) => error.code);
      if (faults.fired === 0) {
        expect(nth).toBeGreaterThan(10);
        break;
      }
      const isNew = done === 'OUTCOME_UNKNOWN';
      if (!isNew) expect(done).toBe('STORAGE_FULL');
      if (!isNew) expect(await world.text('packed')).toBe('old');
      expect(await files.list(folder)).toEqual(['packed', 'plain']);
    }
  });
});

describe('a compressed stream', () => {
  beforeEach(async () => void (world = await FILE_WORLDS[2].open()));
  const fromNode = {
    gzip: zlib.gzipSync,
    brotli: zlib.brotliCompressSync,
    zstd: zlib.zstdCompressSync,
  };
  const toNode = {
    gzip: zlib.gunzipSync,
    brotli: zlib.brotliDecompressSync,
    zstd: zlib.zstdDecompressSync,
  };

  test.each(FORMATS)('of %s is what others write and read [FO-10]', async (format) => {
    for (const bytes of [PLAIN, Buffer.from('x'), Buffer.alloc(0)]) {
      expect((await plain(fromNode[format](bytes), { format }, 777)).equals(bytes)).toBe(true);
      expect(toNode[format](await packed(bytes, { format })).equals(bytes)).toBe(true);
    }
  });

  test.each([
    ['gzip', 0, 9],
    ['brotli', 0, 11],
    ['zstd', 1, 19],
  ] as const)('of %s has the levels from %i to %i [FO-10]', async (format, lowest, highest) => {
    const sizes = [];
    for (const level of [lowest, highest]) {
      const bytes = await packed(PLAIN, { format, level });
      expect((await plain(bytes, { format })).equals(PLAIN)).toBe(true);
      sizes.push(bytes.length);
    }
    expect(sizes[1]).toBeLessThan(sizes[0] ?? 0);
    for (const level of [lowest - 1, highest + 1, 1.5, NaN]) {
      const refused = packed(PLAIN, { format, level });
      await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });

  test.each(FORMATS)('of %s that is cut off anywhere is DATA_CORRUPT [FO-10]', async (format) => {
    const whole = await packed(Buffer.from('a short text, not worth compressing'), { format });
    for (let length = 0; length < whole.length; length++) {
      const cut = plain(whole.subarray(0, length), { format });
      await expect(cut).rejects.toMatchObject({ code: 'DATA_CORRUPT', retryable: false });
    }
    expect(String(await plain(whole, { format }))).toContain('not worth');
  });

  test.each(FORMATS)('of %s with something behind it is DATA_CORRUPT [FO-10]', async (format) => {
    const whole = await packed(PLAIN, { format });
    for (const rest of ['x', 'garbage', '\0\0\0\0x', whole.subarray(0, 8)]) {
      const longer = Buffer.concat([whole, Buffer.from(rest)]);
      // In the chunk of the end, and in chunks of its own.
      for (const length of [longer.length, whole.length, 7]) {
        const read = plain(longer, { format }, length);
        await expect(read).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
      }
    }
  });

  test.each(['gzip', 'zstd'] as const)(
    'of %s finds a flipped bit in its checksum [FO-10]',
    async (format) => {
      const whole = await packed(Buffer.from('abcdefghijklmnopqrstuvwxyz'), { format });
      const start = format === 'gzip' ? 10 : 6;
      for (let at = start; at < whole.length; at++) {
        const damaged = Buffer.from(whole);
        damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
        await expect(plain(damaged, { format })).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
      }
    },
  );

  test('of several gzip members or zstd frames is read to its end [FO-10]', async () => {
    for (const format of ['gzip', 'zstd'] as const) {
      const parts = ['first ', '', 'second ', 'third'].map((text) =>
        fromNode[format](Buffer.from(text)),
      );
      const whole = Buffer.concat(parts);
      for (let length = 1; length <= whole.length; length++) {
        expect(String(await plain(whole, {}, length))).toBe('first second third');
      }
      const limited = plain(whole, { bytesMax: 12 });
      await expect(limited).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    }
    // A frame that applications put their own into (RFC 8878, 3.1.2).
    const skippable = Buffer.from([0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const behind = Buffer.concat([skippable, zlib.zstdCompressSync(Buffer.from('x')), skippable]);
    expect(String(await plain(behind, {}, 4))).toBe('x');
  });

  test('of zstd ends where its frames do, whatever the decoder of this Node says [FO-10]', () => {
    const { constants } = zlib;
    const frame = (bytes: Uint8Array, params: Record<number, number> = {}) =>
      zlib.zstdCompressSync(bytes, { params });
    const skippable = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const frames = [
      frame(Buffer.from('short')),
      frame(Buffer.alloc(0)),
      skippable,
      // Of runs, of bytes as they are, of several blocks; with a checksum, and without a length.
      frame(Buffer.alloc(300_000)),
      frame(PLAIN.subarray(-20_000), { [constants.ZSTD_c_checksumFlag]: 1 }),
      frame(PLAIN.subarray(0, 150_000), { [constants.ZSTD_c_contentSizeFlag]: 0 }),
      frame(PLAIN, { [constants.ZSTD_c_windowLog]: 10 }),
      Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]),
    ];
    const ends = new Set<number>([0]);
    let length = 0;
    for (const { length: more } of frames) ends.add((length += more));
    const whole = Buffer.concat(frames);
    const followed = new ZstdFrames();
    for (let at = 0; at <= whole.length; at++) {
      if (followed.isBetweenFrames !== ends.has(at)) throw new Error(`wrong at byte ${at}`);
      followed.take(whole.subarray(at, at + 1));
    }
    for (const step of [2, 3, 5, 1_000, whole.length]) {
      const inSteps = new ZstdFrames();
      for (let at = 0; at < whole.length; at += step) inSteps.take(whole.subarray(at, at + step));
      expect(inSteps.isBetweenFrames).toBe(true);
    }
  });

  test('of gzip may be filled up with zeros, as tapes do [FO-10]', async () => {
    const whole = await packed(Buffer.from('text'), { format: 'gzip' });
    for (const length of [1, 10, 1_000]) {
      const filled = Buffer.concat([whole, Buffer.alloc(600)]);
      expect(String(await plain(filled, {}, length))).toBe('text');
    }
  });

  test('of zstd that wants a window beyond 128 MiB is refused [FO-10]', async () => {
    // A frame header that asks for 2 GiB and more (RFC 8878, 3.1.1.1.2).
    const greedy = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 1, 0, 0]);
    await expect(plain(greedy)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('is read by the real gunzip [FO-10]', async () => {
    world = await FILE_WORLDS[0].open();
    await world.files.compression.write(world.at('a.gz'), pieces(PLAIN, 999), { format: 'gzip' });
    execFileSync('gzip', ['-d', world.at('a.gz')]);
    expect((await readFile(world.at('a'))).equals(PLAIN)).toBe(true);
    execFileSync('gzip', ['-9', world.at('a')]);
    await writeFile(world.at('b.gz'), await readFile(world.at('a.gz')));
    const read = world.files.compression.read(world.at('b.gz'), { bytesMax: PLAIN.length });
    expect((await gather(read)).equals(PLAIN)).toBe(true);
  });

  test('passes on that its source broke, and stops a source that is not needed [FO-10]', async () => {
    let stopped = 0;
    async function* endless() {
      try {
        for (;;) yield Buffer.from('more');
      } finally {
        stopped++;
      }
    }
    async function* broken() {
      yield Buffer.from([0x1f, 0x8b, 8, 0]);
      throw new Error('pipe');
    }
    const { compression } = world.files;
    const refusal = { code: 'INVALID_ARGUMENT', message: 'the source broke: pipe' };
    await expect(gather(compression.compress(broken()))).rejects.toMatchObject(refusal);
    const reading = compression.decompress(broken(), { bytesMax: 1 });
    await expect(gather(reading)).rejects.toMatchObject(refusal);
    const foreign = compression.decompress(endless(), { bytesMax: 1 });
    await expect(gather(foreign)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    for await (const chunk of compression.compress(endless(), { format: 'gzip' })) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(stopped).toBe(2);
  });

  test('ends when its signal aborts, even while the source is silent [FO-10]', async () => {
    const silent = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
    };
    const { compression } = world.files;
    for (const start of [
      (signal: AbortSignal) => compression.compress(silent, { signal }),
      (signal: AbortSignal) => compression.decompress(silent, { signal, bytesMax: 1 }),
    ]) {
      const controller = new AbortController();
      const read = gather(start(controller.signal));
      controller.abort('enough');
      await expect(read).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
    }
  });

  test('asks for a format and a limit that there are [FO-10]', async () => {
    const format = 'lzma' as 'gzip';
    for (const wrong of [
      packed(PLAIN, { format }),
      plain(PLAIN, { format }),
      plain(PLAIN, { bytesMax: NaN }),
      plain(PLAIN, { bytesMax: -1 }),
    ]) {
      await expect(wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});
