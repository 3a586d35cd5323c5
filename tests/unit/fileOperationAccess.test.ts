import { execFile } from 'node:child_process';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isStoreError } from '../../src/lib/errors.ts';
import type { Clock } from '../../src/lib/ports/clock.ts';
import { createMemoryFileSystem } from '../../src/lib/ports/memoryFileSystem.ts';
import { realFileSystem } from '../../src/lib/ports/fileSystem.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { noFileLock } from '../../src/lib/store/FileSystemStore/lock.ts';
import { faulty } from './fileOperationFaults.ts';

let folder: string;
const files = new FileOperationService();
const at = (name: string): string => join(folder, name);
const text = async (name: string) => (await nodeFs.readFile(at(name))).toString();

beforeEach(async () => {
  folder = await nodeFs.mkdtemp(join(tmpdir(), 'holdfast-access-'));
});
afterEach(() => nodeFs.rm(folder, { recursive: true, force: true }));

describe('append', () => {
  test('a hundred at once are all there, whole and in order [FO-2]', async () => {
    const lines = Array.from({ length: 100 }, (_, n) => `line ${n}\n`);
    await Promise.all(lines.map((line) => files.append(at('log'), line)));
    expect(await text('log')).toBe(lines.join(''));
  });

  test('cuts back what a failure left, so that the next one fits [FO-1]', async () => {
    for (let nth = 1; ; nth++) {
      await nodeFs.writeFile(at('log'), 'old|');
      const faults = faulty(realFileSystem, { nth });
      const error: unknown = await new FileOperationService(faults.fs)
        .append(at('log'), 'new|')
        .catch((failure: unknown) => failure);
      if (faults.fired === 0) break;
      // Closing is the last step: the bytes are durable then, and the failure is still told.
      const closing = isStoreError(error, 'OUTCOME_UNKNOWN');
      expect(closing || isStoreError(error, 'STORAGE_FAILED')).toBe(true);
      expect(await text('log')).toBe(closing ? 'old|new|' : 'old|');
    }
    expect(await text('log')).toBe('old|new|');
  });

  test('a short write is STORAGE_FULL and leaves no half [FO-1]', async () => {
    await files.append(at('log'), 'old|');
    const { fs } = faulty(realFileSystem, { nth: 1, only: ['write'], shortWrite: true });
    await expect(new FileOperationService(fs).append(at('log'), 'new|')).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    });
    expect(await text('log')).toBe('old|');
  });

  test('says OUTCOME_UNKNOWN when the cut-back fails too [FO-1]', async () => {
    await files.append(at('log'), 'old|');
    const { fs } = faulty(realFileSystem, { nth: 3, persistent: true });
    await expect(new FileOperationService(fs).append(at('log'), 'new|')).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      cause: { errors: [{ code: 'EIO' }, { code: 'EIO' }] },
    });
  });

  test('does not follow a link that stands in its place', async () => {
    await nodeFs.writeFile(at('target'), 'untouched');
    await nodeFs.symlink(at('target'), at('log'));
    await expect(files.append(at('log'), 'x')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await text('target')).toBe('untouched');
  });
});

describe('withLock', () => {
  test('lets a hundred callers through one by one, in their order [FO-2]', async () => {
    let inside = 0;
    const order: number[] = [];
    const enter = async (n: number) =>
      files.withLock(at('a'), async () => {
        expect(++inside).toBe(1);
        await files.writeAtomic(at('a'), String(n));
        order.push(n);
        inside--;
        return n;
      });
    const all = Array.from({ length: 100 }, (_, n) => n);
    expect(await Promise.all(all.map(enter))).toEqual(all);
    expect(order).toEqual(all);
    expect(await files.list(folder)).toEqual(['.a.lock', 'a']);
  });

  test('loses no update of four processes [FO-2]', async () => {
    await nodeFs.writeFile(at('counter'), '0');
    const child = fileURLToPath(new URL('./fileOperationChild.ts', import.meta.url));
    const increment = () =>
      promisify(execFile)(process.execPath, [child, 'increment', folder, '25']);
    await Promise.all([increment(), increment(), increment(), increment()]);
    expect(await text('counter')).toBe('100');
  }, 60_000);

  test('is free again after a failure, for services apart from each other too [FO-2]', async () => {
    const other = new FileOperationService();
    const failed = files.withLock(at('a'), () => Promise.reject(new Error('mine')));
    await expect(failed).rejects.toThrow('mine');
    expect(await other.withLock(at('a'), () => Promise.resolve('theirs'))).toBe('theirs');
    const held = files.withLock(at('a'), async () => {
      const refused = other.withLock(at('a'), () => Promise.resolve(1), { waitMs: 0 });
      await expect(refused).rejects.toMatchObject({ code: 'STORE_LOCKED', retryable: true });
      return other.withLock(at('b'), () => Promise.resolve('another lock'));
    });
    expect(await held).toBe('another lock');
  });

  test('ends the wait of a caller by time or signal, and the others go on [FO-2]', async () => {
    const tasks: (() => void)[] = [];
    const clock: Clock = {
      now: () => 0,
      after: (_ms, task) => {
        tasks.push(task);
        return () => void tasks.splice(tasks.indexOf(task), 1);
      },
    };
    const fs = createMemoryFileSystem();
    const service = new FileOperationService(fs, { clock, lockFile: noFileLock });
    const { promise, resolve } = Promise.withResolvers<void>();
    const controller = new AbortController();
    const { signal } = controller;
    const nothing = () => Promise.resolve('ran');
    const first = service.withLock('/a', () => promise);
    const late = service.withLock('/a', nothing, { waitMs: 50 });
    const aborted = service.withLock('/a', nothing, { signal });
    const last = service.withLock('/a', nothing);
    expect(tasks).toHaveLength(3);
    tasks[0]?.();
    await expect(late).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    controller.abort('enough');
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
    await expect(service.withLock('/a', nothing, { signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    resolve();
    await first;
    expect(await last).toBe('ran');
    expect(tasks).toHaveLength(0);
  });
});

describe('small reads and names', () => {
  test('read gives all bytes, and tells a missing file from a failing disk', async () => {
    await nodeFs.writeFile(at('a'), 'bytes');
    expect(String(await files.read(at('a')))).toBe('bytes');
    expect(String(await files.readIfPresent(at('a')))).toBe('bytes');
    expect(await files.readIfPresent(at('no'))).toBeUndefined();
    await expect(files.read(at('no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(files.size(at('no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await files.size(at('a'))).toBe(5);
    const { fs } = faulty(realFileSystem, { nth: 1, persistent: true, code: 'EACCES' });
    const failing = new FileOperationService(fs);
    await expect(failing.read(at('a'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(failing.readIfPresent(at('a'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(failing.list(folder)).rejects.toMatchObject({ cause: { code: 'EACCES' } });
    await expect(failing.remove(at('a'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  test('readRange opens, reads and closes once', async () => {
    await nodeFs.writeFile(at('a'), '0123456789');
    const faults = faulty(realFileSystem, { nth: Infinity });
    const counted = new FileOperationService(faults.fs);
    expect(String(await counted.readRange(at('a'), 2, 5))).toBe('23456');
    expect(faults.operations).toBe(3);
    expect(String(await files.readRange(at('a'), 8, 5))).toBe('89');
    await expect(files.readRange(at('no'), 0, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a file that cannot be closed after reading is a failure', async () => {
    await nodeFs.writeFile(at('a'), 'x');
    const { fs } = faulty(realFileSystem, { nth: 1, only: ['close'] });
    await expect(new FileOperationService(fs).read(at('a'))).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
  });

  test('rename, remove, list and discard answer for what is and is not there', async () => {
    await files.writeAtomic(at('b'), 'B');
    await files.rename(at('b'), at('a'));
    expect(await files.list(folder)).toEqual(['a']);
    expect(await files.list(at('no'))).toEqual([]);
    await expect(files.rename(at('b'), at('a'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await files.remove(at('a'))).toBe(true);
    expect(await files.remove(at('a'))).toBe(false);
    await files.discard(files.temporaryName(at('a')));
    await expect(files.syncFolder(at('no'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });
});

describe('ensureFolder', () => {
  test('makes every level private, whatever the umask, and syncs each parent', async () => {
    const opened: string[] = [];
    const fs = {
      ...realFileSystem,
      open: (path: string, flags?: string | number) => {
        opened.push(path);
        return realFileSystem.open(path, flags);
      },
    };
    const service = new FileOperationService(fs);
    const umask = process.umask(0o277);
    try {
      await service.ensureFolder(at('x/y/z'));
    } finally {
      process.umask(umask);
    }
    for (const name of ['x', 'x/y', 'x/y/z']) {
      expect((await nodeFs.stat(at(name))).mode & 0o777).toBe(0o700);
    }
    expect(opened).toEqual([folder, at('x'), at('x/y')]);
    await service.ensureFolder(at('x/y/z'));
    expect(opened).toHaveLength(3);
    // A new owner cannot know whether the last one came to the sync.
    await new FileOperationService(fs).ensureFolder(at('x/y/z'));
    expect(opened).toHaveLength(4);
  });

  test('makes it once for many who ask at the same time, and again when it is gone', async () => {
    await Promise.all(Array.from({ length: 20 }, () => files.ensureFolder(at('x/y'))));
    await nodeFs.rm(at('x/y'), { recursive: true });
    await files.ensureFolder(at('x/y'));
    expect((await nodeFs.stat(at('x/y'))).isDirectory()).toBe(true);
  });

  test('makes nothing in the place of storage that has gone away [ES-3]', async () => {
    await files.ensureFolder(at('x/y/z'));
    await nodeFs.rename(at('x'), at('away'));
    for (const name of ['x/y/z', 'x/y', 'x/y/new', 'x/new']) {
      const gone = { code: 'STORAGE_FAILED', cause: { code: 'ENOENT' } };
      await expect(files.ensureFolder(at(name))).rejects.toMatchObject(gone);
    }
    await nodeFs.rename(at('away'), at('x'));
    await files.ensureFolder(at('x/y/new'));
    expect(await files.list(at('x/y'))).toEqual(['new', 'z']);
  });

  test('fails when any operation does, and heals when it is asked again', async () => {
    for (let nth = 1; ; nth++) {
      await nodeFs.rm(at('x'), { recursive: true, force: true });
      const faults = faulty(realFileSystem, { nth });
      const service = new FileOperationService(faults.fs);
      const made = await service.ensureFolder(at('x/y')).catch((error: unknown) => error);
      if (faults.fired === 0) break;
      expect(made).toMatchObject({ code: 'STORAGE_FAILED' });
      await service.ensureFolder(at('x/y'));
    }
    expect(await files.list(at('x'))).toEqual(['y']);
  });

  test('takes a folder that stands in a parent which is not ours to open', async () => {
    await nodeFs.mkdir(at('x'));
    const refusing = { nth: 1, only: ['open'], code: 'EACCES', persistent: true };
    const service = new FileOperationService(faulty(realFileSystem, refusing).fs);
    await service.ensureFolder(at('x'));
    await expect(service.ensureFolder(at('new'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  test('refuses a file that is in the way, and a world without a root', async () => {
    await nodeFs.writeFile(at('x'), '');
    await expect(files.ensureFolder(at('x'))).rejects.toThrow('it is not a folder');
    await expect(files.ensureFolder(at('x/y'))).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      cause: { code: 'ENOTDIR' },
    });
    const fs = faulty(realFileSystem, { nth: 1, persistent: true, code: 'ENOENT' }).fs;
    await expect(new FileOperationService(fs).ensureFolder(at('y'))).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
  });
});

describe('removeTemporaries', () => {
  const ours = '.holdfast-0123456789abcdef01234567.tmp';
  const theirs = ['.holdfast', '.holdfast-notes.tmp', 'a.tmp', `${ours}~`, `x${ours}`];

  test('removes what is ours, whatever its age, and nothing else [FO-8]', async () => {
    for (const name of [ours, ours.replace('.tmp', '.old'), ...theirs]) {
      await nodeFs.writeFile(at(name), '');
    }
    await nodeFs.utimes(at(ours), 0, 0);
    await nodeFs.mkdir(at(ours.replace('0', '1')));
    expect(await files.removeTemporaries(folder)).toBe(2);
    expect(await files.list(folder)).toEqual([...theirs, ours.replace('0', '1')].toSorted());
    expect(await files.removeTemporaries(folder)).toBe(0);
    expect(await files.removeTemporaries(at('no'))).toBe(0);
  });

  test('goes below only when asked, and never through a link [FO-8]', async () => {
    const outside = await nodeFs.mkdtemp(join(tmpdir(), 'holdfast-outside-'));
    try {
      await nodeFs.mkdir(at('x/y'), { recursive: true });
      await nodeFs.writeFile(at(`x/y/${ours}`), '');
      await nodeFs.writeFile(join(outside, ours), '');
      await nodeFs.symlink(outside, at('x/link'));
      await nodeFs.symlink(join(outside, ours), at(`x/${ours}`));
      expect(await files.removeTemporaries(folder)).toBe(0);
      // A link that was to replace another is one of ours; what it leads to is not.
      expect(await files.removeTemporaries(folder, { recursive: true })).toBe(2);
      expect(await files.list(at('x'))).toEqual(['link', 'y']);
      expect(await files.list(at('x/y'))).toEqual([]);
      expect(await nodeFs.readdir(outside)).toEqual([ours]);
    } finally {
      await nodeFs.rm(outside, { recursive: true });
    }
  });

  test('knows the names that temporaryName gives [FO-8]', async () => {
    await nodeFs.writeFile(files.temporaryName(at('a')), '');
    expect(await files.removeTemporaries(folder)).toBe(1);
  });

  test('tells which operation failed, and goes on when asked again [FO-8]', async () => {
    for (let nth = 1; ; nth++) {
      await nodeFs.writeFile(at(ours), '');
      const faults = faulty(realFileSystem, { nth });
      const service = new FileOperationService(faults.fs);
      const removed = await service.removeTemporaries(folder).catch((error: unknown) => error);
      if (faults.fired === 0) break;
      expect(removed).toMatchObject({ code: 'STORAGE_FAILED' });
      expect(await service.removeTemporaries(folder)).toBe(1);
    }
    expect(await files.list(folder)).toEqual([]);
  });
});
