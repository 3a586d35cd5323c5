import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SeededRandom } from '../../src/testkit.ts';
import { collect } from '../fixtures/collect.ts';
import { SEED } from '../fixtures/proof.ts';
import { FILE_WORLDS, type FileWorld } from './fileWorlds.ts';

const MiB = 1024 * 1024;

interface Large {
  readonly sizes: readonly number[];
  readonly isSame: boolean;
  readonly status: string;
  /** Bytes of memory (RSS) by which each way of passing made the process grow. */
  readonly growth: Readonly<Record<string, number>>;
}

test('256 MiB pass in every way through little memory [FO-3] [FO-10] [FO-11] [FO-12]', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-large-'));
  try {
    const child = fileURLToPath(new URL('./fileOperationChild.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [child, 'large', folder, '256']);
    const { sizes, isSame, status, growth } = JSON.parse(stdout) as Large;
    expect(sizes).toEqual(Array.from({ length: 4 }, () => 256 * MiB));
    // One byte was changed past its sidecar at the end.
    expect({ isSame, status }).toEqual({ isSame: true, status: 'differs' });
    expect(Object.keys(growth)).toEqual(['write', 'compress', 'decompress', 'part', 'verify']);
    for (const bytes of Object.values(growth)) expect(bytes).toBeLessThan(64 * MiB);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);

describe.each(FILE_WORLDS)('a long stream on $disk', ({ open }) => {
  let world: FileWorld;
  beforeEach(async () => void (world = await open()));
  afterEach(() => world.close());

  test('is read one chunk ahead of its reader and no further, who sees how far it is [FO-3]', async () => {
    const { files, at, fs, serviceOn } = world;
    await files.writeAtomic(at('a'), Buffer.alloc(1_000));
    let reads = 0;
    const counting = serviceOn({
      ...bound(fs),
      async open(path, flags, mode) {
        const handle = await fs.open(path, flags, mode);
        const read = handle.read.bind(handle);
        return Object.assign(handle, {
          read: (...args: Parameters<typeof read>) => (reads++, read(...args)),
        });
      },
    });
    const progress: number[] = [];
    const onProgress = (bytes: number) => void progress.push(bytes);
    let seen = 0;
    for await (const chunk of counting.readStream(at('a'), {
      chunkBytes: 100,
      start: 500,
      onProgress,
    })) {
      expect(chunk).toHaveLength(100);
      expect(reads).toBe(++seen + 1);
      expect(progress).toHaveLength(seen - 1);
    }
    expect(progress).toEqual([100, 200, 300, 400, 500]);
  });

  test('ends where its signal aborts [FO-3]', async () => {
    const { files, at } = world;
    await files.writeAtomic(at('a'), Buffer.alloc(1_000));
    const controller = new AbortController();
    const onProgress = (bytes: number) => void (bytes === 300 && controller.abort('enough'));
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      const { signal } = controller;
      const options = { chunkBytes: 100, signal, onProgress };
      for await (const chunk of files.readStream(at('a'), options)) chunks.push(chunk);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
    expect(chunks).toHaveLength(3);
  });

  test('is compressed no faster than its reader takes it [FO-3] [FO-10]', async () => {
    const { files } = world;
    const random = new SeededRandom(SEED);
    const CHUNK = 64 * 1024;
    for (const format of ['gzip', 'brotli', 'zstd'] as const) {
      let asked = 0;
      async function* noise() {
        for (; asked < 100; asked++) yield random.bytes(CHUNK);
      }
      let taken = 0;
      for await (const chunk of files.compression.compress(noise(), { format })) {
        taken += chunk.length;
        // What is under way: some chunks of ours, and what the format gathers in its window.
        expect(asked * CHUNK - taken).toBeLessThan(4 * MiB);
        if (taken > 2 * MiB) break;
      }
      expect(asked).toBeLessThan(100);
    }
  });

  test('of zeros has the length and the digest of its bytes [FO-3] [FO-11]', async () => {
    const { files, at } = world;
    await files.writeAtomic(at('a'), '');
    const { size, digest } = await files.parts.truncate(at('a'), 3 * MiB + 1);
    expect(size).toBe(3 * MiB + 1);
    expect(await files.checksum(at('a'))).toBe(digest);
    const chunks = await collect(files.readStream(at('a')));
    expect(chunks.reduce((sum, { length }) => sum + length, 0)).toBe(size);
  });
});

/** Its methods as properties of their own, so that some can be replaced. */
function bound(fs: FileWorld['fs']): FileWorld['fs'] {
  return {
    open: (path, flags, mode) => fs.open(path, flags, mode),
    mkdir: (path, options) => fs.mkdir(path, options),
    readdir: (path) => fs.readdir(path),
    rename: (from, to) => fs.rename(from, to),
    link: (existing, path) => fs.link(existing, path),
    unlink: (path) => fs.unlink(path),
    rmdir: (path) => fs.rmdir(path),
    stat: (path) => fs.stat(path),
    lstat: (path) => fs.lstat(path),
    chmod: (path, mode) => fs.chmod(path, mode),
    symlink: (target, path) => fs.symlink(target, path),
    readlink: (path) => fs.readlink(path),
    realpath: (path) => fs.realpath(path),
  };
}
