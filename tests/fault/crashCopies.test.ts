import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import type { OpenOptions, Store } from '../../src/index.ts';
import { type IndexedRun, RunIndex } from '../../src/lib/store/index/RunIndex.ts';
import { collect, Scene, until } from '../fixtures/store/scene.ts';

const scene = new Scene();

const SMALL: OpenOptions = {
  segmentBytesMin: 2048,
  segmentBytesMax: 4096,
  journalBytesKeep: 6_000,
  tailBytesMax: 2_000,
  quietMs: 10,
};

/** What was acknowledged of a run. */
interface Known {
  life: number;
  events: number;
  transactions: number;
  /** From its deletion until its next creation nothing is sure. */
  isChanging: boolean;
}

/** A workload that remembers what was acknowledged, run by run. */
class Workload {
  readonly store: Store;
  readonly known = new Map<string, Known>();
  stopped = false;
  deletions = 0;

  constructor(store: Store) {
    this.store = store;
  }

  /** Three lives of one run: created, filled, deleted, and again under the same id. */
  async one(id: string): Promise<void> {
    const { store } = this;
    for (let life = 1; life <= 3 && !this.stopped; life++) {
      const before = this.known.get(id);
      if (before !== undefined) {
        before.isChanging = true;
        await store.runs.delete(id);
        this.deletions++;
      }
      await store.runs.create({ id, workflow: 'w', input: life });
      const known: Known = { life, events: 0, transactions: 0, isChanging: false };
      this.known.set(id, known);
      for (let n = 1; n <= 7 && !this.stopped; n++) {
        await store.events.append(id, {
          type: 'e',
          payload: `${life}.${n} `.padEnd(400, '.'),
          idempotencyKey: `key ${n}`,
        });
        known.events = n;
      }
    }
  }

  /** Moves two runs together, so that one shows what the other must show too. */
  async pair(a: string, b: string): Promise<void> {
    const { store } = this;
    for (const id of [a, b]) await store.runs.create({ id, workflow: 'w' });
    const known: Known = { life: 0, events: 0, transactions: 0, isChanging: false };
    this.known.set(a, known);
    for (let n = 1; !this.stopped; n++) {
      await store.transaction([a, b], async (tx) => {
        await tx.runs.update(a, { tags: { n: String(n) } });
        await tx.runs.update(b, { tags: { n: String(n) } });
        await tx.events.append(b, { type: 'e', payload: 'y'.repeat(200) });
      });
      known.transactions = n;
      scene.clock.advance(3);
    }
  }

  snapshot(): ReadonlyMap<string, Known> {
    return new Map([...this.known].map(([id, known]) => [id, { ...known }]));
  }
}

async function expectAll(store: Store, known: ReadonlyMap<string, Known>): Promise<void> {
  for (const [id, { life, events, transactions, isChanging }] of known) {
    if (isChanging) continue;
    const run = await store.runs.get(id);
    if (transactions > 0 || life === 0) {
      const other = await store.runs.get(id.replace('a', 'b'));
      expect(other.tags).toEqual(run.tags);
      const n = Number(run.tags['n'] ?? 0);
      expect(n - transactions === 0 || n - transactions === 1).toBe(true);
      expect(await collect(store.events.list(other.id))).toHaveLength(n);
      continue;
    }
    expect(run.input).toBe(life);
    const stored = await collect(store.events.list(id, { limit: 5 }));
    expect(stored.length - events === 0 || stored.length - events === 1).toBe(true);
    expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, i) => i + 1));
    for (const { seq, payload } of stored) {
      expect(payload).toBe(`${life}.${seq} `.padEnd(400, '.'));
    }
    if (events === 0) continue;
    // The key finds the event of this life, never that of the life before.
    const first = { type: 'e', payload: `${life}.1 `.padEnd(400, '.'), idempotencyKey: 'key 1' };
    expect((await store.events.append(id, first)).seq).toBe(1);
  }
}

describe('a copy of the folder taken at any moment, as a kill leaves it', () => {
  test('has all that was acknowledged, and opens again and again [W1] [W7] [W8]', async () => {
    const store = await scene.open({ ...SMALL, cacheBytesMax: 2_000 });
    const workload = new Workload(store);
    const work = [
      ...['r1', 'r2', 'r3'].map(async (id) => {
        for (let n = 0; !workload.stopped; n++) await workload.one(`${id}-${n}`);
      }),
      workload.pair('a', 'b'),
    ];
    const copies: ReadonlyMap<string, Known>[] = [];
    for (let moment = 0; moment < 10; moment++) {
      const until_ = scene.disk.calls.length + 97 + moment * 13;
      await until(() => scene.disk.calls.length >= until_);
      const known = workload.snapshot();
      await scene.disk.copy(scene.at('data'), scene.at(`copy ${moment}`));
      copies.push(known);
    }
    await until(() => workload.deletions > 10);
    workload.stopped = true;
    await Promise.all(work);
    const removed = scene.disk.calls.filter(({ op }) => op === 'unlink');
    expect(removed.some(({ path }) => /journal.\d{10}\.ndjson$/.test(path))).toBe(true);
    expect(removed.some(({ path }) => /runs.+\.ndjson$/.test(path))).toBe(true);

    for (const [moment, known] of copies.entries()) {
      // The index as it was, missing, torn, cut off, and nothing but garbage.
      const index = scene.at(`copy ${moment}`, 'index');
      if (moment % 5 === 1) await rm(index, { recursive: true, force: true });
      for (const name of moment % 5 > 1 ? await readdir(index) : []) {
        if (moment % 5 === 2) await truncate(`${index}/${name}`, 5_000);
        if (moment % 5 === 3) await writeFile(`${index}/${name}`, 'garbage');
        if (moment % 5 === 4) await tear(`${index}/${name}`);
      }
      for (let n = 0; n < 2; n++) {
        const copy = await scene.open(SMALL, `copy ${moment}`);
        await expectAll(copy, known);
        expect((await copy.verify()).findings).toEqual([]);
        await scene.drop(copy);
      }
    }
  }, 30_000);
});

async function tear(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes.fill(0x5a, bytes.length >> 1);
  await writeFile(path, bytes);
}

describe('the index', () => {
  async function someRuns(): Promise<void> {
    const store = await scene.open(SMALL);
    for (let n = 0; n < 20; n++) {
      const id = `run ${n}`;
      await store.runs.create({ id, workflow: n % 2 === 0 ? 'even' : 'odd', tags: { n: `${n}` } });
      await store.events.append(id, { type: 'e', idempotencyKey: 'k', payload: n });
      scene.clock.advance(7);
    }
    await store.close();
  }
  const answers = async (store: Store) => ({
    all: (await collect(store.runs.list({ limit: 3 }))).map(({ id }) => id),
    even: (await collect(store.runs.list({ workflow: 'even' }))).map(({ id }) => id),
    tag: (await collect(store.runs.list({ tags: { n: '7' } }))).map(({ id }) => id),
    again: await store.events.append('run 3', { type: 'e', idempotencyKey: 'k', payload: 3 }),
    counts: (await store.stats()).runs,
  });

  test.each(['missing', 'older', 'torn', 'of another store', 'unmarked', 'marked wrongly'])(
    'that is %s gives the same answers',
    async (how) => {
      await someRuns();
      const index = (name: string) => scene.at('data', 'index', name);
      await scene.disk.copy(scene.at('data'), scene.at('older'));
      let store = await scene.open(SMALL);
      expect((await store.stats()).recovery).toMatchObject({ clean: true, commitsReplayed: 0 });
      const expected = await answers(store);
      await store.runs.update('run 5', { tags: { n: 'seven' } });
      await store.close();
      store = await scene.open(SMALL);
      expect((await store.runs.list({ tags: { n: 'seven' } })).items).toHaveLength(1);
      await store.close();
      const whole = await readFile(index('index.db'));
      if (how === 'missing') await rm(index('index.db'));
      if (how === 'older') {
        const old = await readFile(scene.at('older', 'index', 'index.db'));
        await writeFile(index('index.db'), old);
        await rm(index('closed.json'));
      }
      if (how === 'torn') await writeFile(index('index.db'), whole.fill(7, 4_000, 9_000));
      if (how === 'of another store') {
        const other = await scene.open({}, 'other');
        await other.close();
        await writeFile(index('index.db'), await readFile(scene.at('other', 'index', 'index.db')));
        await rm(index('closed.json'));
      }
      if (how === 'unmarked') await rm(index('closed.json'));
      if (how === 'marked wrongly') await writeFile(index('closed.json'), '{"position":');
      store = await scene.open(SMALL);
      expect(await answers(store)).toEqual(expected);
      expect((await store.runs.list({ tags: { n: 'seven' } })).items).toHaveLength(1);
      const { recovery } = await store.stats();
      expect(recovery.clean).toBe(false);
      expect(recovery.indexRebuilt).toBe(!['older', 'unmarked'].includes(how));
      expect((await store.verify()).findings).toEqual([]);
    },
  );

  test('that disagrees with a run file is found by verify', async () => {
    await someRuns();
    let store = await scene.open(SMALL);
    const { storeId } = await store.stats();
    expect((await store.verify()).findings).toEqual([]);
    await store.close();
    const path = scene.at('data', 'index', 'index.db');
    const index = RunIndex.open(path, { storeId, timeline: 1 });
    const indexed = index.get('run 3') as IndexedRun;
    index.put({ ...indexed, row: { ...indexed.row, workflow: 'another' } });
    index.flush(Infinity);
    index.close();
    await rm(scene.at('data', 'index', 'closed.json'));
    store = await scene.open(SMALL);
    expect((await store.verify()).findings).toEqual([
      { code: 'DATA_CORRUPT', file: 'run run 3', message: 'the index differs from the run file' },
    ]);
  });
});
