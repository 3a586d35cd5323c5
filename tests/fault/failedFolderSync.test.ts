import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { openStore, type Store } from '../../src/index.ts';
import { ManualClock, SeededRandom, SimulatedDisk } from '../../src/testkit.ts';
import { imageOf } from '../../src/testkit/simulatedDisk.ts';
import { collect, refusal, Scene } from '../fixtures/store/scene.ts';

const scene = new Scene();
const IS_BLOB_FOLDER = /sha256.[0-9a-f]{2}$/;

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
    await refusal(put(again), 'STORAGE_FAILED');
    expect((await put(again)).version).toBe(1);
    expectGivenAnew(calls(), `rename ${folder}/${hex}`, `sync ${folder}`);
  });

  test.each([
    ['EIO', 'STORAGE_FAILED'],
    ['ENOSPC', 'STORAGE_FULL'],
  ] as const)(
    'of a new blob, by %s: the artifact is surely absent [W3] [W6]',
    async (code, told) => {
      const store = await withRun();
      scene.disk.fault = ({ op, path }) =>
        op === 'sync' && IS_BLOB_FOLDER.test(path) ? code : undefined;
      const { cause } = await refusal(put(store), told);
      expect(cause).toMatchObject({ code });
      expect(await collect(store.artifacts.list('r'))).toEqual([]);
    },
  );

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

/** Two artifacts whose blobs lie in one folder. */
function neighbours(): readonly [string, string] {
  const seen = new Map<string, string>();
  for (let n = 0; ; n++) {
    const body = `body ${n}`;
    const folder = createHash('sha256').update(body).digest('hex').slice(0, 2);
    const other = seen.get(folder);
    if (other !== undefined) return [other, body];
    seen.set(folder, body);
  }
}

/** A disk of which one sync fails, and which loses all that is not durable. */
class LosingDisk {
  readonly disk: SimulatedDisk;
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.disk = new SimulatedDisk({ random: this.#random, turnsMax: 12 });
  }

  open({ fileSystem } = this.disk): Promise<Store> {
    return openStore('memory:', { fileSystem, clock: new ManualClock(), random: this.#random });
  }

  failOnce(folder: RegExp): void {
    let left = 1;
    this.disk.fault = ({ op, path }) =>
      op === 'sync' && folder.test(path) && left-- > 0 ? 'EIO' : undefined;
  }

  /** Puts each body under its own text as the name; which were acknowledged. */
  async put(store: Store, bodies: readonly string[], prefix: string): Promise<readonly string[]> {
    const names = bodies.map((body, n) => ({ name: `${prefix} ${n}`, body }));
    const results = await Promise.allSettled(names.map((it) => store.artifacts.put('r', it)));
    return names.flatMap(({ name }, n) => (results[n]?.status === 'fulfilled' ? [name] : []));
  }

  /** If the power were cut now: exactly these are there, and whole, or this throws. */
  async expectWhole(names: readonly string[]): Promise<void> {
    const durable = imageOf(this.disk.surface, new Map());
    const left = await SimulatedDisk.of(durable, { random: this.#random });
    await using store = await this.open(left);
    const found = await collect(store.artifacts.list('r'));
    expect(found.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    for (const name of names) await collect(store.artifacts.open('r', name));
  }
}

describe('a failed sync of a folder is not made good by that of somebody else', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['the same bytes, put twice at once', ['the same', 'the same']],
    ['two blobs in one folder', neighbours()],
  ];
  test.each(cases)('of %s [W3] [W6]', async (_, bodies) => {
    for (let seed = 0; seed < 6; seed++) {
      const losing = new LosingDisk(seed);
      const store = await losing.open();
      await store.runs.create({ id: 'r', workflow: 'w' });
      losing.failOnce(IS_BLOB_FOLDER);
      const first = await losing.put(store, bodies, 'first');
      expect(first.length).toBeLessThan(bodies.length);
      await losing.expectWhole(first);
      const second = await losing.put(store, bodies, 'second');
      expect(second).toHaveLength(bodies.length);
      await losing.expectWhole([...first, ...second]);
    }
  });

  test('of a folder whose maker was killed: it is made anew [W3] [W5]', async () => {
    const losing = new LosingDisk(1);
    const killed = await losing.open();
    await killed.runs.create({ id: 'r', workflow: 'w' });
    losing.disk.fault = ({ op, path }) => {
      if (op === 'open' && path.endsWith('/sha256')) losing.disk.kill();
      return undefined;
    };
    // Of the two folders on this way, it dies before the sync of the second.
    expect(await losing.put(killed, ['bytes'], 'killed')).toEqual([]);
    await killed.close().catch(() => undefined);
    const store = await losing.open();
    losing.failOnce(/sha256$/);
    expect(await losing.put(store, ['bytes'], 'first')).toEqual([]);
    expect(await losing.put(store, ['bytes'], 'second')).toEqual(['second 0']);
    await losing.expectWhole(['second 0']);
  });
});
