import { describe, expect, test } from '@jest/globals';
import { isStoreError, openStore, type Store } from '../../src/index.ts';
import { createMemoryFileSystem } from '../../src/lib/ports/memoryFileSystem.ts';
import { TestClock } from '../fixtures/store/scene.ts';
import { TestDisk } from '../fixtures/store/testDisk.ts';

const TUNING = { segmentBytesMin: 2048, segmentBytesMax: 4096, journalBytesKeep: 4096, quietMs: 5 };

/** What became of each call: what must be there, what must not, and what may. */
interface Told {
  readonly stored: Set<string>;
  readonly refused: Set<string>;
}

function open(disk: TestDisk, clock: TestClock): Promise<Store> {
  return openStore('memory:', { fileSystem: disk, clock, ...TUNING });
}

/** Runs, steps, events, artifacts, a transaction, a deletion, and checkpoints between them. */
async function work(store: Store, clock: TestClock, told: Told): Promise<void> {
  const attempt = async (what: string, call: Promise<unknown>) => {
    try {
      await call;
      told.stored.add(what);
    } catch (error) {
      if (!isStoreError(error)) throw error;
      // NOT_FOUND: what it was to change had failed before.
      if (!['OUTCOME_UNKNOWN', 'NOT_FOUND'].includes(error.code)) told.refused.add(what);
    }
  };
  const payload = 'x'.repeat(600);
  for (const id of ['a', 'b', 'c']) {
    await attempt(`run ${id}`, store.runs.create({ id, workflow: 'w' }));
    await attempt(`step ${id}`, store.steps.create(id, { id: 's', name: 's' }));
    for (let n = 1; n <= 3; n++) {
      const event = { type: 'e', payload, idempotencyKey: `${n}` };
      await attempt(`event ${id} ${n}`, store.events.append(id, event));
    }
    await attempt(`artifact ${id}`, store.artifacts.put(id, { name: 'a', body: `bytes of ${id}` }));
    clock.advance(10);
  }
  const both = store.transaction(['a', 'b'], async (tx) => {
    await tx.runs.update('a', { tags: { both: 'yes' } });
    await tx.runs.update('b', { tags: { both: 'yes' } });
  });
  await attempt('both', both);
  await attempt('deletion', store.runs.delete('c'));
  clock.advance(10);
  await attempt('pin', store.pins.create({ name: 'p' }));
}

const isThere: Record<string, (store: Store, id: string, n: string) => Promise<boolean>> = {
  run: async (store, id) => (await store.runs.get(id)).id === id,
  step: async (store, id) => (await store.steps.get(id, 's')).name === 's',
  event: async (store, id, n) =>
    (await store.events.list(id)).items.some((event) => event.idempotencyKey === n),
  artifact: async (store, id) => {
    let text = '';
    for await (const chunk of store.artifacts.open(id, 'a')) text += Buffer.from(chunk).toString();
    return text === `bytes of ${id}`;
  },
  both: async (store) => {
    const tags = [(await store.runs.get('a')).tags, (await store.runs.get('b')).tags];
    expect(tags[0]).toEqual(tags[1]);
    return tags[0]?.['both'] === 'yes';
  },
  deletion: async (store) => {
    return store.runs.get('c').then(
      () => false,
      () => true,
    );
  },
  pin: async (store) => (await store.pins.list()).length === 1,
};

async function holds(store: Store, what: string): Promise<boolean> {
  const [kind = '', id = '', n = ''] = what.split(' ');
  try {
    return (await isThere[kind]?.(store, id, n)) === true;
  } catch (error) {
    if (isStoreError(error, 'NOT_FOUND')) return false;
    throw error;
  }
}

async function check(store: Store, told: Told): Promise<void> {
  const deletable = /^(run|step|event|artifact) c/;
  for (const what of told.stored) {
    const mayBeGone = deletable.test(what) && !told.refused.has('deletion');
    if (!mayBeGone) expect([what, await holds(store, what)]).toEqual([what, true]);
  }
  for (const what of told.refused) {
    // What was never there looks deleted.
    if (what === 'deletion' && !told.stored.has('run c')) continue;
    expect([what, await holds(store, what)]).toEqual([what, false]);
  }
  expect((await store.verify()).findings).toEqual([]);
}

/** The whole life of a store in which the nth call of the port fails; false when none was left. */
async function lifeWith(nth: number, fault: string, persistent: boolean): Promise<boolean> {
  const disk = new TestDisk(createMemoryFileSystem());
  const clock = new TestClock();
  const told: Told = { stored: new Set(), refused: new Set() };
  let calls = 0;
  disk.fault = ({ op }) => {
    // A rename or removal that fails was not done; of the others one cannot know.
    if (fault === 'late' && !['write', 'sync', 'close'].includes(op)) return undefined;
    calls++;
    return calls === nth || (persistent && calls > nth) ? fault : undefined;
  };
  try {
    const store = await open(disk, clock);
    await work(store, clock, told);
    await store.close();
  } catch (error) {
    if (!isStoreError(error)) throw error;
  }
  expect(disk.openHandles).toBe(0);
  disk.fault = () => undefined;
  const times = nth % 4 === 0 ? 2 : 1;
  for (let reopened = 0; reopened < times; reopened++) {
    const store = await open(disk, clock);
    await check(store, told);
    await store.runs.create({ id: `after ${reopened}`, workflow: 'w' });
    await store.close();
  }
  expect(disk.openHandles).toBe(0);
  return calls >= nth;
}

describe('each call of the port, one after the other', () => {
  test.each([
    ['fails once', 'EIO', false, 1],
    ['has no room', 'ENOSPC', false, 3],
    ['fails after it did its work', 'late', false, 1],
    ['fails, and all after it', 'EIO', true, 5],
  ] as const)(
    'which %s: what was acknowledged is there, what was refused is not [W3] [ST-1]',
    async (_how, fault, persistent, stride) => {
      let nth = 1;
      while (await lifeWith(nth, fault, persistent)) nth += stride;
      expect(nth).toBeGreaterThan(100);
    },
    60_000,
  );
});
