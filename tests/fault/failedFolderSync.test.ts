import { describe, expect, test } from '@jest/globals';
import type { Store } from '../../src/index.ts';
import { refusal, Scene } from '../fixtures/store/scene.ts';

const scene = new Scene();

/** The sync of this folder fails once; what was done from then on. */
function failOnce(folder: string): { readonly calls: () => string[] } {
  let from = -1;
  scene.disk.fault = ({ op, path }) => {
    if (from >= 0 || op !== 'sync' || path !== folder) return undefined;
    from = scene.disk.calls.length;
    return 'EIO';
  };
  return {
    calls: () =>
      scene.disk.calls
        .slice(from)
        .filter(({ op, path, to }) => op === 'sync' || to !== undefined || path.startsWith(folder))
        .map(({ op, path, to }) => `${op} ${to ?? path}`),
  };
}

async function withRun(): Promise<Store> {
  const store = await scene.open();
  await store.runs.create({ id: 'r', workflow: 'w' });
  return store;
}

const put = (store: Store) => store.artifacts.put('r', { name: 'a', body: 'bytes' });

/** Before `name` counts as durable it was given anew, and only then its folder was synced. */
function expectGivenAnew(calls: readonly string[], giving: string, sync: string): void {
  const given = calls.indexOf(giving);
  expect(given).toBeGreaterThanOrEqual(0);
  expect(calls.indexOf(sync)).toBeGreaterThan(given);
}

describe('a failed sync of a folder is not made good by a second one', () => {
  test('of a new folder: it is made anew [W3] [W5]', async () => {
    const store = await withRun();
    const { calls } = failOnce(scene.at('data'));
    await refusal(put(store), 'STORAGE_FAILED');
    expect((await put(store)).version).toBe(1);
    expectGivenAnew(calls(), `mkdir ${scene.at('data', 'blobs')}`, `sync ${scene.at('data')}`);
  });

  test('of a new blob: its name is given anew [W3] [W6]', async () => {
    const store = await withRun();
    const { digest } = await put(store);
    await store.close();
    const again = await scene.open();
    const hex = digest.slice('sha256:'.length);
    const folder = scene.at('data', 'blobs', 'sha256', hex.slice(0, 2));
    const { calls } = failOnce(folder);
    await refusal(put(again), 'OUTCOME_UNKNOWN');
    expect((await put(again)).version).toBe(1);
    expectGivenAnew(calls(), `rename ${folder}/${hex}`, `sync ${folder}`);
  });

  test('of folders that others made in the same place meanwhile [W3] [W5]', async () => {
    const store = await withRun();
    await put(store);
    const blobs = scene.at('data', 'blobs', 'sha256');
    // The first sync fails only after all names are there, and the others wait for it.
    const gate = Promise.withResolvers<void>();
    let [made, syncs] = [0, 0];
    scene.disk.fault = async ({ op, path }) => {
      if (op === 'mkdir' && path.startsWith(`${blobs}/`) && ++made === 5) gate.resolve();
      if (op !== 'sync' || path !== blobs) return undefined;
      const isFirst = ++syncs === 1;
      await gate.promise;
      return isFirst ? 'EIO' : undefined;
    };
    const bodies = Array.from({ length: 5 }, (_, n) => `body ${n}`);
    const puts = bodies.map((body) => store.artifacts.put('r', { name: body, body }));
    for (const work of puts) await refusal(work, 'STORAGE_FAILED');
    for (const body of bodies) await store.artifacts.put('r', { name: body, body });
    expect(made).toBe(10);
  });
});
