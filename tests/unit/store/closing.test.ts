import { describe, expect, test } from '@jest/globals';
import { isStoreError } from '../../../src/index.ts';
import { Scene } from '../../fixtures/store/scene.ts';

const scene = new Scene();

describe('closing', () => {
  test('under calls of every kind: each is answered or refused, none breaks', async () => {
    const store = await scene.open({ cacheBytesMax: 1 });
    for (let n = 0; n < 300; n++) {
      await store.runs.create({ id: `run ${n}`, workflow: 'w' });
      if (n % 50 === 0) scene.clock.advance(3_000);
    }
    await store.artifacts.put('run 1', { name: 'a', body: 'bytes' });
    const calls = Array.from({ length: 20 }, (_, n) => [
      store.runs.list({ limit: 5 }),
      store.stats(),
      store.verify(),
      store.runs.get(`run ${n}`),
      store.steps.list(`run ${n}`),
      store.events.list(`run ${n}`),
      store.runs.update(`run ${n}`, { tags: { n: 'x' } }),
      store.artifacts.put(`run ${n}`, { name: 'a', body: 'more' }),
      store.transaction(`run ${n}`, async (tx) => tx.runs.update(`run ${n}`, { tags: {} })),
      store.pins.create({ name: `pin ${n}` }),
    ]).flat();
    const closing = [store.close(), store.close()];
    const outcomes = await Promise.allSettled(calls);
    await Promise.all(closing);
    const reasons = outcomes.flatMap((it) =>
      it.status === 'rejected' ? [it.reason as unknown] : [],
    );
    for (const reason of reasons) {
      if (!isStoreError(reason, 'STORE_CLOSED')) throw reason;
    }
    expect(store.status).toBe('closed');
    const again = await scene.open();
    expect((await again.stats()).recovery.clean).toBe(true);
    expect((await again.verify()).findings).toEqual([]);
  });
});
