import { describe, expect, test } from '@jest/globals';
import { createMemoryFileSystem, openStore, type Store } from '../../../src/index.ts';
import { collect } from '../../fixtures/store/scene.ts';

const old = { type: 'old', payload: 1, idempotencyKey: 'k' };

async function storeWithEvent(): Promise<Store> {
  const store = await openStore('memory:');
  await store.runs.create({ id: 'r', workflow: 'w' });
  await store.events.append('r', old);
  return store;
}

describe('a run that takes the place of another in one transaction', () => {
  test('has none of its idempotency keys: what is appended is there [EM-1] [ST-1]', async () => {
    for (const event of [{ ...old, payload: 2 }, old]) {
      await using store = await storeWithEvent();
      await store.transaction('r', async (tx) => {
        await tx.runs.delete('r');
        await tx.runs.create({ id: 'r', workflow: 'w' });
        await tx.events.append('r', { type: 'first' });
        expect(await tx.events.append('r', event)).toMatchObject({ ...event, seq: 2 });
        expect(await tx.events.append('r', event)).toMatchObject({ ...event, seq: 2 });
      });
      const events = await collect(store.events.list('r'));
      expect(events).toMatchObject([{ type: 'first' }, { ...event, seq: 2 }]);
    }
  });

  test('has none of them while the deletion is only queued either', async () => {
    await using store = await storeWithEvent();
    const queued = [
      store.runs.delete('r'),
      store.runs.create({ id: 'r', workflow: 'w' }),
      store.events.append('r', { type: 'first' }),
    ];
    const event = await store.transaction('r', (tx) => tx.events.append('r', old));
    await Promise.all(queued);
    expect(event.seq).toBe(2);
    expect(await collect(store.events.list('r'))).toMatchObject([{ seq: 1 }, { ...old, seq: 2 }]);
    expect(await store.events.append('r', old)).toEqual(event);
  });
});

describe('a step that can be skipped on account of several', () => {
  test.each([false, true])('names the same one, reopened before or not (%s)', async (reopens) => {
    const fileSystem = createMemoryFileSystem();
    let store = await openStore('memory:', { fileSystem });
    await store.runs.create({ id: 'r', workflow: 'w' });
    const graph = { a: [], b: ['a'], c: ['a'], d: ['b', 'c'] };
    for (const [id, dependsOn] of Object.entries(graph)) {
      await store.steps.create('r', { id, name: id, dependsOn });
    }
    for (const dependsOn of [[], ['a']]) await store.steps.update('r', 'b', { dependsOn });
    if (reopens) {
      await store.close();
      store = await openStore('memory:', { fileSystem });
    }
    await store.steps.update('r', 'a', { status: 'cancelled' });
    expect((await store.steps.get('r', 'd')).skippedBy).toBe('c');
    await store.close();
  });
});
