import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Database, type Store, systemClock } from '../../src/index.ts';
import { RunReader } from '../../src/lib/store/DatabaseStore/runReader.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';

const HOUR_MS = 3_600_000;

describe.each(DIALECTS)('a store in %s', (dialect) => {
  const databases = new Databases(dialect);
  let db: Database;
  let store: Store;

  beforeEach(async () => {
    store = await databases.open();
    db = await databases.connect();
  });

  afterEach(() => void jest.restoreAllMocks());

  describe('with a row that cannot be read', () => {
    beforeEach(async () => {
      for (const id of ['a', 'b', 'c']) await store.runs.create({ id, workflow: 'w' });
      await store.steps.create('b', { id: 's', name: 's' });
      await db.query("UPDATE holdfast_runs SET data = '{' WHERE id = 'a'");
      await db.query("UPDATE holdfast_steps SET data = '{' WHERE run_id = 'b'");
      // It has nothing in memory.
      store = await databases.open();
    });

    const append = (id: string) => store.events.append(id, { type: 'e' });
    const damaged = (id: string) => ({ code: 'DATA_CORRUPT', id });

    test('refuses what is about its run, and goes on with the others [ST-1]', async () => {
      const all = await Promise.allSettled(['a', 'b', 'c'].map(append));
      expect(all).toMatchObject([
        { status: 'rejected', reason: damaged('a') },
        { status: 'rejected', reason: damaged('b') },
        { status: 'fulfilled', value: { seq: 1 } },
      ]);
      await expect(store.steps.get('b', 's')).rejects.toMatchObject(damaged('b'));
      const working = store.transaction('b', (tx) => tx.events.append('b', { type: 'e' }));
      await expect(working).rejects.toMatchObject(damaged('b'));
      await expect(store.runs.list()).rejects.toMatchObject(damaged('a'));
    });

    test('deletes its run, unless on a condition that cannot be checked [ST-1]', async () => {
      const conditional = store.runs.delete('a', { ifVersion: 1 });
      await expect(conditional).rejects.toMatchObject(damaged('a'));
      await Promise.all([store.runs.delete('a'), store.runs.delete('b'), append('c')]);
      expect((await store.runs.list()).items.map(({ id }) => id)).toEqual(['c']);
      await store.runs.create({ id: 'a', workflow: 'w' });
      expect(await append('a')).toMatchObject({ seq: 1 });
      expect((await store.verify()).findings).toEqual([]);
    });
  });

  test('tells of a damaged event only who uses a key of its run again [ST-1]', async () => {
    const append = (id: string) => store.events.append(id, { type: 'e', idempotencyKey: 'k' });
    for (const id of ['a', 'b']) {
      await store.runs.create({ id, workflow: 'w' });
      await append(id);
    }
    await db.query("UPDATE holdfast_events SET data = '{' WHERE run_id = 'a'");
    expect(await Promise.allSettled(['a', 'b'].map(append))).toMatchObject([
      { status: 'rejected', reason: { code: 'DATA_CORRUPT', id: 'a' } },
      { status: 'fulfilled', value: { seq: 1 } },
    ]);
  });

  test('lists no events past one that is gone, and verify says how many are [ST-1]', async () => {
    await store.runs.create({ id: 'a', workflow: 'w' });
    for (let n = 1; n <= 30; n++) await store.events.append('a', { type: 'e', payload: n });
    await db.query("DELETE FROM holdfast_events WHERE run_id = 'a' AND seq IN (12, 30)");
    const list = (after: number, limit: number) => store.events.list('a', { after, limit });
    expect((await list(12, 16)).items).toHaveLength(16);
    await expect(list(12, 17)).rejects.toMatchObject({ code: 'DATA_CORRUPT', id: 'a' });
    await expect(list(0, 12)).rejects.toMatchObject({ code: 'DATA_CORRUPT', id: 'a' });
    expect((await store.verify()).findings).toContainEqual({
      code: 'DATA_CORRUPT',
      file: 'a',
      message: 'holdfast_events lacks events of run a after number 0: 2',
    });
  });

  test('verify finds events that are of no run', async () => {
    await store.runs.create({ id: 'a', workflow: 'w' });
    await store.events.append('a', { type: 'e' });
    await db.query("UPDATE holdfast_runs SET last_seq = 0 WHERE id = 'a'");
    expect((await store.verify()).findings).toMatchObject([
      { file: 'holdfast_events', message: 'events of no run: 1' },
    ]);
  });

  test('asks for the one event whose key is used again, however many were before [EM-1]', async () => {
    await store.runs.create({ id: 'r', workflow: 'w' });
    const wanted = jest.spyOn(RunReader.prototype, 'eventsByKey');
    const write = (n: number) =>
      store.events.append('r', { type: 'e', payload: n, idempotencyKey: `k${n}` });
    for (let n = 0; n < 20; n++) await write(n);
    for (let n = 0; n < 20; n++) expect((await write(n)).seq).toBe(n + 1);
    expect(wanted).toHaveBeenCalledTimes(20);
    for (const [keys] of wanted.mock.calls) expect(keys).toHaveLength(1);
  });

  test('takes more callers at once than a pool has places in its line', async () => {
    await store.runs.create({ id: 'r', workflow: 'w' });
    const reads = Array.from({ length: 1_500 }, () => store.runs.get('r'));
    await store.events.append('r', { type: 'e' });
    expect(await Promise.all(reads)).toHaveLength(1_500);
  });

  test('keeps its readers out of the line of the pool, and refuses them at close', async () => {
    const crowded = await databases.open({ database: { connectionsMax: 3, waitingMax: 4 } });
    await crowded.runs.create({ id: 'r', workflow: 'w' });
    const read = () => Array.from({ length: 200 }, () => crowded.runs.get('r'));
    const reads = read();
    await crowded.events.append('r', { type: 'e' });
    expect(await Promise.all(reads)).toHaveLength(200);
    const late = Promise.allSettled(read());
    await crowded.close();
    const [first, ...others] = await late;
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(others.at(-1)).toMatchObject({ reason: { code: 'STORE_CLOSED' } });
  });

  test('turns a transaction away once for each commit of others, and no more [ST-1]', async () => {
    for (const r of ['a', 'b', 'c', 'd', 'e']) {
      await store.runs.create({ id: r, workflow: 'w', metadata: { n: 0 } });
      let tries = 0;
      const increment = () =>
        store.transaction(r, async (tx) => {
          tries++;
          const { metadata } = await tx.runs.get(r);
          await tx.runs.update(r, { metadata: { n: Number(metadata['n']) + 1 } });
        });
      await Promise.all(Array.from({ length: 8 }, increment));
      expect((await store.runs.get(r)).metadata).toEqual({ n: 8 });
      expect(tries).toBeLessThanOrEqual(8 + 7 + 6 + 5 + 4 + 3 + 2 + 1);
    }
  });

  test('dates no change of a run before the changes of others that it knows [EM-1]', async () => {
    const ahead = { ...systemClock, now: () => Date.now() + HOUR_MS };
    await (await databases.open({ clock: ahead })).runs.create({ id: 'r', workflow: 'w' });
    const run = await store.runs.update('r', { status: 'running' });
    expect(run.updatedAt.getTime()).toBeGreaterThanOrEqual(run.createdAt.getTime());
    const event = await store.events.append('r', { type: 'e' });
    expect(event.recordedAt.getTime()).toBeGreaterThanOrEqual(run.createdAt.getTime());
  });
});
