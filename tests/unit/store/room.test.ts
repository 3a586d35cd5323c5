import { describe, expect, jest, test } from '@jest/globals';
import { type FileSystem, type OpenOptions, openStore, StoreError } from '../../../src/index.ts';
import { createMemoryFileSystem } from '../../../src/lib/ports/memoryFileSystem.ts';
import { RunIndex } from '../../../src/lib/store/index/RunIndex.ts';
import { refusal, Scene, until } from '../../fixtures/store/scene.ts';

const scene = new Scene();

const KiB = 1024;

function boundOf(fs: FileSystem): FileSystem {
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

/** Of the commits in a segment's file. */
async function lastPosition(fs: FileSystem, path: string): Promise<number> {
  const { size } = await fs.stat(path);
  const handle = await fs.open(path);
  const bytes = Buffer.alloc(size);
  await handle.read(bytes, 0, size, 0);
  await handle.close();
  return Math.max(...[...bytes.toString().matchAll(/"position":(\d+)/g)].map(([, n]) => Number(n)));
}

describe('a journal that is larger than it may be when it is opened', () => {
  const small: OpenOptions = {
    segmentBytesMax: 4 * KiB,
    journalBytesKeep: 16 * KiB,
    journalBytesMax: 32 * KiB,
  };

  test('holds up no writer for ever because a pin needs it', async () => {
    let store = await scene.open(small);
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.pins.create({ name: 'backup' });
    for (let n = 0; n < 100; n++) {
      await store.events.append('r', { type: 'e', payload: 'x'.repeat(1000) });
    }
    await store.close();
    store = await scene.open(small);
    expect((await store.stats()).journal.bytes).toBeGreaterThan(64 * KiB);
    expect((await store.events.append('r', { type: 'e' })).seq).toBe(101);
  });

  test('is made smaller for the first writer when the limit was lowered', async () => {
    let store = await scene.open({ segmentBytesMax: 4 * KiB });
    await store.runs.create({ id: 'r', workflow: 'w' });
    for (let n = 0; n < 100; n++) {
      await store.events.append('r', { type: 'e', payload: 'x'.repeat(1000) });
    }
    await store.close();
    store = await scene.open(small);
    expect((await store.events.append('r', { type: 'e' })).seq).toBe(101);
  });
});

describe('writers that wait for room', () => {
  test.each([
    { queueBytesMax: 8 * KiB, batchBytesMax: 4 * KiB },
    { journalBytesMax: 64 * KiB, journalBytesKeep: 0, segmentBytesMax: 16 * KiB },
  ])('are served in the order in which they came: %j', async (options) => {
    const store = await scene.open(options);
    await store.runs.create({ id: 'r', workflow: 'w' });
    const calls: Promise<{ readonly seq: number }>[] = [];
    for (let n = 0; n < 600; n++) {
      calls.push(store.events.append('r', { type: 'e', payload: `${n}`.padEnd(500) }));
      if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const seqs = (await Promise.all(calls)).map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  });
});

describe('a segment', () => {
  test('is not removed while callers of its commits wait to be told [W7]', async () => {
    const memory = createMemoryFileSystem();
    let acknowledged = 0;
    const ahead: number[] = [];
    const fileSystem: FileSystem = {
      ...boundOf(memory),
      async unlink(path) {
        if (/journal.\d+\.ndjson$/.test(path)) {
          ahead.push((await lastPosition(memory, path)) - acknowledged);
        }
        return memory.unlink(path);
      },
    };
    const sizes = {
      segmentBytesMin: 4 * KiB,
      segmentBytesMax: 4 * KiB,
      journalBytesKeep: 0,
      batchBytesMax: 32 * KiB,
    };
    await using store = await openStore('memory:', { fileSystem, quietMs: 1, ...sizes });
    for (let wave = 0; wave < 2; wave++) {
      const runs = Array.from({ length: 1_000 }, () => store.runs.create({ workflow: 'w' }));
      await Promise.all(runs.map((run) => run.then(() => acknowledged++)));
    }
    // How many go in this time depends on the machine.
    expect(ahead.length).toBeGreaterThan(3);
    // Those that are told in one turn count themselves a moment after they were told.
    expect(Math.max(...ahead)).toBeLessThanOrEqual(64);
  });
});

describe('an index that cannot be synced', () => {
  test('fails a pass, not the process, and is synced by a later one', async () => {
    const sync = jest.spyOn(RunIndex.prototype, 'checkpointToDisk');
    try {
      sync.mockImplementationOnce(() => {
        throw new StoreError('STORAGE_FULL', 'the disk is full');
      });
      const store = await scene.open();
      await store.runs.create({ id: 'r', workflow: 'w' });
      await until(() => {
        scene.clock.advance(3_000);
        return sync.mock.results.some(({ type }) => type === 'throw');
      });
      await store.runs.update('r', { priority: 1 });
      await until(() => {
        scene.clock.advance(3_000);
        return sync.mock.results.some(({ type }) => type === 'return');
      });
      expect(store.status).toBe('open');
    } finally {
      sync.mockRestore();
    }
  });
});

describe('a close that fails', () => {
  test('lets go of the lock all the same, and the log has what was acknowledged', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    scene.disk.fault = ({ op }) => (/^(write|sync|datasync)$/.test(op) ? 'EIO' : undefined);
    await refusal(store.close(), 'STORAGE_FAILED');
    scene.disk.fault = () => undefined;
    await scene.drop(store);
    const again = await scene.open();
    expect((await again.runs.get('r')).id).toBe('r');
  });
});
