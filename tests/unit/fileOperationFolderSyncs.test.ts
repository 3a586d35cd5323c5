import { describe, expect, test } from '@jest/globals';
import { createMemoryFileSystem, type FileSystem } from '../../src/index.ts';
import { FaultyDisk } from '../../src/testkit/faultyDisk.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';

const FAILED = { code: 'STORAGE_FAILED' };
const UNKNOWN = { code: 'OUTCOME_UNKNOWN', cause: { code: 'STORAGE_FAILED' } };

interface World {
  readonly disk: FaultyDisk;
  readonly files: FileOperationService;
  /** The next sync of this folder, or the next call `op` on it, fails. */
  readonly failNext: (folder: string, op?: string) => void;
}

async function world(inner: FileSystem = createMemoryFileSystem()): Promise<World> {
  const disk = new FaultyDisk(inner);
  const files = new FileOperationService(disk);
  await files.ensureFolder('/d');
  const failNext = (folder: string, op = 'sync') => {
    disk.fault = (call) => {
      if (call.op !== op || call.path !== folder) return undefined;
      disk.fault = () => undefined;
      return 'EIO';
    };
  };
  return { disk, files, failNext };
}

async function staged(files: FileOperationService, path: string): Promise<void> {
  const file = await files.createStaged(path);
  await file.write('bytes');
  await file.commit(undefined, { syncFolder: false });
}

describe('a name whose folder could not be synced', () => {
  test('is not durable by the sync of another, until it is given anew [W3] [W5]', async () => {
    const { files, failNext } = await world();
    await staged(files, '/d/mine');
    await staged(files, '/d/theirs');
    failNext('/d');
    await expect(files.syncNames(['/d/theirs'])).rejects.toMatchObject(FAILED);
    await expect(files.syncNames(['/d/mine'])).rejects.toMatchObject(FAILED);
    await expect(files.syncNames(['/d/mine'])).rejects.toMatchObject(FAILED);
    await staged(files, '/d/mine');
    await files.syncNames(['/d/mine']);
    await expect(files.syncNames(['/d/mine', '/d/theirs'])).rejects.toMatchObject(FAILED);
    expect(await files.remove('/d/theirs')).toBe(true);
    await files.syncNames(['/d/mine', '/d/theirs']);
  });

  test('is so too when it was removed, and nothing is there to be removed anew [W3]', async () => {
    const { files, failNext } = await world();
    await files.writeAtomic('/d/a', 'bytes');
    await files.remove('/d/a');
    failNext('/d');
    await expect(files.syncNames(['/d/a'])).rejects.toMatchObject(FAILED);
    expect(await files.remove('/d/a')).toBe(false);
    await expect(files.syncNames(['/d/a'])).rejects.toMatchObject(FAILED);
  });

  test('does not deceive the next process: an empty folder that it finds is made anew [W3] [W5]', async () => {
    const inner = createMemoryFileSystem();
    const first = await world(inner);
    await first.files.ensureFolder('/d/used');
    await first.files.writeAtomic('/d/used/a', 'bytes');
    // Its maker was killed between the failed sync of its parent and the removal.
    await inner.mkdir('/d/empty');
    const { disk, files } = await world(inner);
    await files.ensureFolder('/d/empty');
    await files.ensureFolder('/d/used');
    const made = disk.calls.filter(({ op, path }) => op === 'mkdir' && path !== '/d');
    expect(made.map(({ path }) => path)).toEqual(['/d/empty', '/d/empty', '/d/used']);
    expect(disk.calls.filter(({ op, path }) => op === 'sync' && path === '/d')).toHaveLength(2);
    expect(Buffer.from(await files.read('/d/used/a')).toString()).toBe('bytes');
  });

  test('keeps everything else in the folder from being believed [W3]', async () => {
    const { files, failNext } = await world();
    failNext('/d');
    await expect(files.syncFolder('/d')).rejects.toMatchObject(FAILED);
    await expect(files.syncFolder('/d')).rejects.toMatchObject(FAILED);
    await files.syncFolder('/');
  });

  test('is one that was there in time: what comes later is durable [W5]', async () => {
    const { files, failNext } = await world();
    failNext('/d');
    await expect(files.syncFolder('/d')).rejects.toMatchObject(FAILED);
    await files.writeAtomic('/d/a', 'bytes');
    await files.ensureFolder('/d/new');
  });

  test('of two atomic writes at once is durable for neither [FO-1] [W3]', async () => {
    const { disk, files } = await world();
    const renamed = Promise.withResolvers<void>();
    let [renames, syncs] = [0, 0];
    disk.fault = async ({ op, path }) => {
      if (op === 'rename' && ++renames === 2) renamed.resolve();
      if (op !== 'sync' || path !== '/d') return undefined;
      const isFirst = ++syncs === 1;
      await renamed.promise;
      return isFirst ? 'EIO' : undefined;
    };
    const writes = ['/d/a', '/d/b'].map((path) => files.writeAtomic(path, 'bytes'));
    const results = await Promise.allSettled(writes);
    const reasons = results.map((it) => (it.status === 'rejected' ? String(it.reason) : 'durable'));
    expect(reasons).toEqual([
      expect.stringContaining('could not be synced'),
      expect.stringContaining('could not be synced'),
    ]);
    await files.writeAtomic('/d/b', 'bytes');
  });

  test('is told by whichever sync the kernel failed, also when that is told late [W3]', async () => {
    const { disk, files } = await world();
    await staged(files, '/d/a');
    const told = Promise.withResolvers<void>();
    let syncs = 0;
    disk.fault = async ({ op }) => {
      if (op !== 'sync' || ++syncs > 1) return undefined;
      await told.promise;
      return 'EIO';
    };
    const first = files.syncFolder('/d').catch((error: unknown) => error);
    const second = files.syncNames(['/d/a']).catch((error: unknown) => error);
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
    told.resolve();
    expect(await first).toMatchObject(FAILED);
    expect(await second).toMatchObject(FAILED);
  });

  test('is not one where nothing was synced: the folder could not be opened [W3]', async () => {
    const { files, failNext } = await world();
    await staged(files, '/d/a');
    failNext('/d', 'open');
    await expect(files.syncNames(['/d/a'])).rejects.toMatchObject(FAILED);
    await files.syncNames(['/d/a']);
    await files.syncFolder('/d');
  });

  test('says OUTCOME_UNKNOWN when it has its new bytes [FO-1] [W3]', async () => {
    const { disk, files } = await world();
    const other = async () => {
      disk.fault = ({ op }) => (op === 'sync' ? 'EIO' : undefined);
      await expect(files.syncFolder('/d')).rejects.toMatchObject(FAILED);
      disk.fault = () => undefined;
    };
    disk.fault = async ({ op, path }) => {
      if (op === 'open' && path === '/d') await other();
      return undefined;
    };
    await expect(files.writeAtomic('/d/a', 'new')).rejects.toMatchObject(UNKNOWN);
    expect(Buffer.from(await files.read('/d/a')).toString()).toBe('new');
  });
});

describe('files that are removed together', () => {
  test('come back when that was not durable, and go for good the next time [W3]', async () => {
    const { disk, files, failNext } = await world();
    for (const name of ['a', 'b']) await files.writeAtomic(`/d/${name}`, name);
    const all = ['/d/a', '/d/b', '/d/missing'];
    failNext('/d');
    await expect(files.removeAll(all)).rejects.toMatchObject(FAILED);
    expect(await files.list('/d')).toEqual(['a', 'b']);
    const from = disk.calls.length;
    await files.removeAll(all);
    expect(await files.list('/d')).toEqual([]);
    const ops = disk.calls.slice(from).map(({ op }) => op);
    expect(ops.indexOf('sync')).toBeGreaterThan(ops.lastIndexOf('rename'));
    expect(ops.indexOf('unlink')).toBeGreaterThan(ops.indexOf('sync'));
  });

  test('can be removed again when not even their names could come back [W3]', async () => {
    const { disk, files } = await world();
    await files.writeAtomic('/d/a', 'a');
    disk.fault = ({ op, to }) => (op === 'sync' || to === '/d/a' ? 'EIO' : undefined);
    await expect(files.removeAll(['/d/a'])).rejects.toMatchObject(FAILED);
    await expect(files.removeAll(['/d/a'])).rejects.toMatchObject(FAILED);
    disk.fault = () => undefined;
    await files.removeAll(['/d/a']);
    expect(await files.list('/d')).toEqual([]);
    await files.syncNames(['/d/a']);
  });

  test('come back when one of them cannot be removed', async () => {
    const { files, failNext } = await world();
    for (const name of ['a', 'b']) await files.writeAtomic(`/d/${name}`, name);
    failNext('/d/b', 'rename');
    await expect(files.removeAll(['/d/a', '/d/b'])).rejects.toMatchObject(FAILED);
    expect(await files.list('/d')).toEqual(['a', 'b']);
  });
});

describe('a folder that was found, whose parent could not be synced', () => {
  /** What another process left. */
  async function found(): Promise<World> {
    const inner = createMemoryFileSystem();
    const before = new FileOperationService(inner);
    for (const name of ['empty', 'full', 'other']) await before.ensureFolder(`/d/${name}`);
    await before.writeAtomic('/d/full/a', 'bytes');
    await before.writeAtomic('/d/other/a', 'bytes');
    return world(inner);
  }

  test('is believed where something is in it: that came when it was durable [W3] [W5]', async () => {
    const { files, failNext } = await found();
    failNext('/d');
    await expect(files.ensureFolder('/d/full')).rejects.toMatchObject(FAILED);
    for (const name of ['full', 'other']) await files.ensureFolder(`/d/${name}`);
    expect(await files.list('/d')).toEqual(['empty', 'full', 'other']);
  });

  test.each(['empty', 'full'])(
    'is made anew when it is empty, also where the failure was that of %s [W3] [W5]',
    async (first) => {
      const { disk, files, failNext } = await found();
      failNext('/d');
      await expect(files.ensureFolder(`/d/${first}`)).rejects.toMatchObject(FAILED);
      const from = disk.calls.length;
      await files.ensureFolder('/d/empty');
      const calls = disk.calls.slice(from).map(({ op, path }) => `${op} ${path}`);
      const made = calls.lastIndexOf('mkdir /d/empty');
      expect(calls.includes('rmdir /d/empty')).toBe(first === 'full');
      expect(calls.slice(made + 1)).toContain('sync /d');
    },
  );

  test('between two of ours is made durable as well [W5]', async () => {
    const { disk, files } = await found();
    const from = disk.calls.length;
    await files.ensureFolder('/d/full/new');
    const synced = disk.calls.slice(from).flatMap(({ op, path }) => (op === 'sync' ? [path] : []));
    expect(synced).toEqual(['/d', '/d/full']);
  });

  test('is refused for good, and stays, where it is not in a folder of ours [W3]', async () => {
    const { disk } = await found();
    const files = new FileOperationService(disk);
    disk.fault = ({ op }) => (op === 'sync' ? 'EIO' : undefined);
    await expect(files.ensureFolder('/d/empty')).rejects.toMatchObject(FAILED);
    disk.fault = () => undefined;
    for (const name of ['empty', 'full']) {
      await expect(files.ensureFolder(`/d/${name}`)).rejects.toMatchObject(FAILED);
    }
    expect(await files.list('/d')).toEqual(['empty', 'full', 'other']);
  });

  test('is refused while it can be neither removed nor made [W3]', async () => {
    const { disk, files, failNext } = await found();
    failNext('/d');
    await expect(files.ensureFolder('/d/full')).rejects.toMatchObject(FAILED);
    disk.fault = ({ op }) => (op === 'rmdir' ? 'EBUSY' : undefined);
    await expect(files.ensureFolder('/d/empty')).rejects.toMatchObject(FAILED);
  });

  test('is believed again when the failure was only that nothing could be opened', async () => {
    const { files, failNext } = await found();
    failNext('/d', 'open');
    await expect(files.ensureFolder('/d/full')).rejects.toMatchObject(FAILED);
    await files.ensureFolder('/d/full');
  });
});
