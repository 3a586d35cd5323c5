import { describe, expect, test } from '@jest/globals';
import type { OpenOptions, Store } from '../../src/index.ts';
import { collect, refusal, Scene, until } from '../fixtures/store/scene.ts';
import type { Call } from '../fixtures/store/testDisk.ts';

const scene = new Scene();
const SHORT: OpenOptions = {
  segmentBytesMin: 1024,
  segmentBytesMax: 1024,
  journalBytesKeep: 0,
  quietMs: 10,
};

const isFolderSync = ({ op, path }: Call): boolean => op === 'sync' && path.endsWith('journal');
const isRemoval = ({ op, path }: Call): boolean => op === 'unlink' && /\d{10}\.ndjson$/.test(path);

/** Events until the sync of the journal's folder that follows a removal has failed. */
async function failRemoval(store: Store): Promise<number> {
  let struck = false;
  scene.disk.fault = (call) => {
    if (struck || !isFolderSync(call) || !isRemoval(scene.disk.calls.at(-3) ?? call)) return;
    struck = true;
    return 'EIO';
  };
  for (let acknowledged = 0; ; acknowledged++) {
    if (struck) return acknowledged;
    await store.events.append('r', { type: 'e', payload: 'x'.repeat(600) });
    scene.clock.advance(11);
    await until(() => scene.disk.isIdle);
  }
}

describe('the sync of the folder after a segment was removed', () => {
  test('poisons when it fails: a new name may be lost with it, and no sync tells [W3]', async () => {
    const store = await scene.open(SHORT);
    await store.runs.create({ id: 'r', workflow: 'w' });
    const acknowledged = await failRemoval(store);
    expect(store.status).toBe('poisoned');
    const before = scene.disk.calls.length;
    await refusal(store.events.append('r', { type: 'e' }), 'STORE_POISONED');
    scene.clock.advance(11);
    await scene.drop(store);
    expect(scene.disk.calls.slice(before).filter(isFolderSync)).toEqual([]);
    const again = await scene.open(SHORT);
    expect(await collect(again.events.list('r'))).toHaveLength(acknowledged);
    expect((await again.verify()).findings).toEqual([]);
  });
});
