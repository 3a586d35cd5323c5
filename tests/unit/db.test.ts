import { describe, expect, test } from '@jest/globals';
import { connectDatabase, type Database, isStoreError } from '../../src/index.ts';
import { DIALECTS, databaseWorld } from './dbWorld.ts';

const count = async (db: Database, table: string): Promise<number> => {
  const { rows } = await db.query<{ n: number }>(`SELECT count(*) AS n FROM ${table}`);
  return rows[0]?.n ?? -1;
};

describe.each(DIALECTS)('a database of %s', (dialect) => {
  const world = databaseWorld(dialect);

  test('runs the snippet of the specification as it is written [DB-1]', async () => {
    const url = await world.url();
    const db = await connectDatabase(url);
    await db.query('CREATE TABLE users (id text)');
    await db.transaction(async (tx) => {
      await tx.query('INSERT INTO users VALUES ($1)', ['test']);
    });
    const result = await db.query('SELECT * FROM users WHERE id = $1', ['test']);
    expect(result).toEqual({ rows: [{ id: 'test' }], rowCount: 1 });
    await db.close();
  });

  test('rolls back what a callback did before it threw, and throws that very error [DB-1]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer)');
    const thrown = new Error('not today');
    const work = db.transaction(async (tx) => {
      await tx.query('INSERT INTO t VALUES (1)');
      expect((await tx.query('SELECT a FROM t')).rows).toEqual([{ a: 1 }]);
      throw thrown;
    });
    expect(await work.catch((error: unknown) => error)).toBe(thrown);
    expect(await count(db, 't')).toBe(0);
    expect(db.stats()).toMatchObject({ idle: db.stats().connections, retries: 0 });
  });

  test('fails the transaction of a statement that failed, though its callback went on [DB-1]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer PRIMARY KEY)');
    const later: unknown[] = [];
    const work = db.transaction(async (tx) => {
      await tx.query('INSERT INTO t VALUES (1)');
      await tx.query('INSERT INTO t VALUES (1)').catch((error: unknown) => later.push(error));
      await tx.query('INSERT INTO t VALUES (2)').catch((error: unknown) => later.push(error));
    });
    await expect(work).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED', retryable: false });
    expect(later.map((error) => isStoreError(error) && error.code)).toEqual([
      'CONSTRAINT_VIOLATED',
      'QUERY_FAILED',
    ]);
    expect(await count(db, 't')).toBe(0);
  });

  test('goes on from a savepoint behind a statement that failed [DB-1]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer PRIMARY KEY)');
    await db.transaction(async (tx) => {
      await tx.query('INSERT INTO t VALUES (1)');
      await tx.query('SAVEPOINT here');
      const again = tx.query('INSERT INTO t VALUES (1)');
      await expect(again).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED' });
      await tx.query('ROLLBACK TO SAVEPOINT here');
      await tx.query('INSERT INTO t VALUES (2)');
    });
    expect(await count(db, 't')).toBe(2);
  });

  test.each(['COMMIT', ' -- the end\n ROLLBACK', 'BEGIN', 'end;'])(
    'leaves the end of a transaction to its callback: no %j inside [DB-1]',
    async (sql) => {
      const db = await world.connect();
      const work = db.transaction((tx) => tx.query(sql));
      await expect(work).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  );

  test('runs statements in turn that a callback does not wait for, and all before the end [DB-1]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer)');
    const unawaited: Promise<unknown>[] = [];
    await db.transaction((tx) => {
      for (let a = 0; a < 10; a++) unawaited.push(tx.query('INSERT INTO t VALUES ($1)', [a]));
      return Promise.resolve();
    });
    await Promise.all(unawaited);
    const { rows } = await db.query('SELECT a FROM t');
    expect(rows).toEqual(Array.from({ length: 10 }, (_, a) => ({ a })));
  });

  test('refuses a transaction that is used after its end [DB-1]', async () => {
    const db = await world.connect();
    const tx = await db.transaction((tx) => Promise.resolve(tx));
    await expect(tx.query('SELECT 1')).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
  });

  test('refuses to write in a read-only transaction, and only there [DB-1]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer)');
    const insert = 'INSERT INTO t VALUES (1)';
    const work = db.transaction((tx) => tx.query(insert), { readOnly: true });
    await expect(work).rejects.toMatchObject({ code: 'QUERY_FAILED' });
    await db.transaction((tx) => tx.query(insert));
    const read = db.transaction(async (tx) => (await tx.query('SELECT a FROM t')).rows, {
      readOnly: true,
    });
    expect(await read).toEqual([{ a: 1 }]);
    await db.query(insert);
    expect(await count(db, 't')).toBe(2);
  });

  test('refuses a second connection inside of a transaction or session [ED-1] [DB-2]', async () => {
    const db = await world.connect();
    const nested = { code: 'NESTED_CONNECTION', retryable: false };
    await db.transaction(async () => {
      await expect(db.query('SELECT 1')).rejects.toMatchObject(nested);
      await expect(db.transaction(async () => undefined)).rejects.toMatchObject(nested);
      await expect(db.session(async () => undefined)).rejects.toMatchObject(nested);
      await expect(db.listen('news', () => undefined)).rejects.toMatchObject(nested);
      await expect(db.close()).rejects.toMatchObject(nested);
    });
    await db.session(async () => {
      await Promise.resolve();
      await expect(db.query('SELECT 1')).rejects.toMatchObject(nested);
    });
    expect((await db.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('finds the second connection behind a transaction of another database [ED-1]', async () => {
    const [db, other] = [await world.connect(), await connectDatabase('sqlite::memory:')];
    await db.transaction(() =>
      other.transaction(async (tx) => {
        expect((await tx.query('SELECT 1 AS one')).rowCount).toBe(1);
        await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'NESTED_CONNECTION' });
      }),
    );
    await other.close();
  });

  test('lets what a callback left behind use the database after its end [ED-1]', async () => {
    const db = await world.connect();
    let ended: () => void = () => undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    let late: Promise<unknown> | undefined;
    await db.transaction(() => {
      late = end.then(() => db.query('SELECT 1'));
      return Promise.resolve();
    });
    ended();
    await expect(late).resolves.toMatchObject({ rowCount: 1 });
  });

  test('keeps one connection for a session, and what it left open is rolled back [DB-2]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer)');
    const answer = await db.session(async (session) => {
      await session.query('CREATE TEMPORARY TABLE mine (a integer)');
      await session.query('BEGIN');
      await session.query('INSERT INTO mine VALUES (7)');
      await session.query('COMMIT');
      await session.query('BEGIN');
      await session.query('INSERT INTO t VALUES (1)');
      return (await session.query<{ a: number }>('SELECT a FROM mine')).rows;
    });
    expect(answer).toEqual([{ a: 7 }]);
    expect(await count(db, 't')).toBe(0);
  });

  test('binds parameters by number, one of them twice, and undefined as null', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a text, b text, c text, d text)');
    await db.query('INSERT INTO t VALUES ($2, $1, $2, $3)', ['one', 'two', undefined]);
    const { rows } = await db.query('SELECT * FROM t WHERE a = $1 AND c = $1', ['two']);
    expect(rows).toEqual([{ a: 'two', b: 'one', c: 'two', d: null }]);
  });

  test.each([[[]], [['a']], [['a', 'b', 'c']]])(
    'refuses %j for a statement with two parameters',
    async (params) => {
      const db = await world.connect();
      await db.query('CREATE TABLE t (a text, b text)');
      const query = db.query('INSERT INTO t VALUES ($1, $2)', params);
      await expect(query).rejects.toMatchObject({ code: 'QUERY_FAILED' });
    },
  );

  test('gives back whole numbers exactly: safe ones as numbers, others as bigint [ED-5]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a bigint)');
    const numbers = [0, -1, 2 ** 53 - 1, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n];
    for (const n of numbers) await db.query('INSERT INTO t VALUES ($1)', [n]);
    const { rows } = await db.query<{ a: unknown }>('SELECT a FROM t');
    expect(rows.map(({ a }) => a)).toEqual(numbers);
  });

  test('gives back text, bytes, dates and fractions as they were [ED-5]', async () => {
    const db = await world.connect();
    const bytes = dialect === 'sqlite' ? 'blob' : 'bytea';
    await db.query(`CREATE TABLE t (a text, b ${bytes}, c text, d double precision)`);
    const text = 'naïve – 日本語 😀 \u{10FFFF} \u0001 "\'\\ $1 {}';
    const octets = Uint8Array.from({ length: 256 }, (_, n) => n);
    const date = new Date('2024-03-31T01:30:00.123Z');
    const insert = 'INSERT INTO t VALUES ($1, $2, $3, $4)';
    await db.query(insert, [text, octets.subarray(1), date, 0.1]);
    const { rows } = await db.query<{ b: Uint8Array }>('SELECT * FROM t');
    expect(rows[0]).toMatchObject({ a: text, c: '2024-03-31T01:30:00.123Z', d: 0.1 });
    expect(Buffer.from(rows[0]?.b ?? []).equals(octets.subarray(1))).toBe(true);
  });

  test.each([
    ['text with a NUL', 'a\0b'],
    ['half of a surrogate pair', 'a\ud800b'],
    ['NaN', Number.NaN],
    ['an invalid date', new Date(Number.NaN)],
    ['an object', { a: 1 }],
    ['a function', () => 1],
  ])('refuses %s before anything is sent [ED-5]', async (_, value) => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a text)');
    const inTime = db.transaction(async (tx) => {
      const query = tx.query('INSERT INTO t VALUES ($1)', [value]);
      await expect(query).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await tx.query('INSERT INTO t VALUES ($1)', ['fine']);
    });
    await inTime;
    expect(await count(db, 't')).toBe(1);
  });

  test('counts rows that were returned or changed, and none for what changes tables', async () => {
    const db = await world.connect();
    const rowCount = async (sql: string) => (await db.query(sql)).rowCount;
    expect(await rowCount('CREATE TABLE t (a integer)')).toBe(0);
    expect(await rowCount('INSERT INTO t VALUES (1), (2), (3)')).toBe(3);
    expect(await rowCount('CREATE TABLE u (a integer)')).toBe(0);
    expect(await rowCount('UPDATE t SET a = a + 1 WHERE a > 1')).toBe(2);
    expect(await rowCount('DELETE FROM t WHERE a = 99')).toBe(0);
    expect(await rowCount('INSERT INTO t VALUES (4) RETURNING a')).toBe(1);
    expect(await rowCount('WITH x AS (SELECT 1) DELETE FROM t')).toBe(4);
    expect(await rowCount('-- nothing\n ; ')).toBe(0);
  });

  test('runs several statements in one text all or nothing, and gives back the last', async () => {
    const db = await world.connect();
    const script = `CREATE TABLE t (a text); -- with a ;
      INSERT INTO t VALUES ('x;y'), ('z');
      SELECT a FROM t ORDER BY a DESC;
      /* the end; */`;
    expect((await db.query(script)).rows).toEqual([{ a: 'z' }, { a: 'x;y' }]);
    const broken = db.query('DELETE FROM t; INSERT INTO nowhere VALUES (1)');
    await expect(broken).rejects.toMatchObject({ code: 'QUERY_FAILED' });
    expect(await count(db, 't')).toBe(2);
    const withParams = db.query('DELETE FROM t WHERE a = $1; SELECT 1', ['z']);
    await expect(withParams).rejects.toMatchObject({ code: 'QUERY_FAILED' });
    await db.transaction(async (tx) => {
      await tx.query('DELETE FROM t; INSERT INTO t VALUES (1)');
    });
    expect(await count(db, 't')).toBe(1);
  });

  test('says what was wrong, with the cause, whatever the database calls it', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer PRIMARY KEY, b integer NOT NULL CHECK (b > 0))');
    await db.query('CREATE TABLE u (a integer REFERENCES t (a))');
    await db.query('INSERT INTO t VALUES (1, 1)');
    const code = async (sql: string) => {
      const error: unknown = await db.query(sql).catch((error: unknown) => error);
      if (!isStoreError(error)) throw error;
      expect(error.cause).toHaveProperty('message');
      return error.code;
    };
    expect(await code('INSERT INTO t VALUES (1, 1)')).toBe('CONSTRAINT_VIOLATED');
    expect(await code('INSERT INTO t VALUES (2, NULL)')).toBe('CONSTRAINT_VIOLATED');
    expect(await code('INSERT INTO t VALUES (2, 0)')).toBe('CONSTRAINT_VIOLATED');
    expect(await code('INSERT INTO u VALUES (99)')).toBe('CONSTRAINT_VIOLATED');
    expect(await code('SELECT nonsense FROM t')).toBe('QUERY_FAILED');
    expect(await code('SELEC 1')).toBe('QUERY_FAILED');
  });

  test('keeps so many statements prepared as it may, and counts hits and misses [DB-3]', async () => {
    const db = await world.connect({ preparedMax: 2, connectionsMax: 1 });
    for (const sql of ['SELECT 1', 'SELECT 2', 'SELECT 1', 'SELECT 3', 'SELECT 2']) {
      await db.query(sql);
    }
    // 1, 2, then 1 again is a hit; 3 drives out 2, which must be prepared again.
    expect(db.stats().prepared).toEqual({ hits: 1, misses: 4 });
  });

  test('prepares nothing when it should not [DB-3]', async () => {
    const db = await world.connect({ preparedMax: 0 });
    for (let n = 0; n < 3; n++) {
      expect((await db.query('SELECT $1 AS a', ['x'])).rows).toEqual([{ a: 'x' }]);
    }
    expect(db.stats().prepared.hits).toBe(0);
  });

  test('uses a kept statement after its table has got another column [DB-3]', async () => {
    const db = await world.connect({ connectionsMax: 1 });
    await db.query('CREATE TABLE t (a integer)');
    await db.query('INSERT INTO t VALUES (1)');
    const read = async () => (await db.query('SELECT * FROM t')).rows;
    expect(await read()).toEqual([{ a: 1 }]);
    await db.query('ALTER TABLE t ADD COLUMN b integer');
    expect(await read()).toEqual([{ a: 1, b: null }]);
    await db.query('ALTER TABLE t ADD COLUMN c integer');
    const inside = await db.transaction(async (tx) => (await tx.query('SELECT * FROM t')).rows);
    expect(inside).toEqual([{ a: 1, b: null, c: null }]);
  });

  test('does nothing for a call that was aborted before [DB-4]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer)');
    const aborted = { signal: AbortSignal.abort(new Error('enough')) };
    const query = db.query('INSERT INTO t VALUES (1)', [], aborted);
    await expect(query).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } });
    const work = db.transaction((tx) => tx.query('INSERT INTO t VALUES (1)'), aborted);
    await expect(work).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await count(db, 't')).toBe(0);
  });

  test('rolls back a transaction whose signal came while its callback ran [DB-4]', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer)');
    const controller = new AbortController();
    const work = db.transaction(
      async (tx) => {
        await tx.query('INSERT INTO t VALUES (1)');
        controller.abort();
      },
      { signal: controller.signal },
    );
    await expect(work).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await count(db, 't')).toBe(0);
  });

  test('waits at close for what is under way, and refuses everything after', async () => {
    const db = await world.connect();
    await db.query('CREATE TABLE t (a integer)');
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    const done: string[] = [];
    const work = db.transaction(async (tx) => {
      await gate;
      await tx.query('INSERT INTO t VALUES (1)');
      done.push('transaction');
    });
    const closed = db.close().then(() => done.push('close'));
    await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    goOn();
    await Promise.all([work, closed, db.close()]);
    expect(done).toEqual(['transaction', 'close']);
    await expect(db.transaction(async () => 1)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    expect(db.stats()).toMatchObject({ connections: 0, idle: 0, waiting: 0 });
  });

  test('refuses options that are no whole numbers', async () => {
    const url = await world.url();
    for (const options of [{ connectionsMax: 0 }, { lockTimeoutMs: 1.5 }, { retriesMax: -1 }]) {
      const connecting = connectDatabase(url, options);
      await expect(connecting).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    const db = await world.connect();
    const query = db.query('SELECT 1', [], { timeoutMs: 0 });
    await expect(query).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
