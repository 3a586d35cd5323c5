import { describe, expect, test } from '@jest/globals';
import { openStore, type Store } from '../../src/index.ts';
import { ManualClock, SeededRandom, SimulatedDisk } from '../../src/testkit.ts';
import { aWhile, collect } from '../fixtures/store/scene.ts';

const SMALL = { segmentBytesMin: 2048, segmentBytesMax: 2048, journalBytesKeep: 2048, quietMs: 10 };
const EVENTS = 4;
const SEEDS = 12;

const isRunFolder = ({ op, path }: { op: string; path: string }) =>
  op === 'sync' && /runs.[0-9a-f]{2}$/.test(path);

class Scene {
  readonly disk: SimulatedDisk;
  readonly clock = new ManualClock();

  constructor(seed: number) {
    this.disk = new SimulatedDisk({ random: new SeededRandom(seed) });
  }

  open(): Promise<Store> {
    const { disk, clock } = this;
    return openStore('memory:', { ...SMALL, fileSystem: disk.fileSystem, clock });
  }

  /** A store with one run; its checkpoint gets to the sync of its name, which `fault` decides. */
  async checkpoint(fault: () => string | undefined): Promise<void> {
    const store = await this.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    for (let n = 0; n < EVENTS; n++) {
      await store.events.append('r', { type: 'e', payload: 'x'.repeat(500) });
    }
    let reached = false;
    this.disk.fault = (call) => {
      if (reached || !isRunFolder(call)) return undefined;
      reached = true;
      return fault();
    };
    await this.quiet();
    expect(reached).toBe(true);
    this.disk.kill();
    await this.end(store);
  }

  /** A checkpoint, as far as it gets. */
  async quiet(): Promise<void> {
    this.clock.advance(60_000);
    await aWhile();
  }

  async end(store: Store): Promise<void> {
    this.disk.fault = () => undefined;
    await store.close().catch(() => undefined);
  }

  /** The next process goes on for so long that old segments go. Then the power is cut. */
  async goOn(): Promise<readonly number[]> {
    const store = await this.open();
    for (let n = 0; n < 6; n++) await store.runs.create({ workflow: 'w', input: 'y'.repeat(900) });
    await store.close();
    const removed = this.disk.events.flatMap((event) =>
      event.kind === 'names' ? event.names.filter(([, inode]) => inode === undefined) : [],
    );
    expect(removed.some(([name]) => /^\d{10}\.ndjson$/.test(name))).toBe(true);
    await this.disk.cutPower();
    await using last = await this.open();
    return (await collect(last.events.list('r'))).map(({ seq }) => seq);
  }
}

const ALL = Array.from({ length: EVENTS }, (_, n) => n + 1);

describe('the name of a run file that is not durable', () => {
  // Found by the crash explorer: "deletions, and new runs of the same id", seed 21.
  test('because its process was killed: the next one keeps the log until it is [W7]', async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const scene = new Scene(seed);
      await scene.checkpoint(() => {
        scene.disk.kill();
        return undefined;
      });
      expect([seed, await scene.goOn()]).toEqual([seed, ALL]);
    }
  });

  test('because the sync of its folder failed: the next process does not believe it [W3] [W7]', async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const scene = new Scene(seed);
      await scene.checkpoint(() => 'EIO');
      expect([seed, await scene.goOn()]).toEqual([seed, ALL]);
    }
  });
});

describe('a name that is gone and may come back', () => {
  // Found by the crash explorer: "deletions, and new runs of the same id", seed 1, with a kill.
  test('of a deleted run whose process was killed: the deletion stays in the log until then [W7]', async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const scene = new Scene(seed);
      const store = await scene.open();
      await store.runs.create({ id: 'doomed', workflow: 'w' });
      await store.runs.create({ id: 'r', workflow: 'w' });
      await scene.quiet();
      for (let n = 0; n < 5; n++) {
        await store.events.append('r', { type: 'e', payload: 'x'.repeat(900) });
        await scene.quiet();
      }
      await store.runs.delete('doomed');
      let removed = false;
      scene.disk.fault = (call) => {
        if (call.op === 'rename' && call.path.includes('doomed')) removed = true;
        else if (removed && isRunFolder(call)) scene.disk.kill();
        return undefined;
      };
      await scene.quiet();
      expect(removed).toBe(true);
      await scene.end(store);
      await scene.goOn();
      await using last = await scene.open();
      const ids = (await collect(last.runs.list())).map(({ id }) => id);
      expect([seed, ids.includes('doomed')]).toEqual([seed, false]);
    }
  });

  test('of a segment whose folder could not be synced: nothing goes on after it [W3] [W4]', async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const scene = new Scene(seed);
      const store = await scene.open();
      await store.runs.create({ id: 'r', workflow: 'w' });
      let left = 1;
      scene.disk.fault = ({ op, path }) =>
        op === 'sync' && path.endsWith('journal') && left-- > 0 ? 'EIO' : undefined;
      for (let n = 0; n < 8; n++) {
        const event = { type: 'e', payload: 'x'.repeat(500) };
        await store.events.append('r', event).catch(() => undefined);
      }
      expect(store.status).toBe('poisoned');
      await scene.end(store);
      const next = await scene.open();
      const { seq } = await next.events.append('r', { type: 'last' });
      scene.disk.kill();
      await scene.end(next);
      await scene.disk.cutPower();
      await using last = await scene.open();
      const events = await collect(last.events.list('r'));
      expect([seed, events.at(-1)?.seq]).toEqual([seed, seq]);
    }
  });
});
