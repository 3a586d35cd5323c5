import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, Dialect, OpenOptions, Store } from '../../src/index.ts';
import { PARTITION_COMMITS } from '../../src/lib/migrations.ts';
import { collect } from '../fixtures/collect.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';

const TRIMMED_EVERY = 8_192;
const MIB = 1024 ** 2;

/** Those of the test that is running. */
let databases: Databases;
let db: Database;

function useDatabases(dialect: Dialect): void {
  const its = new Databases(dialect);
  beforeEach(async () => {
    databases = its;
    await open();
    db = await databases.connect();
  });
}

function open(options: OpenOptions = {}, url?: string): Promise<Store> {
  return databases.open({ journalBytesKeep: 1, ...options }, url);
}

/** As after so many commits. */
async function goOnAt(position: number): Promise<void> {
  await db.query('UPDATE holdfast_log_head SET position = $1', [position]);
  if (db.dialect === 'postgres') await db.query('SELECT holdfast_extend_log($1)', [position]);
}

async function firstOfLog(): Promise<number> {
  const sql = 'SELECT min(position) AS first FROM holdfast_changes';
  return (await db.query<{ first: number }>(sql)).rows[0]?.first ?? Infinity;
}

describe.each(DIALECTS)('a store in %s', (dialect) => {
  useDatabases(dialect);

  /** Commits up to where a process looks after the log. */
  async function writeOver(boundary: number, write: (store: Store) => Promise<unknown>) {
    await goOnAt(boundary - 1);
    const store = await open();
    await write(store);
    // It waits for what it has begun.
    await store.close();
  }

  test.each([
    ['its own', (store: Store) => store.runs.create({ workflow: 'w' })],
    [
      'those that went along with a transaction of its caller',
      (store: Store) => db.transaction((tx) => store.enlist(tx).events.append('r', { type: 'e' })),
    ],
  ])('trims its log by itself, after commits of %s', async (_, write) => {
    await (await open()).runs.create({ id: 'r', workflow: 'w' });
    await writeOver(2 * TRIMMED_EVERY * Math.ceil(PARTITION_COMMITS / TRIMMED_EVERY), write);
    expect(await firstOfLog()).toBeGreaterThan(PARTITION_COMMITS);
  });

  test('breaks a pin that holds back more than it may, events of deleted runs counted', async () => {
    const store = await open();
    await store.pins.create({ name: 'backup', bytesMax: MIB });
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.events.append('r', { type: 'e', payload: 'x'.repeat(2 * MIB) });
    await store.runs.delete('r');
    await writeOver(TRIMMED_EVERY, (it) => it.runs.create({ workflow: 'w' }));
    expect(await store.pins.list()).toMatchObject([{ name: 'backup', broken: true }]);
  });

  test('refuses to mend a broken pin where the log is gone, and moves it to where it is', async () => {
    const store = await open();
    await store.pins.create({ name: 'backup' });
    await store.runs.create({ workflow: 'w' });
    const gone = store.position();
    await goOnAt(PARTITION_COMMITS + 5);
    const later = await open();
    await later.runs.create({ workflow: 'w' });
    await db.query('UPDATE holdfast_pins SET broken = 1');
    await db.query('DELETE FROM holdfast_changes WHERE position < $1', [PARTITION_COMMITS]);
    const advancing = later.pins.advance('backup', gone);
    await expect(advancing).rejects.toMatchObject({ code: 'POSITION_EXPIRED' });
    expect(await later.pins.list()).toMatchObject([{ broken: true }]);
    const position = later.position();
    expect(await later.pins.advance('backup', position)).toMatchObject({ broken: false, position });
    const absent = later.pins.advance('absent', position);
    await expect(absent).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('takes back a transaction of its caller whose enlisted commit is too large', async () => {
    const store = await open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    await db.query('CREATE TABLE orders (id int)');
    const working = db.transaction(async (tx) => {
      await tx.query('INSERT INTO orders VALUES (1)');
      for (let n = 0; n < 5; n++) {
        await store.enlist(tx).events.append('r', { type: 'e', payload: 'x'.repeat(7 * MIB) });
      }
    });
    await expect(working).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect((await db.query('SELECT * FROM orders')).rows).toEqual([]);
    expect(await collect(store.events.list('r'))).toEqual([]);
  });
});

describe('a role of PostgreSQL that may read and write rows, and no more,', () => {
  const role = `holdfast_app_${process.pid}`;
  let asRole: string;

  useDatabases('postgres');
  beforeEach(async () => {
    await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'app'`);
    databases.afterwards(async () => {
      await db.query(`DROP OWNED BY ${role}`);
      await db.query(`DROP ROLE ${role}`);
    });
    await db.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`,
    );
    await db.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${role}`);
    const at = new URL(await databases.url());
    at.username = role;
    at.password = 'app';
    asRole = String(at);
  });

  test('writes on over the end of a partition, and trims', async () => {
    await (await open()).runs.create({ workflow: 'w' });
    await goOnAt(PARTITION_COMMITS - 2);
    const store = await open({ migrate: 'check' }, asRole);
    for (let n = 0; n < 4; n++) await store.runs.create({ workflow: 'w' });
    await goOnAt(2 * PARTITION_COMMITS - 2);
    const later = await open({ migrate: 'check' }, asRole);
    for (let n = 0; n < 4; n++) await later.runs.create({ workflow: 'w' });
    await later.close();
    expect(await firstOfLog()).toBeGreaterThanOrEqual(PARTITION_COMMITS);
  });

  test('cannot change the log by those functions without the rights on its rows', async () => {
    await db.query(`REVOKE ALL ON holdfast_changes FROM ${role}`);
    const app = await databases.connect({}, asRole);
    for (const call of ['holdfast_extend_log(200000)', 'holdfast_drop_log(0)']) {
      await expect(app.query(`SELECT ${call}`)).rejects.toMatchObject({
        code: 'QUERY_FAILED',
        message: expect.stringContaining('permission denied') as unknown,
      });
    }
    expect(await firstOfLog()).toBe(Infinity);
  });
});
