import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { connectDatabase, type Database, openStore } from '../../src/index.ts';
import { ManualClock } from '../../src/testkit/manualClock.ts';
import { databaseWorld, failure, until } from './dbWorld.ts';

const world = databaseWorld('postgres');

/** Takes a connection until the returned function is called. */
async function hold(db: Database): Promise<() => Promise<void>> {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  let taken: () => void = () => undefined;
  const isTaken = new Promise<void>((resolve) => (taken = resolve));
  const work = db.transaction(async () => {
    taken();
    await gate;
  });
  await isTaken;
  return () => {
    release();
    return work;
  };
}

describe('the pool', () => {
  test('opens no more connections than it may, and serves everybody in turn [DB-2]', async () => {
    const db = await world.connect({ connectionsMax: 3 });
    const queries = Array.from({ length: 50 }, (_, n) => db.query('SELECT $1::int AS n', [n]));
    expect(db.stats()).toMatchObject({ waiting: 47 });
    const results = await Promise.all(queries);
    expect(results.map(({ rows }) => rows[0]?.['n'])).toEqual([...queries.keys()]);
    expect(db.stats()).toMatchObject({ connections: 3, idle: 3, waiting: 0 });
  });

  test('refuses who has waited long enough, and serves the next [DB-2] [ED-1]', async () => {
    const clock = new ManualClock();
    const db = await world.connect({ connectionsMax: 1, acquireTimeoutMs: 2_000, clock });
    const release = await hold(db);
    const waiter = failure(db.query('SELECT 1'));
    clock.advance(1_999);
    expect(db.stats().waiting).toBe(1);
    clock.advance(1);
    expect(await waiter).toMatchObject({ code: 'POOL_EXHAUSTED', retryable: true });
    expect(db.stats().waiting).toBe(0);
    const next = db.query('SELECT 1 AS one');
    await release();
    expect((await next).rows).toEqual([{ one: 1 }]);
  });

  test('refuses at once when too many wait already [DB-2] [ED-1]', async () => {
    const db = await world.connect({ connectionsMax: 1, waitingMax: 2 });
    const release = await hold(db);
    const waiters = [db.query('SELECT 1'), db.query('SELECT 2')];
    await expect(db.query('SELECT 3')).rejects.toMatchObject({ code: 'POOL_EXHAUSTED' });
    await release();
    expect(await Promise.all(waiters)).toHaveLength(2);
  });

  test('lets a caller stop waiting for a connection [DB-4]', async () => {
    const clock = new ManualClock();
    const db = await world.connect({ connectionsMax: 1, clock });
    const release = await hold(db);
    const controller = new AbortController();
    const aborted = failure(db.query('SELECT 1', [], { signal: controller.signal }));
    const late = failure(db.query('SELECT 1', [], { timeoutMs: 100 }));
    expect(db.stats().waiting).toBe(2);
    controller.abort();
    expect(await aborted).toMatchObject({ code: 'ABORTED' });
    clock.advance(100);
    expect(await late).toMatchObject({ code: 'QUERY_TIMEOUT' });
    expect(db.stats().waiting).toBe(0);
    await release();
  });

  test('replaces idle connections that the server has ended, and lives on [DB-2]', async () => {
    const db = await world.connect({ connectionsMax: 2 });
    const admin = await world.connect();
    await Promise.all([db.query('SELECT 1'), db.query('SELECT 1')]);
    const others = `FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    await admin.query(`SELECT pg_terminate_backend(pid) ${others}`);
    await until(async () => {
      await admin.query('SELECT 1');
      return db.stats().connections === 0;
    });
    expect((await db.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('takes a pool that its caller has made, and leaves it open [DB-2]', async () => {
    const pool = new pg.Pool({ connectionString: await world.url(), max: 2 });
    const db = await connectDatabase(pool);
    expect(db.location).not.toContain('://holdfast:');
    const held = await pool.connect();
    const [a, b] = await Promise.all([db.query('SELECT 1 AS n'), db.query('SELECT 2 AS n')]);
    expect([a?.rows, b?.rows]).toEqual([[{ n: 1 }], [{ n: 2 }]]);
    held.release();
    await db.close();
    await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    expect((await pool.query('SELECT 3 AS n')).rows).toEqual([{ n: 3 }]);
    const again = await connectDatabase(pool);
    await pool.end();
    await expect(again.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await again.close();
  });

  test('says how a store gets its connections, to who hands over a pool', async () => {
    const pool = new pg.Pool({ connectionString: await world.url() });
    for (const place of [pool, new DatabaseSync(':memory:'), undefined]) {
      const error = await failure(openStore(place as never));
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(String(error)).toMatch(/openStore\('postgres:.*connectDatabase.*store\.enlist\(tx\)/);
    }
    await pool.end();
  });

  test('says when a pool that its caller has made is used up by others [ED-1]', async () => {
    const clock = new ManualClock();
    const pool = new pg.Pool({ connectionString: await world.url(), max: 1 });
    const db = await connectDatabase(pool, { clock, acquireTimeoutMs: 500 });
    const held = await pool.connect();
    const query = failure(db.query('SELECT 1'));
    await Promise.resolve();
    clock.advance(500);
    expect(await query).toMatchObject({ code: 'POOL_EXHAUSTED' });
    held.release();
    expect((await db.query('SELECT 1')).rowCount).toBe(1);
    await db.close();
    await pool.end();
  });

  test('gives a connection of a session to nobody else: its locks and settings go with it', async () => {
    const db = await world.connect({ connectionsMax: 1 });
    const pid = await db.session(async (session) => {
      await session.query('SELECT pg_advisory_lock(7)');
      await session.query("SET search_path = 'nowhere'");
      return (await session.query('SELECT pg_backend_pid() AS pid')).rows[0]?.['pid'];
    });
    const { rows } = await db.query(
      "SELECT pg_backend_pid() AS pid, current_setting('search_path') AS path",
    );
    expect(rows[0]).toMatchObject({ path: '"$user", public' });
    expect(rows[0]?.['pid']).not.toBe(pid);
    await until(async () => {
      const { rows } = await db.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'");
      return rows.length === 0;
    });
  });
});

describe('prepared statements', () => {
  const kept = 'SELECT name, statement FROM pg_prepared_statements ORDER BY statement';

  test('are let go on the server when they fall out [DB-3]', async () => {
    const db = await world.connect({ connectionsMax: 1, preparedMax: 8 });
    for (let n = 0; n < 50; n++) await db.query(`SELECT ${n}`);
    const { rows } = await db.query(kept);
    // This one is among them.
    expect(rows.length).toBeLessThanOrEqual(9);
    expect(rows.map(({ statement }) => statement)).toContain('SELECT 49');
    expect(rows.every(({ name }) => /^hf_[0-9a-f]{24}_/.test(String(name)))).toBe(true);
  });

  test('are found by their text, also after they have failed [DB-3]', async () => {
    const db = await world.connect({ connectionsMax: 1 });
    await db.query('CREATE TABLE t (a int PRIMARY KEY)');
    const insert = 'INSERT INTO t VALUES ($1)';
    await db.query(insert, [1]);
    for (let n = 0; n < 3; n++) await failure(db.query(insert, [1]));
    for (let n = 0; n < 3; n++) await failure(db.query('SELECT * FROM nowhere'));
    await db.query(insert, [2]);
    const { rows } = await db.query(kept);
    expect(rows.map(({ statement }) => statement)).toEqual([insert, kept]);
  });

  test('are prepared anew when somebody has let them go, and the transaction runs again [DB-3]', async () => {
    const db = await world.connect({ connectionsMax: 1 });
    const read = 'SELECT $1::text AS a';
    await db.query(read, ['x']);
    await db.query('DEALLOCATE ALL');
    expect((await db.query(read, ['y'])).rows).toEqual([{ a: 'y' }]);
    await db.query('DEALLOCATE ALL');
    let tries = 0;
    const rows = await db.transaction(async (tx) => {
      tries += 1;
      return (await tx.query(read, ['z'])).rows;
    });
    expect(rows).toEqual([{ a: 'z' }]);
    expect(tries).toBe(2);
    expect(db.stats().retries).toBe(1);
  });
});
