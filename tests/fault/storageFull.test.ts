import { describe, expect, test } from '@jest/globals';
import type { Store } from '../../src/index.ts';
import { refusal, Scene } from '../fixtures/store/scene.ts';
import { isAllocation } from '../fixtures/store/testDisk.ts';

const scene = new Scene();
const LARGE = 'x'.repeat(6_000);

/** A store whose next large commit needs a segment that the disk has no room for. */
async function onFullDisk(fault = 'ENOSPC'): Promise<Store> {
  const store = await scene.open();
  await store.runs.create({ id: 'r', workflow: 'w' });
  scene.disk.fault = (call) => (isAllocation(call) ? fault : undefined);
  return store;
}

const append = (store: Store, idempotencyKey?: string) =>
  store.events.append('r', { type: 'e', payload: LARGE, idempotencyKey });

describe('no room for another segment', () => {
  test.each([
    ['ENOSPC', 'STORAGE_FULL'],
    ['EDQUOT', 'STORAGE_FULL'],
    ['short', 'STORAGE_FULL'],
    ['EIO', 'STORAGE_FAILED'],
  ] as const)(
    'of %s refuses the calls and stays open; with room again it goes on [W3] [ST-1]',
    async (fault, code) => {
      const store = await onFullDisk(fault);
      await refusal(append(store), code);
      await refusal(append(store), code);
      expect(store.status).toBe('open');
      expect((await store.events.list('r')).items).toEqual([]);
      scene.disk.fault = () => undefined;
      expect((await append(store)).seq).toBe(1);
      await store.close();
      const again = await scene.open();
      expect((await again.events.list('r')).items.map(({ payload }) => payload)).toEqual([LARGE]);
      expect((await again.verify()).findings).toEqual([]);
    },
  );

  test('met by the header of a prepared segment leaves all as it was [W3]', async () => {
    const store = await onFullDisk();
    scene.disk.fault = (call) =>
      isAllocation(call) && (call.bytes ?? 0) < 1_000 ? 'ENOSPC' : undefined;
    await refusal(append(store), 'STORAGE_FULL');
    scene.disk.fault = () => undefined;
    expect((await append(store)).seq).toBe(1);
  });

  test('met before the first write of all refuses only that write [W3]', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'x', workflow: 'w' });
    await store.close();
    const again = await scene.open();
    scene.disk.fault = ({ op, path }) =>
      op === 'unlink' && path.endsWith('closed.json') ? 'ENOSPC' : undefined;
    await refusal(again.runs.create({ id: 'r', workflow: 'w' }), 'STORAGE_FULL');
    scene.disk.fault = () => undefined;
    const { version } = await again.runs.create({ id: 'r', workflow: 'w' });
    expect(version).toBe(1);
  });

  test('fails every answer that rests on what was queued, and only those [W3] [W10]', async () => {
    const store = await onFullDisk();
    await store.runs.create({ id: 'quiet', workflow: 'w' });
    const first = append(store, 'k');
    const repeated = append(store, 'k');
    const conflict = store.events.append('r', { type: 'other', idempotencyKey: 'k' });
    const step = store.steps.create('r', { id: 's', name: 's' });
    const update = store.steps.update('r', 's', { status: 'running' });
    const tx = store.transaction(['r', 'quiet'], async ({ steps }) => {
      await steps.update('r', 's', { status: 'running' });
    });
    const untouched = store.steps.get('quiet', 'none');
    for (const call of [first, repeated, conflict, step, update, tx]) {
      await refusal(call, 'STORAGE_FULL');
    }
    await refusal(untouched, 'NOT_FOUND');
    await refusal(store.steps.update('r', 's', { status: 'running' }), 'NOT_FOUND');
    scene.disk.fault = () => undefined;
    // What had failed is not there: the same key is free, and numbering goes on without a gap.
    const other = await store.events.append('r', { type: 'other', idempotencyKey: 'k' });
    expect(other).toMatchObject({ seq: 1, type: 'other' });
    expect((await store.steps.list('r')).items).toEqual([]);
    expect((await store.runs.get('r')).version).toBe(1);
  });

  test('of a file for an artifact refuses it, and its name is not taken [W6]', async () => {
    const store = await onFullDisk();
    scene.disk.fault = ({ op, path }) =>
      op === 'write' && path.includes('blobs') ? 'ENOSPC' : undefined;
    await refusal(store.artifacts.put('r', { name: 'a', body: 'bytes' }), 'STORAGE_FULL');
    await refusal(store.artifacts.get('r', 'a'), 'NOT_FOUND');
    scene.disk.fault = () => undefined;
    expect((await store.artifacts.put('r', { name: 'a', body: 'bytes' })).version).toBe(1);
  });

  test('while a pin is stored leaves the pins as they were', async () => {
    const store = await onFullDisk();
    scene.disk.fault = ({ op }) => (op === 'write' ? 'ENOSPC' : undefined);
    await refusal(store.pins.create({ name: 'p' }), 'STORAGE_FULL');
    expect(await store.pins.list()).toEqual([]);
    scene.disk.fault = () => undefined;
    await store.pins.create({ name: 'p' });
    expect(await store.pins.list()).toHaveLength(1);
  });
});
