import { describe, expect, test } from '@jest/globals';
import { openStore, type Store, StoreError } from '../../src/index.ts';
import { exploreCrashes, type OpenInWorld, WORKLOADS } from '../../src/testkit.ts';

const SMALL = { segmentBytesMin: 2048, segmentBytesMax: 4096, journalBytesKeep: 4096 };
const openWell: OpenInWorld = (world) => openStore('memory:', { ...world, ...SMALL });

/** A store in which some members are others. */
function changed(store: Store, members: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(name in members ? members : target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

/** The first opening is as it should be, those after a crash are not. */
function openBadlyLater(change: (store: Store) => Store): OpenInWorld {
  let openings = 0;
  return async (world) => {
    const store = await openWell(world);
    return openings++ === 0 ? store : change(store);
  };
}

async function* nothingButZeros(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) yield new Uint8Array(chunk.length);
}

function expired(): AsyncIterable<never> {
  const message = 'the log no longer holds what follows this position';
  const next = () => Promise.reject(new StoreError('POSITION_EXPIRED', message));
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

const BROKEN: readonly (readonly [string, string, string, (store: Store) => Store])[] = [
  [
    'lets every cursor expire',
    'a reader that holds on to the log',
    'a cursor gives every later change once',
    (store) => changed(store, { watch: () => expired() }),
  ],
  [
    'serves other bytes as an artifact',
    'artifacts',
    'every named blob is whole',
    (store) => {
      const { artifacts } = store;
      const open = (...args: Parameters<typeof artifacts.open>) =>
        nothingButZeros(artifacts.open(...args));
      const list = artifacts.list.bind(artifacts);
      return changed(store, { artifacts: { ...artifacts, open, list } });
    },
  ],
  [
    'forgets its pins',
    'a reader that holds on to the log',
    'every acknowledged commit is there',
    (store) => {
      const pins = { ...store.pins, list: () => Promise.resolve([]) };
      return changed(store, { pins });
    },
  ],
  [
    'does not know an event any more',
    'concurrent callers over several runs',
    'run files and index equal the log',
    (store) => {
      const { events } = store;
      const list = (...[id, options]: Parameters<typeof events.list>) =>
        events.list(id, { ...options, after: 1 });
      return changed(store, { events: { list } as typeof events });
    },
  ],
];

describe('the crash explorer', () => {
  test.each(BROKEN)(
    'catches a store that %s after a crash',
    async (_what, name, invariant, change) => {
      const workload = WORKLOADS.find((it) => it.name === name);
      if (workload === undefined) throw new Error(`there is no workload ${name}`);
      const caught: string[] = [];
      for (let seed = 1; seed <= 4 && caught.length === 0; seed++) {
        const open = openBadlyLater(change);
        const { broken } = await exploreCrashes({ open, workload, seed, share: 0.05 });
        caught.push(...broken.map((state) => state.invariant));
      }
      expect(caught[0]).toBe(invariant);
    },
  );

  test('finds the same states again with the same seed, and nothing wrong with them', async () => {
    const workload = WORKLOADS[0];
    if (workload === undefined) throw new Error('there is no workload');
    const explored = () => exploreCrashes({ open: openWell, workload, seed: 5, share: 0.01 });
    const first = await explored();
    expect(first).toMatchObject({ broken: [] });
    expect(first.states).toBeGreaterThan(10);
    expect(await explored()).toEqual(first);
  });
});
