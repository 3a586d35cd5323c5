import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StoreError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/ports/fileSystem.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { collect } from '../fixtures/collect.ts';
import { faulty } from './fileOperationFaults.ts';

let folder: string;
const files = new FileOperationService();
const at = (name: string): string => join(folder, name);
const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

beforeEach(async () => {
  folder = await nodeFs.mkdtemp(join(tmpdir(), 'holdfast-stream-'));
});
afterEach(() => nodeFs.rm(folder, { recursive: true, force: true }));

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe('a stream is written', () => {
  test('whole, with its size and digest, reporting as it goes [FO-3] [FO-11]', async () => {
    const progress: number[] = [];
    const stored = await files.writeStream(at('a'), chunks('hello ', '', 'world'), {
      bytesMax: 11,
      onProgress: (bytes) => progress.push(bytes),
    });
    expect(stored).toEqual({ size: 11, digest: sha256(Buffer.from('hello world')) });
    expect(progress).toEqual([6, 6, 11]);
    expect((await nodeFs.readFile(at('a'))).toString()).toBe('hello world');
  });

  test('from a web stream, which is cancelled when the disk fails [FO-3]', async () => {
    const web = (cancelled: () => void) =>
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(Buffer.from('more')),
        cancel: cancelled,
      });
    const { fs } = faulty(realFileSystem, { nth: 3, only: ['write'], code: 'ENOSPC' });
    let cancelled = 0;
    await expect(
      new FileOperationService(fs).writeStream(
        at('a'),
        web(() => cancelled++),
      ),
    ).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    expect(cancelled).toBe(1);
    expect(await files.list(folder)).toEqual([]);
  });

  test('under a name that is known only after the last byte [FO-3]', async () => {
    await using staged = await files.stageStream(at('incoming'), chunks('blob'));
    expect(staged.bytesWritten).toBe(4);
    await staged.commit(at(String(staged.digest).slice('sha256:'.length)));
    expect(await files.list(folder)).toEqual([sha256(Buffer.from('blob')).slice(7)]);
  });

  test('without asking for more than the disk has taken [FO-3]', async () => {
    let asked = 0;
    async function* counting() {
      for (; asked < 20; asked++) yield Buffer.alloc(10);
    }
    await files.writeStream(at('a'), counting(), {
      onProgress: (bytes) => expect(asked).toBe(bytes / 10 - 1),
    });
    expect(asked).toBe(20);
  });

  test('not at all when the source breaks, and the old bytes stay [FO-1] [FO-3]', async () => {
    await files.writeAtomic(at('a'), 'old');
    async function* broken(reason: unknown) {
      yield Buffer.from('half');
      throw reason;
    }
    await expect(files.writeStream(at('a'), broken(new Error('pipe')))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'the source broke: pipe',
    });
    await expect(files.writeStream(at('a'), broken('reason'))).rejects.toMatchObject({
      cause: 'reason',
    });
    expect(await files.list(folder)).toEqual(['a']);
    expect((await nodeFs.readFile(at('a'))).toString()).toBe('old');
  });

  test('not at all when it is longer than allowed, or not made of bytes [FO-3]', async () => {
    let stopped = false;
    async function* long() {
      try {
        for (;;) yield Buffer.alloc(10);
      } finally {
        stopped = true;
      }
    }
    await expect(files.writeStream(at('a'), long(), { bytesMax: 25 })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
    expect(stopped).toBe(true);
    async function* strings() {
      yield 'text' as unknown as Uint8Array;
    }
    await expect(files.writeStream(at('a'), strings())).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(await files.list(folder)).toEqual([]);
  });

  test('not at all when its signal aborts, even while the source is silent [FO-3]', async () => {
    const controller = new AbortController();
    const silent: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          queueMicrotask(() => controller.abort('enough'));
          return new Promise(() => undefined);
        },
      }),
    };
    const { signal } = controller;
    await expect(files.writeStream(at('a'), silent, { signal })).rejects.toMatchObject({
      code: 'ABORTED',
      cause: 'enough',
    });
    await expect(files.writeStream(at('a'), chunks('x'), { signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect(await files.list(folder)).toEqual([]);
  });

  test('or leaves nothing, whichever operation fails [FO-1] [FO-3]', async () => {
    for (let nth = 1; ; nth++) {
      const faults = faulty(realFileSystem, { nth });
      const service = new FileOperationService(faults.fs);
      const stored = await service
        .writeStream(at('a'), chunks('one', 'two'))
        .catch((error: StoreError) => error.code);
      if (faults.fired === 0) {
        expect(nth).toBeGreaterThan(9);
        break;
      }
      expect(await files.list(folder)).toEqual(stored === 'OUTCOME_UNKNOWN' ? ['a'] : []);
      await files.remove(at('a'));
    }
  });

  test('and read back in little memory, however long it is [FO-3]', async () => {
    const child = fileURLToPath(new URL('./fileOperationChild.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [child, 'stream', folder, '96']);
    const seen = JSON.parse(stdout) as { size: number; same: boolean; rssGrowth: number };
    expect(seen).toMatchObject({ size: 96 * 1024 * 1024, same: true });
    expect(seen.rssGrowth).toBeLessThan(64 * 1024 * 1024);
  }, 30_000);
});

describe('a stream is read', () => {
  const bytes = Buffer.from('0123456789');
  beforeEach(() => nodeFs.writeFile(at('a'), bytes));

  test('whole, in pieces, and from any byte up to any other [FO-3]', async () => {
    const read = async (options: Parameters<typeof files.readStream>[1]) =>
      (await collect(files.readStream(at('a'), options))).map((chunk) => String(chunk));
    expect(await read({})).toEqual(['0123456789']);
    expect(await read({ chunkBytes: 4 })).toEqual(['0123', '4567', '89']);
    expect(await read({ chunkBytes: 5 })).toEqual(['01234', '56789']);
    expect(await read({ start: 2, end: 5 })).toEqual(['234']);
    expect(await read({ start: 8, end: 50 })).toEqual(['89']);
    expect(await read({ start: 10 })).toEqual([]);
    expect(await read({ start: 5, end: 5 })).toEqual([]);
    expect(await read({ end: 2, chunkBytes: 0 })).toEqual(['0', '1']);
  });

  test('and closed when the reader has seen enough, or the disk fails', async () => {
    const closed: string[] = [];
    const fs = {
      ...realFileSystem,
      open: async (...args: Parameters<typeof realFileSystem.open>) => {
        const handle = await realFileSystem.open(...args);
        handle.close = ((close) => () => (closed.push('closed'), close()))(
          handle.close.bind(handle),
        );
        return handle;
      },
    };
    for await (const chunk of new FileOperationService(fs).readStream(at('a'))) {
      expect(chunk).toHaveLength(10);
      break;
    }
    expect(closed).toHaveLength(1);
    const failing = faulty(fs, { nth: 1, only: ['read'] });
    await expect(
      collect(new FileOperationService(failing.fs).readStream(at('a'))),
    ).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(closed).toHaveLength(2);
  });

  test('only when there is such a file', async () => {
    await expect(collect(files.readStream(at('no')))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a checksum', () => {
  test('is the SHA-256 of all bytes, and a change of one is found [FO-11]', async () => {
    const bytes = Buffer.alloc(600_000, 'x');
    await files.writeAtomic(at('a'), bytes);
    const digest = await files.checksum(at('a'));
    expect(digest).toBe(sha256(bytes));
    await files.verifyChecksum(at('a'), digest);
    bytes[300_000] = 1;
    await nodeFs.writeFile(at('a'), bytes);
    const changed = files.verifyChecksum(at('a'), digest);
    await expect(changed).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await expect(changed).rejects.toThrow(digest);
  });

  test('of what is not there, or cannot be read, is an error of its own [FO-11]', async () => {
    await expect(files.checksum(at('no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await files.writeAtomic(at('a'), 'x');
    const { fs } = faulty(realFileSystem, { nth: 1, only: ['read'] });
    await expect(
      new FileOperationService(fs).verifyChecksum(at('a'), 'sha256:00'),
    ).rejects.toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'EIO' } });
  });
});
