import { describe, expect, test } from '@jest/globals';
import { isStoreError, type OpenOptions, type Store } from '../../../src/index.ts';
import { aWhile, collect, refusal, Scene, until } from '../../fixtures/store/scene.ts';
import { isRunFile } from '../../fixtures/store/testDisk.ts';

const scene = new Scene();

const TINY: OpenOptions = {
  segmentBytesMin: 4096,
  segmentBytesMax: 4096,
  journalBytesKeep: 4096,
  journalBytesMax: 16_384,
  quietMs: 10,
};

const append = (store: Store, runId = 'r') =>
  store.events.append(runId, { type: 'e', payload: 'x'.repeat(700) });

/** Appends until it is refused; how many were stored. */
async function appendUntilRefused(store: Store, code: 'STORAGE_FAILED'): Promise<number> {
  for (let stored = 0; stored < 200; stored++) {
    try {
      await append(store);
    } catch (error) {
      if (!isStoreError(error, code)) throw error;
      return stored;
    }
  }
  throw new Error('never refused');
}

describe('back-pressure', () => {
  test('of a tiny queue: of 10,000 writers none is lost [W1]', async () => {
    const store = await scene.open({ queueBytesMax: 20_000, segmentBytesMin: 1024 * 1024 });
    const ids = Array.from({ length: 20 }, (_, n) => `run ${n}`);
    await Promise.all(ids.map((id) => store.runs.create({ id, workflow: 'w' })));
    const writers = Array.from({ length: 10_000 }, (_, n) =>
      store.events.append(ids[n % ids.length] ?? '', { type: 'e', payload: n }),
    );
    const events = await Promise.all(writers);
    expect(new Set(events.map(({ runId, seq }) => `${runId} ${seq}`)).size).toBe(10_000);
    for (const id of ids) {
      const stored = await collect(store.events.list(id, { limit: 1_000 }));
      expect(stored.map(({ seq }) => seq)).toEqual(Array.from({ length: 500 }, (_, n) => n + 1));
    }
  }, 20_000);

  test('of a queue that may hold nothing still lets every writer through', async () => {
    const store = await scene.open({ queueBytesMax: 0, batchBytesMax: 0 });
    await store.runs.create({ id: 'r', workflow: 'w' });
    await Promise.all(Array.from({ length: 100 }, () => append(store)));
    expect(await collect(store.events.list('r'))).toHaveLength(100);
  });

  test('tells writers why the journal cannot shrink, and ends when it can again [W7]', async () => {
    const store = await scene.open(TINY);
    await store.runs.create({ id: 'r', workflow: 'w' });
    scene.disk.fault = (call) => (isRunFile(call) ? 'EIO' : undefined);
    const stored = await appendUntilRefused(store, 'STORAGE_FAILED');
    expect(stored).toBeGreaterThan(10);
    expect((await store.stats()).journal.bytes).toBeLessThanOrEqual(24_576);
    for (let n = 0; n < 3; n++) {
      scene.clock.advance(20);
      await aWhile(20);
      await refusal(append(store), 'STORAGE_FAILED');
    }
    expect(store.status).toBe('open');
    expect(await collect(store.events.list('r'))).toHaveLength(stored);

    scene.disk.fault = () => undefined;
    scene.clock.advance(20);
    for (let n = 0; n < 60; n++) await append(store);
    expect(await collect(store.events.list('r'))).toHaveLength(stored + 60);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('heals also when the removal of segments was what had failed [W7]', async () => {
    const store = await scene.open(TINY);
    await store.runs.create({ id: 'r', workflow: 'w' });
    scene.disk.fault = ({ op, path }) =>
      op === 'unlink' && /journal.\d{10}\.nd/.test(path) ? 'EIO' : undefined;
    await appendUntilRefused(store, 'STORAGE_FAILED').catch(() => 0);
    scene.disk.fault = () => undefined;
    scene.clock.advance(20);
    for (let n = 0; n < 60; n++) await append(store);
    const first = scene.at('data', 'journal', '0000000001.ndjson');
    const isGone = () => scene.disk.calls.findLast(({ path }) => path === first)?.op === 'unlink';
    await until(isGone);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('of a run whose file cannot be written holds up no other run [W7]', async () => {
    const store = await scene.open({ ...TINY, journalBytesMax: 1024 * 1024 });
    for (const id of ['bad', 'a', 'b', 'c', 'd', 'e']) {
      await store.runs.create({ id, workflow: 'w' });
    }
    scene.disk.fault = ({ op, to }) =>
      op === 'rename' && /bad\.\d+\.ndjson$/.test(to ?? '') ? 'EIO' : undefined;
    for (let n = 0; n < 30; n++) await append(store, 'a');
    const isSaved = (id: string) =>
      scene.disk.calls.some(({ op, to }) => op === 'rename' && to?.includes(`${id}.1.ndjson`));
    scene.clock.advance(20);
    await until(() => ['a', 'b', 'c', 'd', 'e'].every(isSaved));
    await refusal(store.close(), 'STORAGE_FAILED');
    scene.disk.fault = () => undefined;
    await scene.drop(store);
    const again = await scene.open();
    expect((await again.runs.get('bad')).id).toBe('bad');
  });

  test.each([0, 1, 5_000])(
    'of %i bytes of journal slows writers and loses nothing',
    async (max) => {
      const store = await scene.open({
        ...TINY,
        journalBytesKeep: 1024 ** 2,
        journalBytesMax: max,
      });
      await store.runs.create({ id: 'r', workflow: 'w' });
      const writers = Array.from({ length: 60 }, () => append(store));
      await Promise.all(writers);
      for (let n = 0; n < 40; n++) await append(store);
      expect(await collect(store.events.list('r'))).toHaveLength(100);
      expect((await store.verify()).findings).toEqual([]);
    },
  );

  test('ends with the store: who waits for room is told', async () => {
    const store = await scene.open({ queueBytesMax: 100 });
    await store.runs.create({ id: 'r', workflow: 'w' });
    const waiting = Array.from({ length: 50 }, () => append(store));
    const closed = store.close();
    const outcomes = await Promise.allSettled(waiting);
    await closed;
    const failed = outcomes.filter(({ status }) => status === 'rejected');
    expect(failed.length).toBeGreaterThan(0);
    for (const outcome of failed) {
      const reason: unknown = outcome.status === 'rejected' ? outcome.reason : undefined;
      expect(isStoreError(reason, 'STORE_CLOSED')).toBe(true);
    }
    const again = await scene.open();
    expect(await collect(again.events.list('r'))).toHaveLength(50 - failed.length);
  });
});
