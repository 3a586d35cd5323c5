import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Commit, Store } from '../../src/index.ts';
import { take } from '../fixtures/collect.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';
import { codeOf } from '../fixtures/refusals.ts';

const RUNS = ['a', 'b', 'c', 'd', 'e'];

describe.each(DIALECTS)('a batch on %s of which some runs have moved', (dialect) => {
  const databases = new Databases(dialect);
  let store: Store;
  /** Of another process, which is faster. */
  let other: Store;
  let start: string;

  beforeEach(async () => {
    store = await databases.open();
    other = await databases.open();
    for (const id of RUNS) await store.runs.create({ id, workflow: 'w' });
    start = store.position();
  });

  const event = (payload: string, idempotencyKey?: string) => ({
    type: 'e',
    payload,
    idempotencyKey,
  });

  async function batches(): Promise<number> {
    return (await store.stats()).writes.batches;
  }

  async function payloads(runId: string): Promise<readonly unknown[]> {
    return (await other.events.list(runId)).items.map(({ payload }) => payload);
  }

  /** The runs of the next commits, one after the other, as both processes watch them. */
  async function watched(count: number): Promise<readonly string[]> {
    const seen: (readonly Commit[])[] = [];
    for (const one of [store, other]) seen.push(await take(one.watch({ after: start }), count));
    expect(seen[0]).toEqual(seen[1]);
    return (seen[0] ?? []).map(({ changes }) => changes.map(({ runId }) => runId).join('+'));
  }

  test('stores the others at once, numbered without a hole, and decides those again [ST-1] [ES-5]', async () => {
    await other.events.append('b', event('first'));
    await other.runs.update('d', { status: 'running' });
    const before = await batches();
    const answers = await Promise.all([
      store.runs.create({ id: 'new', workflow: 'w', tags: { t: '1' } }),
      store.events.append('b', event('second')),
      store.steps.create('c', { id: 's', name: 's' }),
      store.runs.update('d', { priority: 7 }),
      store.runs.delete('e'),
      store.events.append('a', event('only')),
    ]);
    // One of all six, and one of those that had missed.
    expect((await batches()) - before).toBe(2);
    expect(answers).toMatchObject([
      { tags: { t: '1' } },
      { seq: 2 },
      { id: 's' },
      { version: 3, status: 'running', priority: 7 },
      {},
      { seq: 1 },
    ]);
    expect(await watched(8)).toEqual(['b', 'd', 'new', 'c', 'e', 'a', 'b', 'd']);
    expect(await payloads('b')).toEqual(['first', 'second']);
    expect((await other.runs.list({ tags: { t: '1' } })).items.map(({ id }) => id)).toEqual([
      'new',
    ]);
    expect((await other.steps.get('c', 's')).version).toBe(1);
    expect(await codeOf(other.runs.get('e'))).toBe('NOT_FOUND');
    expect((await store.verify()).findings).toEqual([]);
  });

  test('decides again what came alone, and leaves no hole where it had missed', async () => {
    await other.events.append('a', event('first'));
    expect((await store.events.append('a', event('second'))).seq).toBe(2);
    await other.steps.create('b', { id: 's', name: 's' });
    expect(await codeOf(store.steps.create('b', { id: 's', name: 's' }))).toBe('ALREADY_EXISTS');
    await other.steps.update('b', 's', { progress: 0.5 });
    const step = await store.steps.update('b', 's', { status: 'running' });
    expect(step).toMatchObject({ version: 3, progress: 0.5 });
    await store.steps.create('c', { id: 's', name: 's' });
    expect(await watched(6)).toEqual(['a', 'a', 'b', 'b', 'b', 'c']);
    expect(await payloads('a')).toEqual(['first', 'second']);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('refuses what is forbidden by now, and nothing else of it', async () => {
    await other.runs.update('a', { status: 'failed', error: { name: 'E', message: 'm' } });
    await other.runs.delete('b');
    await other.runs.update('c', { priority: 1 });
    const codes = await Promise.all([
      codeOf(store.runs.update('a', { status: 'running' })),
      codeOf(store.events.append('b', event('late'))),
      codeOf(store.runs.update('c', { priority: 2 }, { ifVersion: 1 })),
      codeOf(store.runs.update('d', { priority: 2 }, { ifVersion: 1 })),
    ]);
    expect(codes).toEqual(['INVALID_TRANSITION', 'NOT_FOUND', 'VERSION_CONFLICT', undefined]);
    expect(await watched(4)).toEqual(['a', 'b', 'c', 'd']);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('gives back the event of another process whose key it did not know', async () => {
    await other.events.append('a', event('theirs', 'k'));
    // It knows where the run stands, and not which keys are in use.
    await store.runs.get('a');
    await store.runs.update('a', { priority: 1 });
    const before = await batches();
    const [again, conflict, own] = await Promise.all([
      store.events.append('a', event('theirs', 'k')),
      codeOf(store.events.append('a', event('ours', 'k'))),
      store.events.append('b', event('ours', 'k')),
    ]);
    expect((await batches()) - before).toBe(2);
    expect([again.seq, conflict, own.seq]).toEqual([1, 'IDEMPOTENCY_CONFLICT', 1]);
    expect([await payloads('a'), await payloads('b')]).toEqual([['theirs'], ['ours']]);
    expect(await watched(3)).toEqual(['a', 'a', 'b']);
  });

  test.each([
    ['a', 'b'],
    ['b', 'a'],
  ])(
    'runs a transaction over %s, which has moved, and %s again, whole, and lets the others pass [ST-1]',
    async (moved, still) => {
      const before = await batches();
      const alone: ReturnType<typeof codeOf>[] = [];
      let calls = 0;
      await store.transaction(['a', 'b'], async (tx) => {
        if (++calls === 1) {
          await other.events.append(moved, event('first'));
          // While one batch is under way, the next one gathers: with this transaction in it.
          alone.push(codeOf(store.events.append('c', event('under way'))));
        }
        for (const id of ['a', 'b']) await tx.events.append(id, event('both'));
        if (calls === 1) alone.push(codeOf(store.events.append('d', event('gathered'))));
      });
      expect(await Promise.all(alone)).toEqual([undefined, undefined]);
      expect(calls).toBe(2);
      expect((await batches()) - before).toBe(3);
      expect(await payloads(moved)).toEqual(['first', 'both']);
      expect(await payloads(still)).toEqual(['both']);
      expect(await watched(4)).toEqual([moved, 'c', 'd', 'a+b']);
      expect((await store.verify()).findings).toEqual([]);
    },
  );
});
