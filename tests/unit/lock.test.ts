import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StoreError } from '../../src/lib/errors.ts';
import { type Clock, systemClock } from '../../src/lib/ports/clock.ts';
import { realFileSystem } from '../../src/lib/ports/fileSystem.ts';
import { createMemoryFileSystem } from '../../src/lib/ports/memoryFileSystem.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import {
  acquireStoreLock,
  noFileLock,
  noLock,
  type StoreLock,
  type StoreLockOptions,
} from '../../src/lib/store/FileSystemStore/lock.ts';
import { faulty } from './fileOperationFaults.ts';

let folder: string;
let locks: StoreLock[];
let children: ChildProcess[];
const files = new FileOperationService();
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await nodeFs.mkdtemp(join(tmpdir(), 'holdfast-lock-'));
  locks = [];
  children = [];
});
afterEach(async () => {
  for (const child of children) await kill(child);
  for (const lock of locks) await lock.release();
  await nodeFs.rm(folder, { recursive: true, force: true });
});

/** Time moves only when somebody waits, and then at once: a test sees each wait and loses no time. */
function eagerClock(onWait: (ms: number) => void = () => undefined): Clock {
  return {
    now: () => 1_000,
    after(ms, task) {
      onWait(ms);
      const handle = setImmediate(task);
      return () => clearImmediate(handle);
    },
  };
}

async function acquire(options: Partial<StoreLockOptions> = {}): Promise<StoreLock> {
  const lock = await acquireStoreLock({
    folder,
    files,
    clock: eagerClock(),
    waitMs: 0,
    ...options,
  });
  locks.push(lock);
  return lock;
}

/** A process that has said that it owns the store. */
async function holder(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./fileOperationChild.ts', import.meta.url)), 'hold', folder, '5000'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  expect(line.toString()).toBe('held\n');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

describe('between processes', () => {
  test('the second is refused while the first lives, and told who it is [FO-2]', async () => {
    const child = await holder();
    const error = await acquire().catch((failure: StoreError) => failure);
    expect(error).toMatchObject({ code: 'STORE_LOCKED', retryable: true });
    expect((error as StoreError).message).toContain(`pid ${child.pid}`);
    expect((error as StoreError).message).toContain('wait for it to end, or stop it');
  });

  test('a stopped owner keeps it, and a killed one loses it at once [FO-2]', async () => {
    const child = await holder();
    child.kill('SIGSTOP');
    // However old its file looks, no age breaks a lock (W12).
    await nodeFs.utimes(at('owner.json'), 0, 0);
    await expect(acquire({ waitMs: 200 })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await kill(child);
    const lock = await acquire();
    expect(await lock.confirm()).toBe(true);
    const owner = JSON.parse(String(await files.read(at('owner.json')))) as { pid: number };
    expect(owner.pid).toBe(process.pid);
  });

  test('who waits gets it when the owner goes [FO-2]', async () => {
    const child = await holder();
    let waits = 0;
    const clock = eagerClock(() => {
      if (++waits === 3) child.kill('SIGKILL');
    });
    const lock = await acquire({ waitMs: 1e9, clock });
    expect(lock.isHeld()).toBe(true);
    expect(waits).toBeGreaterThanOrEqual(3);
  });
});

describe('in one process', () => {
  test('two stores exclude each other, and the second follows the first [FO-2]', async () => {
    const first = await acquire();
    const refused = acquire();
    await expect(refused).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await expect(refused).rejects.toThrow(/this process .* close that store first/);
    const second = acquire({ waitMs: 1e9 });
    await first.release();
    expect((await second).isHeld()).toBe(true);
    expect(first.isHeld()).toBe(false);
    expect(await first.confirm()).toBe(false);
  });

  test('the refused attempts of others do not loosen the lock [FO-2]', async () => {
    await acquire();
    for (let n = 0; n < 5; n++) await expect(acquire()).rejects.toThrow('in use by');
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('./fileOperationChild.ts', import.meta.url)), 'hold', folder, '0'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    children.push(child);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => void (said += chunk.toString()));
    expect((await once(child, 'close'))[0]).not.toBe(0);
    expect(said).toContain('STORE_LOCKED');
  });

  test('tries at once and every 25 ms, for as long as it may wait', async () => {
    await acquire();
    const waits: number[] = [];
    const clock = eagerClock((ms) => waits.push(ms));
    await expect(acquire({ clock, waitMs: 60 })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    expect(waits).toEqual([25, 25, 10]);
  });

  test('a signal ends the wait, before it or in it', async () => {
    await acquire();
    const controller = new AbortController();
    const { signal } = controller;
    let cancelled = 0;
    const clock: Clock = {
      now: () => 1_000,
      after() {
        queueMicrotask(() => controller.abort('enough'));
        return () => void cancelled++;
      },
    };
    const waiting = acquire({ waitMs: 60_000, signal, clock });
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
    expect(cancelled).toBe(1);
    await expect(acquire({ signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('the files are private, and only the empty lock file stays', async () => {
    const umask = process.umask(0);
    try {
      const lock = await acquire();
      for (const name of ['lock.db', 'owner.json']) {
        expect((await nodeFs.stat(at(name))).mode & 0o777).toBe(0o600);
      }
      await lock.release();
      await lock.release();
    } finally {
      process.umask(umask);
    }
    expect(await files.list(folder)).toEqual(['lock.db']);
    expect(await files.size(at('lock.db'))).toBe(0);
  });
});

describe('an owner that noticed a pause', () => {
  test('finds that another has signed in, and leaves that one alone (W11)', async () => {
    const lock = await acquire();
    expect(await lock.confirm()).toBe(true);
    await files.writeAtomic(at('owner.json'), '{"pid":1,"token":"another"}');
    expect(lock.isHeld()).toBe(true);
    expect(await lock.confirm()).toBe(false);
    await lock.release();
    expect(await files.list(folder)).toEqual(['lock.db', 'owner.json']);
  });

  test.each(['removed', 'replaced'])('finds that its lock file was %s (W11)', async (how) => {
    const lock = await acquire();
    await nodeFs.rename(at('lock.db'), at('elsewhere'));
    if (how === 'replaced') await nodeFs.writeFile(at('lock.db'), '');
    expect(await lock.confirm()).toBe(false);
  });

  test('that cannot look is told so', async () => {
    const { fs } = faulty(realFileSystem, { nth: 3, only: ['stat'] });
    const lock = await acquire({ files: new FileOperationService(fs) });
    await expect(lock.confirm()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });
});

describe('what is in the way', () => {
  test('a file of something else is refused, and stays as it is', async () => {
    const text = 'a diary, not a database: '.repeat(100);
    await nodeFs.writeFile(at('lock.db'), text);
    await expect(acquire()).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    expect((await nodeFs.readFile(at('lock.db'))).toString()).toBe(text);
  });

  test('a link or a folder is refused', async () => {
    await nodeFs.writeFile(at('target'), '');
    await nodeFs.symlink(at('target'), at('lock.db'));
    await expect(acquire()).rejects.toThrow('in the way of the lock');
    await nodeFs.unlink(at('lock.db'));
    await nodeFs.mkdir(at('lock.db'));
    await expect(acquire()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  test('a folder that is missing is a failure, not a wait', async () => {
    const error = acquire({ folder: at('no'), waitMs: 60_000 });
    await expect(error).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  test('a lock that cannot be signed for is let go again', async () => {
    for (let nth = 1; ; nth++) {
      const faults = faulty(realFileSystem, { nth });
      const attempt = acquire({ files: new FileOperationService(faults.fs) });
      const lock = await attempt.catch((error: unknown) => error);
      if (faults.fired > 0) expect(lock).toMatchObject({ name: 'StoreError' });
      else break;
      await (await acquire()).release();
    }
    expect(locks.at(-1)?.isHeld()).toBe(true);
  });

  test('an unreadable owner.json does not hide who is refused', async () => {
    await acquire();
    for (const text of ['not JSON', 'null', '']) {
      await files.writeAtomic(at('owner.json'), text);
      await expect(acquire()).rejects.toThrow('in use by another process');
    }
  });
});

describe('in memory', () => {
  test('there is nobody to exclude', async () => {
    const memory = new FileOperationService(createMemoryFileSystem(), { lockFile: noFileLock });
    const options = { folder: '/', files: memory, clock: systemClock, waitMs: 0 };
    const lock = await noLock(options);
    expect(lock.isHeld()).toBe(true);
    expect(await lock.confirm()).toBe(true);
    await lock.release();
    expect(lock.isHeld()).toBe(false);
    expect(await memory.list('/')).toEqual([]);
  });

  test('the rules of owner.json hold on any port that does not number its files', async () => {
    const port = createMemoryFileSystem();
    const fs = { ...realFileSystem, stat: async () => port.stat('/') };
    const lock = await acquire({ files: new FileOperationService(fs) });
    expect(await lock.confirm()).toBe(true);
  });
});
