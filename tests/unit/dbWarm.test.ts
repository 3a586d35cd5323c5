import { once } from 'node:events';
import { nextTick } from 'node:process';
import { afterEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { connectDatabase, type Database } from '../../src/index.ts';
import { databaseWorld, failure } from './dbWorld.ts';

const world = databaseWorld('postgres');
const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** A pool of our own, and how often a connection was taken from it. */
async function poolOf(config: pg.PoolConfig = {}) {
  const pool = new pg.Pool({ connectionString: await world.url(), max: 1, ...config });
  const seen = { acquired: 0, clients: new Set<pg.PoolClient>() };
  pool.on('acquire', (client) => {
    seen.acquired += 1;
    seen.clients.add(client);
  });
  open.push(() => (pool.ended || pool.ending ? Promise.resolve() : pool.end()));
  const db = await connectDatabase(pool);
  open.push(() => db.close());
  // The pool has seen the connection that was opened to greet the server.
  await turn();
  return { pool, db, seen };
}

/** One of the loop: all that waits for nothing has had its turn, and the connection has gone back. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function ask(db: Database, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await db.query('SELECT 1');
}

const pidOf = async (db: Database) =>
  (await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;

describe('a connection that was given back', () => {
  test('is at hand for who calls on at once, and the pool is asked rarely [DB-2]', async () => {
    const { db, seen } = await poolOf();
    const before = seen.acquired;
    await ask(db, 90);
    await db.transaction((tx) => tx.query('SELECT 1'));
    expect(seen.acquired - before).toBe(1);
    expect(db.stats()).toMatchObject({ connections: 1, idle: 1 });
  });

  test('is seen by the pool once in a hundred uses, however busy its caller is [DB-2]', async () => {
    const { db, seen } = await poolOf();
    const before = seen.acquired;
    await ask(db, 1_000);
    expect(seen.acquired - before).toBe(10);
  });

  test('is back in the pool at the end of the turn [DB-2]', async () => {
    const { pool, db } = await poolOf();
    await ask(db, 3);
    expect(pool.idleCount).toBe(0);
    await turn();
    expect(pool.idleCount).toBe(1);
    expect(await pool.query('SELECT 1')).toMatchObject({ rowCount: 1 });
  });

  test('goes to who waits for it, before its last user has it again [DB-2] [ED-1]', async () => {
    const { pool, db } = await poolOf();
    await ask(db, 1);
    let isServed = false;
    const owner = pool.query('SELECT 1').then(() => (isServed = true));
    await ask(db, 1);
    expect(isServed).toBe(true);
    await owner;
    // The same for who begins to wait while a query runs.
    isServed = false;
    const running = db.query('SELECT 1');
    await turn();
    const late = pool.query('SELECT 1').then(() => (isServed = true));
    await running;
    await ask(db, 1);
    expect(isServed).toBe(true);
    await late;
  });

  test('goes to the pool when the database is closed [DB-2]', async () => {
    const { pool, db } = await poolOf();
    await ask(db, 1);
    expect(pool.idleCount).toBe(0);
    const closing = db.close();
    await new Promise<void>((resolve) => nextTick(resolve));
    expect(pool.idleCount).toBe(1);
    await closing;
    expect(await pool.query('SELECT 1')).toMatchObject({ rowCount: 1 });
  });

  test('goes to the pool that its owner ends, and nobody has it again [DB-2]', async () => {
    const { pool, db } = await poolOf();
    await ask(db, 1);
    const ending = pool.end();
    expect(await failure(db.query('SELECT 1'))).toMatchObject({ code: 'STORE_CLOSED' });
    await ending;
  });

  test('and has died since is nobody’s: the next caller has another one [DB-2] [ED-4]', async () => {
    const { db, seen } = await poolOf();
    const pid = await pidOf(db);
    const [client] = seen.clients;
    client?.connection.stream.destroy(new Error('read ECONNRESET'));
    await new Promise<void>((resolve) => nextTick(resolve));
    const next = await pidOf(db);
    expect(next).toBeGreaterThan(0);
    expect(next).not.toBe(pid);
  });
});

describe('the bounds of a pool that its owner has made', () => {
  test('hold to the very use: maxUses [DB-2]', async () => {
    const { db } = await poolOf({ maxUses: 5 });
    const uses = new Map<unknown, number>();
    for (let n = 0; n < 20; n++) {
      const pid = await pidOf(db);
      uses.set(pid, (uses.get(pid) ?? 0) + 1);
    }
    expect(Math.max(...uses.values())).toBe(5);
  });

  test('hold for a caller who never pauses: maxLifetimeSeconds [DB-2]', async () => {
    const { pool, db } = await poolOf({ maxLifetimeSeconds: 0.05 });
    const pid = await pidOf(db);
    const removed = once(pool, 'remove');
    let isRemoved = false;
    void removed.then(() => (isRemoved = true));
    while (!isRemoved) await ask(db, 1);
    expect(await pidOf(db)).not.toBe(pid);
  });

  test('hold when it is idle: idleTimeoutMillis [DB-2]', async () => {
    const { pool, db } = await poolOf({ idleTimeoutMillis: 5 });
    const removed = once(pool, 'remove');
    await ask(db, 5);
    await removed;
    expect(pool.totalCount).toBe(0);
    expect(await pidOf(db)).toBeGreaterThan(0);
  });
});
