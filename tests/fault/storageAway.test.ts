import { renameSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { aWhile, Scene, until } from '../fixtures/store/scene.ts';

const scene = new Scene();
const SEGMENTS = { segmentBytesMax: 4096, journalBytesKeep: 0, quietMs: 10 };
const EVENTS = 20;

describe('a store whose folder is away for a moment', () => {
  test('in which an old segment was to be removed has no gap in its journal [ES-3] [W7]', async () => {
    const store = await scene.open(SEGMENTS);
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.pins.create({ name: 'holds all' });
    for (let n = 0; n < EVENTS; n++) {
      await store.events.append('r', { type: 'e', payload: 'x'.repeat(1_000) });
    }
    let isAway = false;
    scene.disk.fault = ({ op, path }) => {
      if (isAway || op !== 'unlink' || !path.endsWith('0001.ndjson')) return undefined;
      renameSync(scene.at('data'), scene.at('away'));
      isAway = true;
      return undefined;
    };
    await store.pins.release('holds all');
    scene.clock.advance(10);
    await until(() => isAway);
    await aWhile();
    await until(() => scene.disk.isIdle);
    renameSync(scene.at('away'), scene.at('data'));
    // Whether it goes on or is poisoned by then: what is removed now must not come after what is not.
    for (let n = 0; n < 50; n++) {
      scene.clock.advance(10);
      await aWhile();
      await until(() => scene.disk.isIdle);
    }
    await store.close();
    const again = await scene.open();
    expect((await again.events.list('r', { limit: 1_000 })).items).toHaveLength(EVENTS);
    expect((await again.verify()).findings).toEqual([]);
  });
});
