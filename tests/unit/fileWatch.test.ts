import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { FileSystem } from '../../src/index.ts';
import { type FileChange, FileOperationService, type WatchOptions } from '../../src/files.ts';
import { noFileLock } from '../../src/lib/store/FileSystemStore/lock.ts';
import { ManualClock } from '../../src/testkit.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld } from './fileWorlds.ts';

type Listener = Parameters<NonNullable<WatchOptions['hints']>>[1];

const SETTLE_MS = 50;
const BEAT_MS = 5_000;

let world: FileWorld;
let clock: ManualClock;
let watches: Watch[];

/** A watch whose hints and whose time are in the hands of the test. */
class Watch {
  readonly seen: string[] = [];
  /** Who hints now; absent while nobody listens. */
  listener: Listener | undefined;
  listened = 0;
  troubles: unknown[] = [];
  isReady = false;
  outcome: unknown = 'running';
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(options: WatchOptions = {}, fs: FileSystem = world.fs) {
    const files = new FileOperationService(fs, { clock, lockFile: noFileLock });
    const changes = files.watch.changes(world.folder, {
      rescanMs: Infinity,
      signal: this.#stop.signal,
      onReady: () => void (this.isReady = true),
      onTrouble: (cause) => this.troubles.push(cause),
      hints: async (_root, listener) => {
        this.listener = listener;
        this.listened++;
        return async () => void (this.listener = undefined);
      },
      ...options,
    });
    watches.push(this);
    this.#done = this.#collect(changes).then(
      () => void (this.outcome = 'ended'),
      (error: unknown) => void (this.outcome = error),
    );
  }

  async #collect(changes: AsyncIterable<FileChange>): Promise<void> {
    for await (const { type, path, entry } of changes) {
      this.seen.push(entry === 'file' ? `${type} ${path}` : `${type} ${entry} ${path}`);
    }
  }

  static async ready(options?: WatchOptions, fs?: FileSystem): Promise<Watch> {
    const watch = new Watch(options, fs);
    while (!watch.isReady) {
      if (watch.outcome !== 'running') throw watch.outcome;
      await setImmediate();
    }
    return watch;
  }

  /** The system says that these may have changed, several times; they come to rest. */
  hint(...names: readonly string[]): void {
    for (let n = 0; n < 3; n++)
      for (const name of names) this.listener?.changed(join(this.root, name));
  }

  /** As the watch sees it: without links. */
  root = '';

  /** What was told so far, once all that was done before is through. */
  async all(): Promise<string[]> {
    const marker = `~${watches.length}-${this.seen.length}-${Math.round(clock.ms)}`;
    await put(marker, '');
    this.hint(marker);
    await this.until(() => this.seen.includes(`added ${marker}`));
    return this.seen.filter((line) => !line.includes('~'));
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      if (this.outcome !== 'running') throw new Error('the watch ended', { cause: this.outcome });
      clock.advance(SETTLE_MS);
      await setImmediate();
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

async function put(name: string, text: string): Promise<void> {
  const handle = await world.fs.open(world.at(name), 'w');
  const bytes = Buffer.from(text);
  await handle.write(bytes, 0, bytes.length, 0);
  await handle.close();
}

/** Time goes by as it does: no step is longer than the one that looks for a machine that has slept. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += BEAT_MS) {
    clock.advance(BEAT_MS);
    await setImmediate();
  }
}

async function start(options?: WatchOptions, fs?: FileSystem): Promise<Watch> {
  const watch = await Watch.ready(options, fs);
  watch.root = await world.fs.realpath(world.folder);
  return watch;
}

beforeEach(() => {
  watches = [];
  clock = new ManualClock();
});
afterEach(async () => {
  for (const watch of watches) await watch.stop();
  await world.close();
});

describe.each(FILE_WORLDS)('a watch on $disk', ({ open }) => {
  beforeEach(async () => {
    world = await open();
    await put('a', 'A');
    await world.fs.mkdir(world.at('folder'));
    await put('folder/b', 'B');
  });

  test('tells each change once, however often it is hinted at [FO-7]', async () => {
    const { fs, at } = world;
    const watch = await start();
    expect(watch.seen).toEqual([]);
    await put('a', 'AA');
    await put('new', '');
    await fs.unlink(at('folder/b'));
    await fs.symlink('a', at('link'));
    watch.hint('a', 'new', 'folder', 'folder/b', 'link', 'nothing', 'folder/b/c');
    expect((await watch.all()).toSorted()).toEqual([
      'added link link',
      'added new',
      'changed a',
      'removed folder/b',
    ]);
    watch.hint('a', 'new', 'folder/b', 'link');
    expect(await watch.all()).toHaveLength(4);
  });

  test('tells of all that is in a folder that comes, goes or moves [FO-7]', async () => {
    const { fs, at } = world;
    const watch = await start();
    await fs.mkdir(at('new'));
    await fs.mkdir(at('new/deep'));
    await put('new/deep/x', '');
    watch.hint('new/deep/x');
    expect(await watch.all()).toEqual([
      'added folder new',
      'added folder new/deep',
      'added new/deep/x',
    ]);
    await fs.rename(at('new'), at('moved'));
    watch.hint('new', 'moved');
    expect((await watch.all()).slice(3)).toEqual([
      'removed new/deep/x',
      'removed folder new/deep',
      'removed folder new',
      'added folder moved',
      'added folder moved/deep',
      'added moved/deep/x',
    ]);
    await fs.unlink(at('a'));
    await fs.rename(at('moved'), at('a'));
    watch.hint('a', 'moved');
    expect((await watch.all()).slice(9, 14)).toEqual([
      'removed a',
      'added folder a',
      'added folder a/deep',
      'added a/deep/x',
      'removed moved/deep/x',
    ]);
  });

  test('finds by a rescan what nobody has hinted at [FO-7]', async () => {
    const { fs, at } = world;
    const watch = await start({ rescanMs: 60_000 });
    await put('a', 'AA');
    await put('new', '');
    await fs.unlink(at('folder/b'));
    await fs.rmdir(at('folder'));
    await pass(55_000);
    expect(watch.seen).toEqual([]);
    await pass(5_000);
    await watch.until(() => watch.seen.length >= 4);
    const changes = ['changed a', 'added new', 'removed folder/b', 'removed folder folder'];
    expect(watch.seen).toEqual(changes);
    await pass(120_000);
    expect(await watch.all()).toEqual(changes);
  });

  test('compares all when hints were lost, or failed, or the machine has slept [FO-7]', async () => {
    const watch = await start();
    const missing: (readonly [string, (listener: Listener) => void])[] = [
      ['overflow', (listener) => listener.missed()],
      ['error', (listener) => listener.missed(new Error('no more watches'))],
      ['sleep', () => void (clock.ms += 3_600_000)],
      [
        'flood',
        (listener) => {
          for (let n = 0; n <= 10_000; n++) listener.changed(join(watch.root, `no${n}`));
        },
      ],
    ];
    for (const [name, miss] of missing) {
      await put(name, '');
      if (watch.listener !== undefined) miss(watch.listener);
      await pass(2 * BEAT_MS);
      await watch.until(() => watch.seen.includes(`added ${name}`));
    }
    expect(await watch.all()).toEqual(missing.map(([name]) => `added ${name}`));
    expect(watch.troubles).toEqual([new Error('no more watches')]);
  });

  test('waits until a file is quiet, but not for ever [FO-7]', async () => {
    const watch = await start();
    const reads = async (ticks: number) => {
      for (let n = 0; n < ticks; n++) {
        await put('a', 'A'.repeat(n + 2));
        watch.hint('a');
        clock.advance(SETTLE_MS);
        for (let turn = 0; turn < 20; turn++) await setImmediate();
      }
    };
    await reads(9);
    expect(watch.seen).toEqual([]);
    expect(await watch.all()).toEqual(['changed a']);
    const times = () => watch.seen.filter((line) => line === 'changed a').length;
    for (let n = 0; n < 20 && times() < 2; n++) await reads(9);
    expect(times()).toBe(2);
  });

  test('looks at nothing until its consumer asks, and then tells the whole difference [FO-7]', async () => {
    const { fs, folder } = world;
    const looks = faulty(fs, { nth: Infinity, only: ['lstat', 'readdir'] });
    const files = new FileOperationService(looks.fs, { clock });
    let tell: Listener | undefined;
    const changes = files.watch.changes(folder, {
      initial: true,
      rescanMs: Infinity,
      hints: async (_root, listener) => {
        tell = listener;
        return async () => void (tell = undefined);
      },
    });
    const next = async () => (await changes.next()).value;
    expect(await next()).toEqual({ type: 'added', path: 'a', entry: 'file' });
    expect(await next()).toEqual({ type: 'added', path: 'folder', entry: 'folder' });
    expect(await next()).toEqual({ type: 'added', path: 'folder/b', entry: 'file' });
    await put('a', 'AA');
    tell?.missed();
    const third = changes.next();
    expect((await third).value).toEqual({ type: 'changed', path: 'a', entry: 'file' });
    const before = looks.operations;
    for (let n = 0; n < 5; n++) {
      await put('a', 'A'.repeat(n + 3));
      await put(`x${n}`, '');
      tell?.missed();
      await pass(BEAT_MS);
    }
    expect(looks.operations).toBe(before);
    const more = [await next(), await next()];
    expect(more.map((change) => change?.path)).toEqual(['a', 'x0']);
    await changes.return();
    expect(tell).toBeUndefined();
  });

  test('passes over what is ignored, and unfinished files [FO-7]', async () => {
    const { fs, at, files } = world;
    const watch = await start({ ignore: ['**/*.log', 'out'] });
    await fs.mkdir(at('out'));
    await put('out/x', '');
    await put('folder/a.log', '');
    await using staged = await files.createStaged(at('atomic'));
    await staged.write('x');
    watch.hint('out', 'out/x', 'folder/a.log', staged.temporary.slice(world.folder.length + 1));
    watch.listener?.missed();
    expect(await watch.all()).toEqual([]);
    await staged.commit();
    watch.hint('atomic');
    expect(await watch.all()).toEqual(['added atomic']);
  });

  test('tells by digest exactly when bytes have changed [FO-7]', async () => {
    const { at, files } = world;
    const watch = await start({ digest: true });
    await put('a', 'A');
    await files.writeAtomic(at('folder/b'), 'B');
    watch.hint('a', 'folder/b');
    expect(await watch.all()).toEqual([]);
    await put('a', 'X');
    watch.hint('a', 'folder/b');
    expect(await watch.all()).toEqual(['changed a']);
  });

  test('outlives its folder, and goes on with the one that comes back [FO-7]', async () => {
    const { fs } = world;
    const [folder, away] = [world.at('watched'), world.at('away')];
    await fs.mkdir(folder);
    world = { ...world, folder, at: (name) => join(folder, name) };
    await put('a', 'A');
    const watch = await start({ rescanMs: 60_000 });
    await fs.rename(folder, away);
    await pass(60_000);
    await watch.until(() => watch.seen.length > 0);
    expect(watch.seen).toEqual(['removed a']);
    expect(watch.listener).toBeUndefined();
    await fs.mkdir(folder);
    await put('b', '');
    await pass(60_000);
    await watch.until(() => watch.listener !== undefined);
    await put('c', '');
    watch.hint('c');
    expect((await watch.all()).slice(1)).toEqual(['added b', 'added c']);
    // Another one takes its place while nobody looks: hints of the old one say nothing of it.
    await fs.rename(folder, join(away, 'aside'));
    await fs.rename(away, folder);
    expect(watch.listened).toBe(2);
    watch.listener?.missed();
    await watch.until(() => watch.listened === 3);
    expect((await watch.all()).slice(3, 5)).toEqual(['added a', 'added folder aside']);
  });

  test('tells nothing of what is behind a link in the place of a folder [FO-7] [FO-6]', async () => {
    const { fs, at } = world;
    await fs.mkdir(at('folder/in'));
    const watch = await start();
    await fs.mkdir(at('away'));
    await fs.mkdir(at('away/in'));
    await put('away/in/secret', '');
    await fs.rename(at('folder'), at('old'));
    await fs.symlink('away', at('folder'));
    watch.hint('folder/in/secret');
    expect(await watch.all()).toEqual([
      'removed folder folder/in',
      'removed folder/b',
      'removed folder folder',
      'added link folder',
    ]);
    watch.listener?.missed();
    expect((await watch.all()).filter((line) => line.includes(' folder/'))).toHaveLength(2);
  });

  test('ends at once when it is told to, and listens to nobody any more [FO-7]', async () => {
    const watch = await start();
    expect(watch.listener).toBeDefined();
    await watch.stop();
    expect(watch.outcome).toBe('ended');
    expect(watch.listener).toBeUndefined();
    const stopped = AbortSignal.abort();
    const never = new Watch({ signal: stopped });
    await never.stop();
    expect([never.outcome, never.seen]).toEqual(['ended', []]);
  });

  test('begins with what is there, if asked, and ends with what goes wrong [FO-7]', async () => {
    const { fs, folder, at } = world;
    const watch = await start({ initial: true });
    expect(watch.seen).toEqual(['added a', 'added folder folder', 'added folder/b']);
    const files = new FileOperationService(fs, { clock });
    const first = (root: string, options?: WatchOptions) =>
      files.watch.changes(root, options).next();
    await expect(first(at('no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(first(at('a'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const wrong of [{ rescanMs: 0 }, { settleMs: -1 }, { rescanMs: NaN }, { ignore: '!a' }]) {
      await expect(first(folder, wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    const limited = new Watch({ entriesMax: 2 });
    while (limited.outcome === 'running') await setImmediate();
    expect(limited.outcome).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(limited.listener).toBeUndefined();
    const faults = faulty(fs, { nth: 3, only: ['lstat'], persistent: true });
    const failing = new Watch({}, faults.fs);
    while (failing.outcome === 'running') await setImmediate();
    expect(failing.outcome).toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'EIO' } });
  });
});

describe('a watch on a disk whose times never are the same', () => {
  beforeEach(async () => void (world = await FILE_WORLDS[2].open()));

  test('sees a change that leaves the size as it was [FO-7]', async () => {
    await put('a', 'A');
    const watch = await start();
    const handle = await world.fs.open(world.at('a'), 'r+');
    await handle.write(Buffer.from('X'), 0, 1, 0);
    await handle.close();
    watch.hint('a');
    expect(await watch.all()).toEqual(['changed a']);
  });
});

describe('a watch on the real disk', () => {
  beforeEach(async () => void (world = await FILE_WORLDS[0].open()));

  test('tells by digest what left size, time and number as they were [FO-7]', async () => {
    const { at } = world;
    await put('a', 'A');
    await nodeFs.utimes(at('a'), 1_000, 1_000);
    const [plain, certain] = [await start(), await start({ digest: true })];
    await put('a', 'X');
    await nodeFs.utimes(at('a'), 1_000, 1_000);
    for (const watch of [plain, certain]) watch.listener?.missed();
    expect(await certain.all()).toEqual(['changed a']);
    expect(await plain.all()).toEqual([]);
  });

  test('hears of every kind of change from the system [FO-7]', async () => {
    const { fs, folder, at, files } = world;
    await fs.mkdir(at('folder'));
    await put('folder/b', 'B');
    await put('a', 'A');
    const stop = new AbortController();
    const ready = Promise.withResolvers<void>();
    const changes = files.watch.changes(folder, {
      settleMs: 5,
      // Nothing is found by looking.
      rescanMs: Infinity,
      signal: stop.signal,
      onReady: ready.resolve,
      onTrouble: ready.reject,
    });
    // Whoever waits for a promise alone is not kept alive by a watch.
    const alive = setInterval(() => undefined, 60_000);
    const next = async () => {
      const { value } = await changes.next();
      return value === undefined ? 'the end' : `${value.type} ${value.path}`;
    };
    try {
      const first = next();
      await ready.promise;
      // At once: between a cut and a write there would be a change of its own.
      await files.writeAtomic(at('a'), 'AA');
      expect(await first).toBe('changed a');
      await put('new', '');
      expect(await next()).toBe('added new');
      await files.writeAtomic(at('folder/b'), 'atomic');
      expect(await next()).toBe('changed folder/b');
      await fs.unlink(at('new'));
      expect(await next()).toBe('removed new');
      await fs.mkdir(at('deep'));
      await fs.mkdir(at('deep/er'));
      await put('deep/er/x', '');
      const added = [await next(), await next(), await next()];
      expect(added).toEqual(['added deep', 'added deep/er', 'added deep/er/x']);
      await files.append(at('deep/er/x'), 'X');
      expect(await next()).toBe('changed deep/er/x');
      await fs.rename(at('deep'), at('folder/deep'));
      const moved = [];
      for (let n = 0; n < 6; n++) moved.push(await next());
      expect(moved.toSorted()).toEqual([
        'added folder/deep',
        'added folder/deep/er',
        'added folder/deep/er/x',
        'removed deep',
        'removed deep/er',
        'removed deep/er/x',
      ]);
      const last = next();
      stop.abort();
      expect(await last).toBe('the end');
    } finally {
      clearInterval(alive);
      await changes.return();
    }
  });
});
