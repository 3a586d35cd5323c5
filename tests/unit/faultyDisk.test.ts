import { constants } from 'node:fs';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryFileSystem, type FileHandle } from '../../src/index.ts';
import { FaultyDisk, isSync, NthCall, triesAfter } from '../../src/testkit/faultyDisk.ts';

const BYTES = Buffer.from('0123456789');
const DURABLE = constants.O_RDWR | constants.O_CREAT | (constants.O_DSYNC ?? constants.O_SYNC ?? 0);

let disk: FaultyDisk;

beforeEach(() => {
  disk = new FaultyDisk(createMemoryFileSystem());
});

/** Makes the nth call that counts fail from here on. */
function fail(nth: number, fault: string, persistent = false): NthCall {
  const trouble = new NthCall({ nth, fault, persistent });
  disk.fault = trouble.decide;
  return trouble;
}

const write = (file: FileHandle) => file.write(BYTES, 0, BYTES.length, 0);

async function content(path: string): Promise<string> {
  disk.fault = () => undefined;
  const file = await disk.open(path, 'r');
  const { bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0);
  await file.close();
  return BYTES.subarray(0, bytesRead).toString();
}

async function codes(calls: readonly (() => Promise<unknown>)[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const call of calls) {
    found.push(
      await call().then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      ),
    );
  }
  return found;
}

describe('a disk that is made to fail', () => {
  test('numbers its calls and passes them on', async () => {
    const file = await disk.open('/a', 'w+');
    await write(file);
    await file.close();
    expect(disk.calls.map(({ number, op, path }) => [number, op, path])).toEqual([
      [1, 'open', '/a'],
      [2, 'write', '/a'],
      [3, 'close', '/a'],
    ]);
    expect(await content('/a')).toBe('0123456789');
    expect(disk.openHandles).toBe(0);
  });

  test.each([
    [false, ['done', 'EROFS', 'done']],
    [true, ['done', 'EROFS', 'EROFS']],
  ])('fails at the nth call, and goes on so if it is to (%s)', async (persistent, expected) => {
    const trouble = fail(2, 'EROFS', persistent);
    const calls = ['/a', '/b', '/c'].map((path) => () => disk.mkdir(path));
    expect(await codes(calls)).toEqual(expected);
    expect(trouble.struck?.path).toBe('/b');
    expect(await disk.readdir('/').catch(() => 'not')).not.toContain('b');
  });

  test('writes half of the bytes and says so when it is short', async () => {
    const file = await disk.open('/a', 'w+');
    fail(1, 'short');
    expect(await write(file)).toEqual({ bytesWritten: 5 });
    await file.close();
    expect(await content('/a')).toBe('01234');
  });

  test('does the work and then reports a failure when it is late', async () => {
    const file = await disk.open('/a', 'w+');
    fail(1, 'late');
    expect(await codes([() => file.stat(), () => write(file)])).toEqual(['done', 'EIO']);
    await file.close();
    expect(await content('/a')).toBe('0123456789');
  });

  test('leaves no handle behind when opening or closing fails', async () => {
    fail(1, 'late');
    expect(await codes([() => disk.open('/a', 'w')])).toEqual(['EIO']);
    expect(await disk.readdir('/')).toEqual(['a']);
    expect(disk.openHandles).toBe(0);
    const file = await disk.open('/a', 'r');
    fail(1, 'EIO');
    expect(await codes([() => file.close()])).toEqual(['EIO']);
    expect(disk.openHandles).toBe(0);
    await expect(file.stat()).rejects.toMatchObject({ code: 'EBADF' });
  });

  test('lets nothing begin while it is stopped', async () => {
    const goOn = await disk.stop();
    const made = disk.mkdir('/a');
    await new Promise((resolve) => setImmediate(resolve));
    expect(disk.calls).toEqual([]);
    goOn();
    await made;
    expect(disk.calls).toHaveLength(1);
  });
});

describe('what was done after a failed sync', () => {
  test('is found under the new name of the file, and by another handle', async () => {
    const file = await disk.open('/a', 'w+');
    fail(1, 'EIO');
    await codes([() => file.sync()]);
    const failed = disk.calls.find(isSync);
    if (failed === undefined) throw new Error('nothing failed');
    await file.close();
    await disk.rename('/a', '/b');
    const again = await disk.open('/b', 'r+');
    await again.datasync();
    await again.close();
    expect(triesAfter(failed, disk.calls).map(({ op }) => op)).toEqual(['rename', 'datasync']);
  });

  test('is not what happens to another file that gets its name', async () => {
    const file = await disk.open('/a', 'w+');
    fail(1, 'EIO');
    await codes([() => file.sync()]);
    const failed = disk.calls.find(isSync);
    if (failed === undefined) throw new Error('nothing failed');
    await file.close();
    await disk.unlink('/a');
    const other = await disk.open('/a', 'w+');
    await other.sync();
    await other.close();
    expect(triesAfter(failed, disk.calls)).toEqual([]);
  });

  test('counts a write that is durable when it resolves as a sync', async () => {
    const file = await disk.open('/a', DURABLE);
    await write(file);
    await file.close();
    expect(disk.calls.filter(isSync).map(({ op }) => op)).toEqual(['write']);
  });
});
