import { isStoreError, type Store } from '../../index.ts';
import type { Poisoned } from '../contract.ts';
import { bytesOf, collect, outcomes, refusal, RUNNING, type Suite, take } from './subject.ts';

type Calls = Readonly<Record<string, () => unknown>>;

const writesOf = (store: Store): Calls => ({
  'runs.create': () => store.runs.create({ workflow: 'w' }),
  'runs.update': () => store.runs.update('r', { priority: 1 }),
  'runs.reset': () => store.runs.reset('ended'),
  'runs.retry': () => store.runs.retry('ended too'),
  'runs.delete': () => store.runs.delete('r'),
  'steps.create': () => store.steps.create('r', { name: 't' }),
  'steps.update': () => store.steps.update('r', 's', RUNNING),
  'steps.reset': () => store.steps.reset('r', 'skipped'),
  'steps.retry': () => store.steps.retry('r', 'cancelled'),
  'events.append': () => store.events.append('r', { type: 't' }),
  'artifacts.put': () => store.artifacts.put('r', { name: 'b', body: 'x' }),
  transaction: () => store.transaction('r', (tx) => tx.runs.update('r', { priority: 1 })),
  'pins.create': () => store.pins.create({ name: 'new' }),
});

const readsOf = (store: Store, after: string): Calls => ({
  'runs.get': () => store.runs.get('r'),
  'runs.list': () => store.runs.list(),
  'steps.get': () => store.steps.get('r', 's'),
  'steps.list': () => store.steps.list('r'),
  'steps.ready': () => store.steps.ready('r'),
  'events.list': () => store.events.list('r'),
  'events.tail': () => take(store.events.tail('r'), 1),
  'artifacts.get': () => store.artifacts.get('r', 'a'),
  'artifacts.open': () => bytesOf(store.artifacts.open('r', 'a')),
  'artifacts.list': () => store.artifacts.list('r'),
  watch: () => take(store.watch({ after }), 1),
  stats: () => store.stats(),
  'pins.list': () => store.pins.list(),
});

/** What the calls above need to succeed; the cursor before the last of it. */
async function furnish(store: Store): Promise<string> {
  for (const id of ['ended', 'ended too']) {
    await store.runs.create({ id, workflow: 'w' });
    await store.runs.update(id, { status: 'cancelled' });
  }
  await store.runs.create({ id: 'r', workflow: 'w' });
  await store.steps.create('r', { id: 's', name: 's' });
  await store.steps.create('r', { id: 'skipped', name: 'x' });
  await store.steps.update('r', 'skipped', { status: 'skipped' });
  await store.steps.create('r', { id: 'cancelled', name: 'x' });
  await store.steps.update('r', 'cancelled', { status: 'cancelled' });
  await store.artifacts.put('r', { name: 'a', body: 'bytes' });
  const after = store.position();
  await store.events.append('r', { type: 'first' });
  return after;
}

/** The code with which each was refused, or `none`. */
async function codesOf(calls: Calls): Promise<Record<string, string>> {
  const codes: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    try {
      await call();
      codes[name] = 'none';
    } catch (error) {
      codes[name] = isStoreError(error) ? error.code : String(error);
    }
  }
  return codes;
}

const all = (calls: Calls, code: string): Record<string, string> =>
  Object.fromEntries(Object.keys(calls).map((name) => [name, code]));

export function closedTests({ describe, it, expect, subject }: Suite): void {
  describe('every operation in every state', () => {
    it('works while the store is open', async () => {
      const after = await furnish(subject.store);
      const store = await subject.throughReopen();
      expect(store.status).toBe('open');
      for (const call of Object.values(readsOf(store, after))) await call();
      const { 'runs.delete': deletion, ...writes } = writesOf(store);
      for (const call of Object.values(writes)) await call();
      await deletion?.();
    });

    it('is refused with STORE_CLOSED once it is closed', async () => {
      const after = await furnish(subject.store);
      const store = await subject.throughReopen();
      await store.close();
      expect(store.status).toBe('closed');
      const calls = { ...writesOf(store), ...readsOf(store, after), verify: () => store.verify() };
      expect(await codesOf(calls)).toEqual(all(calls, 'STORE_CLOSED'));
      await store.close();
    });

    it('closing waits for what was accepted, and may be done twice at once', async () => {
      const { store } = subject;
      await store.runs.create({ id: 'r', workflow: 'w' });
      const appends = Array.from({ length: 50 }, () => store.events.append('r', { type: 't' }));
      const closing = Promise.all([store.close(), store.close()]);
      const { values, codes } = await outcomes(appends);
      await closing;
      expect(codes).toEqual([]);
      expect(values).toHaveLength(50);
    });

    it('closing ends those who wait for more, without an error', async () => {
      const { store } = subject;
      await store.runs.create({ id: 'r', workflow: 'w' });
      const waits: Promise<unknown[]>[] = [collect(store.watch()), collect(store.events.tail('r'))];
      await store.runs.get('r');
      await store.close();
      expect(await Promise.all(waits)).toEqual([[], []]);
    });
  });
}

export function poisonedTests(
  { describe, it, expect, subject }: Suite,
  poison: (place: string) => Promise<Poisoned>,
  reopens: boolean,
): void {
  describe('a poisoned store', () => {
    it('refuses every write, goes on reading, and recovers by reopening', async () => {
      const after = await furnish(subject.store);
      const store = await subject.throughReopen();
      // A fault is fatal only in a log that is being written, not where one is still to be begun.
      await store.runs.create({ id: 'before', workflow: 'w' });
      const { heal } = await poison(subject.place);
      const failed = await refusal(() => store.events.append('r', { type: 'lost' }));
      expect(['OUTCOME_UNKNOWN', 'STORE_POISONED']).toContain(failed.code);
      expect(store.status).toBe('poisoned');
      const writes = writesOf(store);
      expect(await codesOf(writes)).toEqual(all(writes, 'STORE_POISONED'));
      for (const call of Object.values(readsOf(store, after))) await call();
      expect((await collect(store.events.list('r'))).map(({ type }) => type)).toEqual(['first']);
      await heal();
      if (!reopens) return;
      const again = await subject.reopen();
      expect(again.status).toBe('open');
      const types = (await collect(again.events.list('r'))).map(({ type }) => type);
      expect(types[0]).toBe('first');
      expect(types.filter((type) => type !== 'first' && type !== 'lost')).toEqual([]);
      const next = await again.events.append('r', { type: 'next' });
      expect(next.seq).toBe(types.length + 1);
    });

    it('leaves nothing of what it refused after it was poisoned', async () => {
      await furnish(subject.store);
      const store = await subject.throughReopen();
      // A fault is fatal only in a log that is being written, not where one is still to be begun.
      await store.runs.create({ id: 'before', workflow: 'w' });
      const { heal } = await poison(subject.place);
      await refusal(() => store.runs.update('r', { priority: 1 }));
      await refusal(() => store.runs.update('r', { priority: 2 }));
      await refusal(() => store.runs.create({ id: 'new', workflow: 'w' }));
      await heal();
      expect((await refusal(() => store.runs.create({ workflow: 'w' }))).code).toBe(
        'STORE_POISONED',
      );
      if (!reopens) return;
      const again = await subject.reopen();
      expect([0, 1]).toContain((await again.runs.get('r')).priority);
      expect((await refusal(() => again.runs.get('new'))).code).toBe('NOT_FOUND');
    });
  });
}
