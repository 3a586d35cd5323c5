import { describe, expect, test } from '@jest/globals';
import type { OpenOptions, Store } from '../../src/index.ts';
import { collect, refusal, Scene, until } from '../fixtures/store/scene.ts';

const scene = new Scene();
const SHORT: OpenOptions = {
  segmentBytesMin: 1024,
  segmentBytesMax: 1024,
  journalBytesKeep: 0,
  journalBytesMax: 4096,
  quietMs: 10,
};

const segmentsRemoved = (): number =>
  scene.disk.calls.filter(({ op, path }) => op === 'unlink' && /\d{10}\.ndjson$/.test(path)).length;

/** Events of another run, until the journal has removed another segment, or `count` of them. */
async function goOn(store: Store, count: number): Promise<void> {
  const before = segmentsRemoved();
  for (let n = 0; n < count && segmentsRemoved() === before; n++) {
    await store.events.append('other', { type: 'e', payload: 'x'.repeat(600) });
    scene.clock.advance(11);
    await until(() => scene.disk.isIdle);
  }
}

/** Killed with one event of `r` in a file and three in the journal, which has no more of it. */
async function killed(name: string): Promise<void> {
  const store = await scene.open(SHORT);
  await store.runs.create({ id: 'other', workflow: 'w' });
  await store.runs.create({ id: 'r', workflow: 'w' });
  await store.events.append('r', { type: 'e', payload: 1 });
  await goOn(store, 1_000);
  for (const payload of [2, 3, 4]) await store.events.append('r', { type: 'e', payload });
  await scene.disk.copy(scene.at('data'), scene.at(name));
}

async function payloads(store: Store): Promise<unknown[]> {
  return (await collect(store.events.list('r'))).map(({ payload }) => payload);
}

/** The disk cannot read the files of `r` while the store opens. */
async function openUnread(name: string): Promise<Store> {
  scene.disk.fault = ({ op, path }) =>
    op === 'read' && /runs.[0-9a-f]{2}.r\./.test(path) ? 'EIO' : undefined;
  const store = await scene.open(SHORT, name);
  scene.disk.fault = () => undefined;
  await refusal(store.runs.get('r'), 'DATA_CORRUPT');
  return store;
}

describe('a run whose file could not be read while the store opened', () => {
  test('has lost nothing of what only the log had, once it can be read again [W7]', async () => {
    await killed('copy');
    const store = await openUnread('copy');
    const removed = segmentsRemoved();
    // More than the journal may hold: writers do not wait for what only a reading disk can end.
    await goOn(store, 20);
    await store.close();
    expect(segmentsRemoved()).toBe(removed);
    const again = await scene.open(SHORT, 'copy');
    expect(await payloads(again)).toEqual([1, 2, 3, 4]);
    expect((await again.verify()).findings).toEqual([]);
    await goOn(again, 1_000);
    expect(segmentsRemoved()).toBeGreaterThan(removed);
  });

  test('keeps the log no longer when it is deleted [W7]', async () => {
    await killed('copy');
    const store = await openUnread('copy');
    const removed = segmentsRemoved();
    await store.runs.delete('r');
    await goOn(store, 1_000);
    expect(segmentsRemoved()).toBeGreaterThan(removed);
  });
});
