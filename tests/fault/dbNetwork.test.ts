import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, type Database, type DatabaseOptions } from '../../src/index.ts';
import { ManualClock } from '../../src/testkit/manualClock.ts';
import { type ProxyMode, TcpProxy } from '../../src/testkit/tcpProxy.ts';
import { backends, databaseWorld, failure, running, until } from '../unit/dbWorld.ts';

// ED-4: what lies between a program and its PostgreSQL breaks. One database is reached by way of the
// proxy, another past it, to look.

const world = databaseWorld('postgres');
let proxy: TcpProxy;
let direct: Database;
let open: Database[];

beforeEach(async () => {
  direct = await world.connect();
  await direct.query('CREATE TABLE t (a int PRIMARY KEY)');
  const { hostname: host, port } = new URL(await world.url());
  proxy = await TcpProxy.start({ target: { host, port: Number(port) } });
  open = [];
});
afterEach(async () => {
  // What is still under way ends at once.
  await proxy.close();
  for (const db of open) await db.close();
});

async function connect(options: DatabaseOptions = {}): Promise<Database> {
  const db = await connectDatabase(proxy.url(await world.url()), options);
  open.push(db);
  return db;
}

const rows = async (): Promise<unknown[]> => {
  const result = await direct.query<{ a: number }>('SELECT a FROM t ORDER BY a');
  return result.rows.map(({ a }) => a);
};

/** Lets the network go on; nothing is waited for that does not come. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Moves the clock until `work` has ended, and returns with how, and when. */
async function ended(
  clock: ManualClock,
  work: Promise<unknown>,
): Promise<{ readonly error: unknown; readonly afterMs: number }> {
  const start = clock.ms;
  let error: unknown;
  let isOver = false;
  void failure(work).then((reason) => {
    isOver = true;
    error = reason;
    return undefined;
  });
  while (!isOver) {
    clock.advance(100);
    // A round trip: whatever the server or the proxy has to say has the time to arrive.
    await direct.query('SELECT 1');
    await turn();
  }
  return { error, afterMs: clock.ms - start };
}

describe.each<[string, ProxyMode]>([
  ['is dropped both ways', 'drop'],
  ['is dropped on its way to the server', 'dropToServer'],
  ['is dropped on its way back', 'dropToClient'],
  ['is held up', 'pause'],
  ['is later than the deadline', { delayMs: 3_600_000 }],
])('when everything %s', (_, mode) => {
  test('a read ends with a time-out within its deadline, and the pool heals [ED-4]', async () => {
    const clock = new ManualClock();
    const db = await connect({ clock, connectionsMax: 3 });
    await Promise.all([1, 2, 3].map(() => db.query('SELECT pg_sleep(0.01)::text')));
    await proxy.set(mode);
    const { error, afterMs } = await ended(clock, db.query('SELECT 1', [], { timeoutMs: 2_000 }));
    expect(error).toMatchObject({ code: 'QUERY_TIMEOUT', retryable: true });
    // The deadline, and what the server may take to answer that the statement is cancelled.
    expect(afterMs).toBeLessThanOrEqual(2_000 + 1_000 + 200);
    await proxy.set('pass');
    // Every connection of the pool was cut, and none of them costs another deadline.
    const healed = await Promise.all([1, 2, 3].map(() => db.query('SELECT 1 AS one')));
    expect(healed.map(({ rowCount }) => rowCount)).toEqual([1, 1, 1]);
  });

  test('a write without a deadline of its own ends too, and says that it may hold [ED-4]', async () => {
    const clock = new ManualClock();
    const db = await connect({ clock, statementTimeoutMs: 3_000 });
    await proxy.set(mode);
    const { error, afterMs } = await ended(clock, db.query('INSERT INTO t VALUES (1)'));
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false });
    expect(afterMs).toBeLessThanOrEqual(3_000 + 500 + 1_000 + 200);
  });

  test('a transaction ends, and nothing of it is stored [ED-4]', async () => {
    const clock = new ManualClock();
    const db = await connect({ clock });
    const isCut = Promise.withResolvers<void>();
    const work = db.transaction(
      async (tx) => {
        await tx.query('INSERT INTO t VALUES (1)');
        await proxy.set(mode);
        isCut.resolve();
        await tx.query('INSERT INTO t VALUES (2)');
      },
      { timeoutMs: 2_000 },
    );
    await isCut.promise;
    const { error } = await ended(clock, work);
    expect(error).toMatchObject({ code: 'QUERY_TIMEOUT' });
    await proxy.set('reset');
    await until(async () => (await backends(direct, 'INSERT%')).length === 0);
    expect(await rows()).toEqual([]);
  });

  test('connecting ends with an error in time [ED-4]', async () => {
    const clock = new ManualClock();
    await proxy.set(mode);
    const { error, afterMs } = await ended(clock, connect({ clock, acquireTimeoutMs: 1_000 }));
    expect(error).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    expect(afterMs).toBeLessThanOrEqual(1_000 + 200);
    expect(String(error)).not.toContain(new URL(await world.url()).password);
  });
});

describe('when connections are reset', () => {
  test('what runs fails at once, and the next call connects again [ED-4]', async () => {
    const db = await connect();
    const slow = failure(db.query('SELECT pg_sleep(60)'));
    const change = failure(db.query('INSERT INTO t SELECT 1 FROM pg_sleep(60)'));
    const inside = failure(db.transaction((tx) => tx.query('SELECT pg_sleep(60)')));
    // As of a function that writes.
    const called = failure(db.query('SELECT pg_sleep(60)', [], { readOnly: false }));
    await running(direct, '%pg_sleep(60)%', 4);
    await proxy.set('reset');
    expect(await slow).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    expect(await change).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false });
    expect(await inside).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    expect(await called).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false });
    expect(await failure(db.query('SELECT 1'))).toMatchObject({ code: 'STORAGE_FAILED' });
    await proxy.set('pass');
    expect((await db.query('SELECT 1')).rowCount).toBe(1);
  });

  test('nothing answers there: calls fail at once until somebody does [ED-4]', async () => {
    const db = await connect();
    await proxy.set('reset');
    await proxy.set('refuse');
    await until(async () => {
      await turn();
      return db.stats().connections === 0;
    });
    expect(await failure(db.query('SELECT 1'))).toMatchObject({ code: 'STORAGE_FAILED' });
    await proxy.set('pass');
    expect((await db.query('SELECT 1')).rowCount).toBe(1);
  });
});

describe('a commit', () => {
  /** With the end of the text: `READ COMMITTED` is none. */
  const isCommit = (piece: Buffer) => piece.includes('COMMIT\0');

  test('that is cut before it reached the server is in doubt, and not tried again [ED-4]', async () => {
    const db = await connect();
    let tries = 0;
    void proxy.cut({ direction: 'toServer', at: isCommit });
    const work = db.transaction(async (tx) => {
      tries += 1;
      await tx.query('INSERT INTO t VALUES (1)');
    });
    expect(await failure(work)).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false });
    expect(tries).toBe(1);
    expect(await rows()).toEqual([]);
  });

  test('that reached the server and was not answered is in doubt: here it holds [ED-4]', async () => {
    const db = await connect();
    let tries = 0;
    void proxy.cut({ direction: 'toServer', at: isCommit, isDelivered: true });
    const work = db.transaction(async (tx) => {
      tries += 1;
      await tx.query('INSERT INTO t VALUES (1)');
    });
    expect(await failure(work)).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false });
    expect(tries).toBe(1);
    await until(async () => (await rows()).length === 1);
  });

  test('of a transaction that only read is no commit to be in doubt about [ED-4]', async () => {
    const db = await connect();
    void proxy.cut({ direction: 'toServer', at: isCommit });
    const work = db.transaction((tx) => tx.query('SELECT 1'), { readOnly: true });
    expect(await failure(work)).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
  });

  test('in a session, by its own words, is in doubt too [ED-4]', async () => {
    const db = await connect();
    void proxy.cut({ direction: 'toServer', at: isCommit });
    const work = db.session(async (session) => {
      await session.query('BEGIN');
      await session.query('INSERT INTO t VALUES (1)');
      await session.query('COMMIT');
    });
    expect(await failure(work)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });

  test('whose answer is late is waited for, and cut off at the end without a word [ED-4]', async () => {
    const clock = new ManualClock();
    const db = await connect({ clock, statementTimeoutMs: 2_000 });
    const returned = Promise.withResolvers<void>();
    const work = db.transaction(async (tx) => {
      await tx.query('INSERT INTO t VALUES (1)');
      await proxy.set('dropToClient');
      returned.resolve();
    });
    await returned.promise;
    const { error, afterMs } = await ended(clock, work);
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(afterMs).toBeLessThanOrEqual(2_000 + 500 + 1_000 + 200);
    // The server has heard of it, and takes the time that it takes.
    await until(async () => (await rows()).length === 1);
  });
});

describe('a backend that is ended by the server', () => {
  const end = (pid: unknown) => direct.query('SELECT pg_terminate_backend($1)', [pid]);
  const self = 'SELECT pg_backend_pid() AS pid';

  test('between two statements fails the transaction before its commit is sent [ED-4] [DB-1]', async () => {
    const db = await connect();
    const work = db.transaction(async (tx) => {
      await tx.query('INSERT INTO t VALUES (1)');
      await end((await tx.query(self)).rows[0]?.['pid']);
      await until(async () => (await failure(tx.query('SELECT 1'))) !== undefined);
    });
    expect(await failure(work)).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    expect(await rows()).toEqual([]);
    expect((await db.query('SELECT 1')).rowCount).toBe(1);
  });

  test('does not end this process while a callback does something else [DB-2]', async () => {
    const db = await connect();
    const work = db.transaction(async (tx) => {
      await tx.query('INSERT INTO t VALUES (1)');
      await end((await tx.query(self)).rows[0]?.['pid']);
      // Both ends of it are closed: this one has read what the server said last.
      await until(async () => {
        await turn();
        return proxy.connections === 0;
      });
    });
    expect(await failure(work)).toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await rows()).toEqual([]);
  });

  test('in the middle of a statement fails it, and what it changed is in doubt [ED-4]', async () => {
    const db = await connect();
    const work = failure(db.query('INSERT INTO t SELECT 1 FROM pg_sleep(60)'));
    await running(direct, 'INSERT INTO t SELECT%');
    for (const pid of await backends(direct, 'INSERT INTO t SELECT%')) await end(pid);
    expect(await work).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await rows()).toEqual([]);
  });
});

describe('closing', () => {
  test('cuts off what does not end by itself, after so long [ED-4]', async () => {
    const clock = new ManualClock();
    const db = await connect({ clock });
    const work = failure(db.transaction((tx) => tx.query('SELECT pg_sleep(60)')));
    await running(direct, '%pg_sleep(60)%');
    const { error, afterMs } = await ended(clock, db.close());
    expect(error).toBeUndefined();
    expect(afterMs).toBeLessThanOrEqual(10_000 + 1_000 + 300);
    expect(await work).toMatchObject({ code: 'STORE_CLOSED' });
  });
});
