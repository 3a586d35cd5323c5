import { describe, expect, test } from '@jest/globals';
import type { Database } from '../../src/index.ts';
import { ManualClock } from '../../src/testkit/manualClock.ts';
import { backends, databaseWorld, failure, running, until, waitingForLock } from './dbWorld.ts';

const world = databaseWorld('postgres');

describe('time-outs', () => {
  test('are set on each connection, with UTC and ISO dates [DB-4] [ED-2]', async () => {
    const db = await world.connect({
      statementTimeoutMs: 1_234,
      lockTimeoutMs: 567,
      idleInTransactionTimeoutMs: 8_901,
    });
    const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
    const { rows } = await db.query(
      `SELECT name, setting FROM pg_settings WHERE name = ANY ($1) ORDER BY name`,
      [[...names, 'TimeZone', 'DateStyle']],
    );
    expect(rows.map(({ setting }) => setting)).toEqual(['ISO, MDY', 'UTC', '8901', '567', '1234']);
    const { rows: dates } = await db.query("SELECT '2024-01-01T00:00:00+02'::timestamptz AS at");
    expect(dates).toEqual([{ at: '2023-12-31 22:00:00+00' }]);
  });

  test('of the server end a statement [DB-4]', async () => {
    const db = await world.connect({ statementTimeoutMs: 20 });
    const error = await failure(db.query('SELECT pg_sleep(60)'));
    expect(error).toMatchObject({ code: 'QUERY_TIMEOUT', cause: { code: '57014' } });
    expect((await db.query('SELECT 1')).rowCount).toBe(1);
  });

  test('of a call end its statement on the server, and keep its connection [DB-4]', async () => {
    const clock = new ManualClock();
    const db = await world.connect({ clock, connectionsMax: 1 });
    const admin = await world.connect();
    const pid = async () => (await db.query('SELECT pg_backend_pid() AS pid')).rows[0]?.['pid'];
    const before = await pid();
    const slow = failure(db.query('SELECT pg_sleep(60)', [], { timeoutMs: 100 }));
    await running(admin, '%pg_sleep(60)%');
    clock.advance(100);
    expect(await slow).toMatchObject({ code: 'QUERY_TIMEOUT', retryable: true });
    expect(await pid()).toBe(before);
  });

  test('of a call may be longer than those of the server, in a transaction too [DB-4]', async () => {
    const db = await world.connect({ statementTimeoutMs: 20, connectionsMax: 1 });
    const timeout = "SELECT current_setting('statement_timeout') AS ms, pg_sleep(0.03)::text";
    const ask = async (query: Database['query'], timeoutMs?: number) =>
      (await query(timeout, [], { timeoutMs })).rows[0]?.['ms'];
    expect(await ask(db.query.bind(db), 5_000)).toBe('5s');
    expect(await ask(db.query.bind(db), Infinity)).toBe('0');
    await expect(db.query(timeout)).rejects.toMatchObject({ code: 'QUERY_TIMEOUT' });
    const inside = await db.transaction((tx) => ask(tx.query.bind(tx), 5_000));
    expect(inside).toBe('5s');
    await expect(db.transaction((tx) => tx.query(timeout))).rejects.toMatchObject({
      code: 'QUERY_TIMEOUT',
    });
    const refused = db.query('SELECT nonsense', [], { timeoutMs: 5_000 });
    await expect(refused).rejects.toMatchObject({ code: 'QUERY_FAILED' });
    const { rows } = await db.query("SELECT current_setting('statement_timeout') AS ms");
    expect(rows).toEqual([{ ms: '20ms' }]);
  });

  test('a signal ends a statement on the server [DB-4]', async () => {
    const db = await world.connect();
    const admin = await world.connect();
    const controller = new AbortController();
    const { signal } = controller;
    const slow = failure(db.transaction((tx) => tx.query('SELECT pg_sleep(60)'), { signal }));
    await running(admin, '%pg_sleep(60)%');
    controller.abort(new Error('enough'));
    expect(await slow).toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } });
    await until(async () => (await backends(admin, '%pg_sleep(60)%', 'active')).length === 0);
  });

  test('end the wait for a lock that a long transaction holds [ED-2]', async () => {
    const db = await world.connect({ lockTimeoutMs: 20 });
    await db.query('CREATE TABLE t (a int)');
    await db.query('INSERT INTO t VALUES (1)');
    await db.transaction(async (tx) => {
      await tx.query('UPDATE t SET a = 2');
      const other = await world.connect({ lockTimeoutMs: 20 });
      const blocked = await failure(other.query('UPDATE t SET a = 3'));
      expect(blocked).toMatchObject({ code: 'LOCK_TIMEOUT', retryable: true });
    });
    expect((await db.query('SELECT a FROM t')).rows).toEqual([{ a: 2 }]);
  });

  test('end a transaction that does nothing, and free what it locked [ED-2]', async () => {
    const db = await world.connect({ idleInTransactionTimeoutMs: 20 });
    const other = await world.connect();
    await db.query('CREATE TABLE t (a int)');
    const idle = db.transaction(async (tx) => {
      await tx.query('LOCK TABLE t');
      // It waits for the lock until the server has ended this transaction.
      await other.query('INSERT INTO t VALUES (1)');
      await tx.query('INSERT INTO t VALUES (2)');
    });
    expect(await failure(idle)).toMatchObject({ code: 'QUERY_TIMEOUT', cause: { code: '25P03' } });
    expect((await other.query('SELECT a FROM t')).rows).toEqual([{ a: 1 }]);
    expect((await db.query('SELECT 1')).rowCount).toBe(1);
  });
});

describe('deadlocks and serialization failures', () => {
  async function twoRows(): Promise<Database> {
    const db = await world.connect();
    await db.query('CREATE TABLE t (id int PRIMARY KEY, n int)');
    await db.query('INSERT INTO t VALUES (1, 0), (2, 0)');
    return db;
  }

  test('two transactions that deadlock both succeed, one of them at a later try [DB-5]', async () => {
    const db = await twoRows();
    let arrived = 0;
    let open: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (open = resolve));
    const tries = { ab: 0, ba: 0 };
    const update = 'UPDATE t SET n = n + 1 WHERE id = $1';
    const run = (name: 'ab' | 'ba', first: number, second: number) =>
      db.transaction(async (tx) => {
        tries[name] += 1;
        await tx.query(update, [first]);
        if (++arrived === 2) open();
        await both;
        await tx.query(update, [second]);
      });
    await Promise.all([run('ab', 1, 2), run('ba', 2, 1)]);
    // Whoever begins anew may be so quick that they meet once more.
    expect(db.stats().retries).toBeGreaterThanOrEqual(1);
    expect(tries.ab + tries.ba).toBe(2 + db.stats().retries);
    expect((await db.query('SELECT n FROM t')).rows).toEqual([{ n: 2 }, { n: 2 }]);
  });

  test('a commit that cannot be serialized begins anew, whatever its callback saw [DB-5]', async () => {
    const db = await twoRows();
    let tries = 0;
    await db.transaction(
      async (tx) => {
        tries += 1;
        const { rows } = await tx.query<{ sum: number }>(
          'SELECT sum(n) AS sum FROM t WHERE id = 2',
        );
        if (tries === 1) {
          const other = await world.connect();
          const isolation = { isolation: 'serializable' } as const;
          await other.transaction(async (tx) => {
            await tx.query('SELECT sum(n) FROM t WHERE id = 1');
            await tx.query('UPDATE t SET n = 5 WHERE id = 2');
          }, isolation);
        }
        await tx.query('UPDATE t SET n = $1 WHERE id = 1', [Number(rows[0]?.sum) + 1]);
      },
      { isolation: 'serializable' },
    );
    expect(tries).toBe(2);
    expect((await db.query('SELECT n FROM t ORDER BY id')).rows).toEqual([{ n: 6 }, { n: 5 }]);
  });

  test('gives up after so many tries with the failure, or with what the callback made of it [DB-5]', async () => {
    const db = await world.connect({ retriesMax: 2 });
    await db.query(`CREATE FUNCTION fail() RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$`);
    let tries = 0;
    const work = db.transaction((tx) => {
      tries += 1;
      return tx.query('SELECT fail()');
    });
    expect(await failure(work)).toMatchObject({
      code: 'SERIALIZATION_FAILED',
      retryable: true,
      cause: { code: '40001' },
    });
    expect(tries).toBe(3);
    const own = new Error('my own');
    const wrapped = db.transaction(async (tx) => {
      await tx.query('SELECT fail()').catch(() => {
        throw own;
      });
    });
    expect(await failure(wrapped)).toBe(own);
    await expect(db.query('SELECT fail()')).rejects.toMatchObject({ code: 'SERIALIZATION_FAILED' });
    expect(db.stats().retries).toBe(6);
    const once = db.transaction((tx) => tx.query('SELECT fail()'), { retriesMax: 0 });
    await expect(once).rejects.toMatchObject({ code: 'SERIALIZATION_FAILED' });
    expect(db.stats().retries).toBe(6);
  });

  test('keeps no connection while it waits for its next try, and a signal ends that wait [DB-5]', async () => {
    const clock = new ManualClock();
    const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
    const db = await world.connect({ connectionsMax: 1, clock, random });
    await db.query(`CREATE FUNCTION fail() RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40P01'; END $$`);
    const controller = new AbortController();
    let tries = 0;
    const work = failure(
      db.transaction(
        (tx) => {
          tries += 1;
          return tx.query('SELECT fail()');
        },
        { signal: controller.signal },
      ),
    );
    await until(
      async () => (await db.query('SELECT 1')).rowCount === 1 && db.stats().retries === 1,
    );
    clock.advance(10);
    await until(
      async () => (await db.query('SELECT 1')).rowCount === 1 && db.stats().retries === 2,
    );
    // The second wait is at most twice the first.
    clock.advance(15);
    await db.query('SELECT 1');
    expect(tries).toBe(2);
    controller.abort();
    expect(await work).toMatchObject({ code: 'ABORTED' });
  });

  test('takes a read-only transaction and a level of isolation to the server [DB-5]', async () => {
    const db = await world.connect();
    const settings = `SELECT current_setting('transaction_isolation') AS level,
      current_setting('transaction_read_only') AS ro`;
    const ask = (options: object) =>
      db.transaction(async (tx) => (await tx.query(settings)).rows[0], options);
    expect(await ask({})).toEqual({ level: 'read committed', ro: 'off' });
    const options = { isolation: 'repeatable read', readOnly: true };
    expect(await ask(options)).toEqual({ level: 'repeatable read', ro: 'on' });
    await expect(ask({ isolation: 'none; DROP TABLE t' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('leaves a refused commit undone: a constraint that is checked at its end [DB-1]', async () => {
    const db = await world.connect();
    await db.query(`CREATE TABLE t (a int PRIMARY KEY,
      b int REFERENCES t DEFERRABLE INITIALLY DEFERRED)`);
    const work = db.transaction((tx) => tx.query('INSERT INTO t VALUES (1, 99)'));
    await expect(work).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED' });
    expect((await db.query('SELECT * FROM t')).rowCount).toBe(0);
  });

  test('a session that waits for a lock of another is not disturbed [DB-5]', async () => {
    const db = await world.connect();
    const order: string[] = [];
    await db.session(async (session) => {
      await session.query('SELECT pg_advisory_lock(1)');
      const other = await world.connect();
      const second = other.session(async (session) => {
        await session.query('SELECT pg_advisory_lock(1)');
        order.push('second');
      });
      await waitingForLock(await world.connect());
      order.push('first');
      await session.query('SELECT pg_advisory_unlock(1)');
      await second;
    });
    expect(order).toEqual(['first', 'second']);
  });
});
