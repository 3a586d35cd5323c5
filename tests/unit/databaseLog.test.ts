import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, type Database, openStore, type Store } from '../../src/index.ts';
import { PARTITION_COMMITS } from '../../src/lib/migrations.ts';
import { PartitionSpace, TableSpace } from '../../src/lib/store/DatabaseStore/logSpace.ts';
import { Trimmer } from '../../src/lib/store/DatabaseStore/trimmer.ts';
import { collect } from '../fixtures/collect.ts';
import { sharedPostgres } from '../services/postgres.ts';

interface Place {
  readonly url: string;
  drop(): Promise<void>;
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-log-'));
let files = 0;
const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  postgres: async () => (await sharedPostgres()).createDatabase(),
  sqlite: async () => ({
    url: `sqlite:${join(folder, `${++files}.db`)}`,
    drop: async () => undefined,
  }),
};

afterAll(() => rmSync(folder, { recursive: true }));

describe.each(Object.keys(PLACES))('the log of %s', (dialect) => {
  let place: Place;
  let store: Store;
  let db: Database;

  beforeEach(async () => {
    place = await (PLACES[dialect] as () => Promise<Place>)();
    store = await openStore(place.url, { migrate: 'auto' });
    db = await connectDatabase(place.url);
  });

  afterEach(async () => {
    await store.close();
    await db.close();
    await place.drop();
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
});
