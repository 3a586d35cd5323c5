import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, Store } from '../../src/index.ts';
import { PARTITION_COMMITS } from '../../src/lib/migrations.ts';
import { PartitionSpace, TableSpace } from '../../src/lib/store/DatabaseStore/logSpace.ts';
import { Trimmer } from '../../src/lib/store/DatabaseStore/trimmer.ts';
import { collect, take } from '../fixtures/collect.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';

describe.each(DIALECTS)('the log of %s', (dialect) => {
  const databases = new Databases(dialect);
  let store: Store;
  let db: Database;

  beforeEach(async () => {
    store = await databases.open();
    db = await databases.connect();
  });

  /** As after so many commits: their changes are not there, but their positions are taken. */
  async function goOnAt(position: number): Promise<void> {
    await db.query('UPDATE holdfast_log_head SET position = $1', [position]);
    if (db.dialect === 'postgres') await db.query('SELECT holdfast_extend_log($1)', [position]);
  }

  function trimmer(bytesKeep: number): Trimmer {
    const space =
      db.dialect === 'postgres' ? new PartitionSpace(db, PARTITION_COMMITS) : new TableSpace(db);
    return new Trimmer({ db, space, bytesKeep });
  }

  async function write(count: number): Promise<void> {
    const ids = Array.from({ length: count }, (_, n) => n);
    await Promise.all(ids.map((n) => store.runs.create({ workflow: 'w', input: n })));
  }

  async function positions(): Promise<readonly number[]> {
    const sql = 'SELECT position FROM holdfast_changes ORDER BY position';
    const { rows } = await db.query<{ position: number }>(sql);
    return rows.map(({ position }) => position);
  }

  test('goes on over the end of a partition, and loses nothing there', async () => {
    await goOnAt(PARTITION_COMMITS - 5);
    const after = store.position();
    await write(10);
    await write(3);
    expect(await positions()).toEqual(
      Array.from({ length: 13 }, (_, n) => PARTITION_COMMITS - 4 + n),
    );
    expect((await store.verify()).findings).toEqual([]);
    expect(after).not.toBe(store.position());
  });

  test('is trimmed to what is to be kept, and says so to a reader who comes too late', async () => {
    await write(3);
    const start = store.position();
    await goOnAt(PARTITION_COMMITS - 1);
    await write(4);
    await trimmer(0).trim();
    expect((await positions()).at(0) ?? Infinity).toBeGreaterThanOrEqual(PARTITION_COMMITS);
    const late = collect(store.watch({ after: start }));
    await expect(late).rejects.toMatchObject({ code: 'POSITION_EXPIRED' });
    await expect(store.pins.create({ name: 'late', after: start })).rejects.toMatchObject({
      code: 'POSITION_EXPIRED',
    });
    expect((await store.runs.list()).items).toHaveLength(7);
  });

  test('goes on after everything was trimmed that could be', async () => {
    await write(3);
    await trimmer(0).trim();
    await write(2);
    expect((await positions()).at(-1)).toBe(5);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('keeps what a pin holds, until it holds more than it may', async () => {
    await write(2);
    await store.pins.create({ name: 'backup', bytesMax: Number.MAX_SAFE_INTEGER });
    await goOnAt(PARTITION_COMMITS - 1);
    await write(3);
    await trimmer(0).trim();
    expect((await positions()).at(-1)).toBe(PARTITION_COMMITS + 2);
    expect((await store.pins.list()).map(({ broken }) => broken)).toEqual([false]);
    await store.pins.create({ name: 'small', bytesMax: 1 });
    await goOnAt(2 * PARTITION_COMMITS);
    await store.runs.create({ workflow: 'w', input: 'x'.repeat(100_000) });
    await trimmer(0).trim();
    const broken = (await store.pins.list()).filter((pin) => pin.broken);
    expect(broken.map(({ name }) => name)).toEqual(['small']);
    await store.pins.release('backup');
    await trimmer(0).trim();
    expect((await positions()).at(0) ?? Infinity).toBeGreaterThan(PARTITION_COMMITS + 2);
  });

  describe('with events, which are stored once', () => {
    const payloads = async (after: string, count: number) => {
      const commits = await take(store.watch({ after }), count);
      return commits
        .flatMap(({ changes }) => changes)
        .flatMap((it) => (it.type === 'event.appended' ? [it.event.payload] : []));
    };
    const append = (payload: number) => store.events.append('r', { type: 'e', payload });
    const count = async (table: string) =>
      (await db.query<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)).rows[0]?.n;

    test('tells those of runs that were deleted, and made again under the same id', async () => {
      const start = store.position();
      await store.runs.create({ id: 'r', workflow: 'w' });
      for (const n of [1, 2]) await append(n);
      await store.runs.delete('r');
      await store.runs.create({ id: 'r', workflow: 'w' });
      await append(3);
      expect(await payloads(start, 6)).toEqual([1, 2, 3]);
      expect(await count('holdfast_events')).toBe(1);
      expect(await count('holdfast_deleted_events')).toBe(2);
    });

    test('tells those of a run that was deleted in the same batch, or the same commit', async () => {
      const start = store.position();
      await store.runs.create({ id: 'r', workflow: 'w' });
      const deletion = [append(1), append(2), store.runs.delete('r')];
      const again = [store.runs.create({ id: 'r', workflow: 'w' }), append(3)];
      await Promise.all([...deletion, ...again]);
      await store.transaction('r', async (tx) => {
        await tx.events.append('r', { type: 'e', payload: 4 });
        await tx.runs.delete('r');
        await tx.runs.create({ id: 'r', workflow: 'w' });
        await tx.events.append('r', { type: 'e', payload: 5 });
      });
      expect(await payloads(start, 7)).toEqual([1, 2, 3, 4, 5]);
      expect(await collect(store.events.list('r'))).toMatchObject([{ seq: 1, payload: 5 }]);
    });

    test('takes all of them along with their run, however many there are', async () => {
      await store.runs.create({ id: 'r', workflow: 'w' });
      await store.runs.create({ id: 'other', workflow: 'w' });
      for (let n = 1; n <= 20; n++) await append(n);
      await store.events.append('other', { type: 'e' });
      await store.runs.delete('r');
      expect(await count('holdfast_events')).toBe(1);
      expect(await count('holdfast_deleted_events')).toBe(20);
      expect((await store.verify()).findings).toEqual([]);
    });

    test('forgets those of deleted runs when the log is trimmed', async () => {
      await store.runs.create({ id: 'r', workflow: 'w' });
      await append(1);
      await store.runs.delete('r');
      await goOnAt(PARTITION_COMMITS - 1);
      await store.runs.create({ id: 'r', workflow: 'w' });
      await append(2);
      await store.runs.delete('r');
      expect(await count('holdfast_deleted_events')).toBe(2);
      await trimmer(0).trim();
      expect(await count('holdfast_deleted_events')).toBe(dialect === 'postgres' ? 1 : 0);
    });

    test('says which one is missing, where the table has lost it', async () => {
      const start = store.position();
      await store.runs.create({ id: 'r', workflow: 'w' });
      await append(1);
      await db.query("DELETE FROM holdfast_events WHERE run_id = 'r'");
      await expect(take(store.watch({ after: start }), 2)).rejects.toMatchObject({
        code: 'DATA_CORRUPT',
        id: 'r',
      });
    });
  });
});
