import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { isStoreError, type StoreError } from '../../src/lib/errors.ts';
import { type FileSystem, realFileSystem } from '../../src/lib/ports/fileSystem.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { faulty } from './fileOperationFaults.ts';

let folder: string;
const files = new FileOperationService(nodeFs);
const at = (name: string): string => join(folder, name);
const text = async (name: string) => (await nodeFs.readFile(at(name))).toString();

beforeEach(async () => {
  folder = await nodeFs.mkdtemp(join(tmpdir(), 'holdfast-atomic-'));
});
afterEach(() => nodeFs.rm(folder, { recursive: true, force: true }));

/** Rejections become values; a success is `undefined`. Anything but a StoreError fails the test. */
async function failure(work: Promise<unknown>): Promise<StoreError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (isStoreError(error)) return error;
    throw error;
  }
}

describe('one file', () => {
  test('is replaced as a whole, private whatever the umask [FO-1]', async () => {
    const umask = process.umask(0o777);
    try {
      await files.writeAtomic(at('a'), 'old');
      await files.writeAtomic(at('a'), Buffer.from('new'));
    } finally {
      process.umask(umask);
    }
    expect(await text('a')).toBe('new');
    expect((await nodeFs.stat(at('a'))).mode & 0o777).toBe(0o600);
    expect(await nodeFs.readdir(folder)).toEqual(['a']);
  });

  test('is written in the order of W5: write, length, sync, close, rename, folder [FO-1]', async () => {
    const order: string[] = [];
    const note = <T extends object>(target: T, prefix: string): T =>
      new Proxy(target, {
        get(inner, key: string & keyof T) {
          const method = inner[key];
          if (typeof method !== 'function') return method;
          return async (...args: readonly unknown[]) => {
            order.push(key === 'open' && args[0] === folder ? 'open folder' : prefix + key);
            const result: unknown = await (Reflect.apply(method, inner, args) as Promise<unknown>);
            return key === 'open' ? note(result as object, 'handle.') : result;
          };
        },
      });
    const fs: FileSystem = note({ ...realFileSystem }, '');
    await new FileOperationService(fs).writeAtomic(at('a'), 'new');
    const file = ['open', 'handle.write', 'handle.stat', 'handle.sync', 'handle.close', 'rename'];
    expect(order).toEqual([...file, 'open folder', 'handle.sync', 'handle.close']);
  });

  test.each(['EIO', 'ENOSPC', 'EDQUOT'])(
    'keeps the old bytes whichever operation fails with %s [FO-1]',
    async (code) => {
      for (let nth = 1; ; nth++) {
        await nodeFs.writeFile(at('a'), 'old');
        const faults = faulty(realFileSystem, { nth, code });
        const error = await failure(
          new FileOperationService(faults.fs).writeAtomic(at('a'), 'new'),
        );
        expect(await files.list(folder)).toEqual(['a']);
        if (faults.fired === 0) {
          expect(error).toBeUndefined();
          expect(await text('a')).toBe('new');
          expect(nth).toBeGreaterThan(8);
          return;
        }
        const full = code === 'EIO' ? 'STORAGE_FAILED' : 'STORAGE_FULL';
        expect(['OUTCOME_UNKNOWN', full]).toContain(error?.code);
        expect(error?.cause).toMatchObject({ code });
        // Only what fails behind the rename leaves the new bytes, and says that it is not sure.
        expect(await text('a')).toBe(error?.code === 'OUTCOME_UNKNOWN' ? 'new' : 'old');
      }
    },
  );

  test('is left alone by a dying process, whose leftovers go later [FO-1] [FO-8]', async () => {
    let leftovers = 0;
    for (let nth = 1; ; nth++) {
      await nodeFs.writeFile(at('a'), 'old');
      const faults = faulty(realFileSystem, { nth, persistent: true });
      const error = await failure(new FileOperationService(faults.fs).writeAtomic(at('a'), 'new'));
      if (faults.fired === 0) break;
      leftovers += await files.removeTemporaries(folder);
      expect(await files.list(folder)).toEqual(['a']);
      expect(await text('a')).toBe(error?.code === 'OUTCOME_UNKNOWN' ? 'new' : 'old');
    }
    expect(leftovers).toBeGreaterThan(3);
  });

  test('a short write that the disk calls a success is STORAGE_FULL [FO-1]', async () => {
    await nodeFs.writeFile(at('a'), 'old');
    const { fs } = faulty(realFileSystem, { nth: 1, only: ['write'], shortWrite: true });
    const error = await failure(new FileOperationService(fs).writeAtomic(at('a'), 'new bytes'));
    expect(error).toMatchObject({ code: 'STORAGE_FULL', retryable: true });
    expect(error?.message).toContain('4 of 9 bytes');
    expect(await text('a')).toBe('old');
    expect(await files.list(folder)).toEqual(['a']);
  });

  test('a file that is shorter than what was written is not published [FO-1]', async () => {
    const open = jest.fn(async (...args: Parameters<FileSystem['open']>) => {
      const handle = await realFileSystem.open(...args);
      const stat = async () => ({ ...(await handle.stat()), size: 1 });
      return new Proxy(handle, {
        get: (inner, key) => {
          if (key === 'stat') return stat;
          const value: unknown = Reflect.get(inner, key, inner);
          return typeof value === 'function' ? (value.bind(inner) as unknown) : value;
        },
      });
    });
    const service = new FileOperationService({ ...realFileSystem, open });
    await expect(service.writeAtomic(at('a'), 'new')).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
    expect(open).toHaveBeenCalledTimes(1);
    expect(await files.list(folder)).toEqual([]);
  });

  test('a folder that is missing is a failure with its cause', async () => {
    const error = await failure(files.writeAtomic(at('no/a'), 'new'));
    expect(error).toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'ENOENT' } });
    expect(error?.message).toMatch(/^creating .* failed: ENOENT/);
  });

  test('its temporary name is drawn again when it is taken', async () => {
    let draws = 0;
    const random = { bytes: (count: number) => Buffer.alloc(count, draws++ < 3 ? 7 : draws) };
    const seeded = new FileOperationService(realFileSystem, { random });
    const first = await seeded.createStaged(at('a'));
    const second = await seeded.createStaged(at('b'));
    expect(first.temporary).not.toBe(second.temporary);
    await first.discard();
    await second.discard();
    const stuck = new FileOperationService(realFileSystem, {
      random: { bytes: (count) => Buffer.alloc(count) },
    });
    await using held = await stuck.createStaged(at('a'));
    await expect(stuck.createStaged(at('b'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await held.commit();
    expect(await files.list(folder)).toEqual(['a']);
  });
});

describe('a staged file', () => {
  test('is nobody’s until it is committed, under the name that is known last', async () => {
    const staged = await files.createStaged(at('unknown'), { digest: true });
    await staged.write('hello ');
    await staged.write(Buffer.from('world'));
    expect(staged.bytesWritten).toBe(11);
    expect(staged.digest).toBeUndefined();
    expect((await files.list(folder)).every((name) => name.startsWith('.holdfast-'))).toBe(true);
    await staged.seal();
    expect(staged.digest).toBe(
      'sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9',
    );
    await staged.commit(at('named'));
    await staged.discard();
    expect(await files.list(folder)).toEqual(['named']);
    expect(await text('named')).toBe('hello world');
  });

  test('is used up by commit and by discard', async () => {
    const staged = await files.createStaged(at('a'));
    await staged.commit();
    await expect(staged.write('x')).rejects.toThrow('committed before');
    await expect(staged.commit()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    const other = await files.createStaged(at('b'));
    await other.discard();
    await other.discard();
    await expect(other.commit()).rejects.toThrow('discarded before');
    expect(await files.list(folder)).toEqual(['a']);
  });

  test('syncs what it is asked to sync and no more', async () => {
    const syncs = async (durable: boolean, syncFolder: boolean) => {
      const faults = faulty(realFileSystem, { nth: Infinity, only: ['sync'] });
      const service = new FileOperationService(faults.fs);
      const staged = await service.createStaged(at('a'), { durable });
      await staged.commit(undefined, { syncFolder });
      return faults.operations;
    };
    expect(await syncs(true, true)).toBe(2);
    expect(await syncs(true, false)).toBe(1);
    expect(await syncs(false, true)).toBe(0);
  });

  test('that cannot be removed says so when it is discarded', async () => {
    const faults = faulty(realFileSystem, { nth: 1, only: ['unlink'] });
    const staged = await new FileOperationService(faults.fs).createStaged(at('a'));
    await expect(staged.discard()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await files.removeTemporaries(folder)).toBe(1);
  });
});
