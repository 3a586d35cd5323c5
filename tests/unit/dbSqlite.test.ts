import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, type Database, type DatabaseOptions } from '../../src/index.ts';
import { countConnection, isSound } from '../../src/lib/db/sqlite/version.ts';
import { ManualClock } from '../../src/testkit/manualClock.ts';
import { failure } from './dbWorld.ts';

let folder: string;
let open: (() => unknown)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-db-'));
  open = [];
});
afterEach(async () => {
  for (const close of open) await close();
  await rm(folder, { recursive: true, force: true });
});

const file = () => join(folder, 'data.db');

async function connect(options: DatabaseOptions = {}): Promise<Database> {
  const db = await connectDatabase(`sqlite:${file()}`, options);
  open.unshift(() => db.close());
  return db;
}

/** Another program that has the file open. */
function stranger(): DatabaseSync {
  const database = new DatabaseSync(file(), { timeout: 0 });
  open.unshift(() => database.isOpen && database.close());
  return database;
}

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

/** Lets everything go on that waits for nothing but its turn. */
const turns = () => new Promise((resolve) => setImmediate(resolve));

/** Moves the clock until `isSo`: each pause is short, and none is longer than that. */
async function advanceUntil(clock: ManualClock, isSo: () => boolean): Promise<number> {
  const start = clock.ms;
  while (!isSo()) {
    clock.advance(10);
    await turns();
  }
  return clock.ms - start;
}

describe('a SQLite file', () => {
  test('is opened with a log that is synced at every commit, and foreign keys', async () => {
    const db = await connect();
    const pragma = async (name: string) =>
      Object.values((await db.query(`PRAGMA ${name}`)).rows[0] ?? {});
    expect(await pragma('journal_mode')).toEqual(['wal']);
    expect(await pragma('synchronous')).toEqual([2]);
    expect(await pragma('foreign_keys')).toEqual([1]);
    expect(await pragma('busy_timeout')).toEqual([0]);
  });

  test('is made for its owner alone, and so are its log and what belongs to that', async () => {
    const db = await connect();
    await db.query('CREATE TABLE t (a integer)');
    const names = await readdir(folder);
    expect(names.toSorted()).toEqual(['data.db', 'data.db-shm', 'data.db-wal']);
    for (const name of names) expect(await modeOf(join(folder, name))).toBe(0o600);
  });

  test('keeps the mode that somebody has given it', async () => {
    await (await connect()).close();
    await chmod(file(), 0o640);
    const db = await connect();
    await db.query('CREATE TABLE t (a integer)');
    expect(await modeOf(file())).toBe(0o640);
    expect(await modeOf(`${file()}-wal`)).toBe(0o640);
  });

  test('is named from this folder, from the root, or by a URL with three slashes', async () => {
    for (const url of [`sqlite:${file()}`, `sqlite://${file()}`]) {
      const db = await connectDatabase(url);
      expect(db.location).toBe(`sqlite:${file()}`);
      await db.close();
    }
    const memory = await connectDatabase('sqlite::memory:');
    expect(memory.location).toBe('sqlite::memory:');
    await memory.close();
  });

  test('cannot be opened where there is no folder, or something else', async () => {
    const missing = connectDatabase(`sqlite:${join(folder, 'no', 'data.db')}`);
    await expect(missing).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await writeFile(file(), 'this is a letter to my aunt, not a database'.repeat(30));
    await expect(connect()).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  test('says when there is no room for more', async () => {
    const db = await connect();
    await db.query('CREATE TABLE t (a blob)');
    await db.query('PRAGMA max_page_count = 8');
    const insert = db.query('INSERT INTO t VALUES (zeroblob(100000))');
    await expect(insert).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    const work = db.transaction((tx) => tx.query('INSERT INTO t VALUES (zeroblob(100000))'));
    await expect(work).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    expect((await db.query('SELECT * FROM t')).rowCount).toBe(0);
  });

  test('cannot notify anybody', async () => {
    const db = await connect();
    const listening = db.listen('news', () => undefined);
    await expect(listening).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('serves its callers one after another, in the order in which they came [DB-2]', async () => {
    const db = await connect({ waitingMax: 2 });
    const order: number[] = [];
    const run = (n: number) =>
      db.transaction(async (tx) => {
        await tx.query('SELECT 1');
        expect(db.stats()).toMatchObject({ connections: 1, idle: 0, waiting: 3 - n });
        await turns();
        order.push(n);
      });
    const work = [run(1), run(2), run(3)];
    await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'POOL_EXHAUSTED' });
    await Promise.all(work);
    expect(order).toEqual([1, 2, 3]);
    expect(db.stats()).toMatchObject({ connections: 1, idle: 1, waiting: 0 });
  });
});

describe('the lock of another connection', () => {
  test('is waited for without holding up anything else, and then the work is done [DB-5]', async () => {
    const clock = new ManualClock();
    const db = await connect({ clock });
    await db.query('CREATE TABLE t (a integer)');
    const other = stranger();
    for (const write of [
      () => db.query('INSERT INTO t VALUES (1)'),
      () => db.transaction((tx) => tx.query('INSERT INTO t VALUES (2)')),
      () => db.query('INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)'),
    ]) {
      other.exec('BEGIN IMMEDIATE');
      let isDone = false;
      const work = write().then(() => (isDone = true));
      for (let n = 0; n < 20; n++) {
        clock.advance(10);
        await turns();
      }
      expect(isDone).toBe(false);
      other.exec('COMMIT');
      await advanceUntil(clock, () => isDone);
      await work;
    }
    expect((await db.query('SELECT a FROM t')).rows).toEqual([1, 2, 3, 4].map((a) => ({ a })));
  });

  test('is asked for within 8 ms, by who has waited long too: the next may be faster [DB-5]', async () => {
    const clock = new ManualClock();
    // The longest of all pauses that can be drawn.
    const random = { bytes: (count: number) => Buffer.alloc(count, 0xff) };
    const db = await connect({ clock, random });
    await db.query('CREATE TABLE t (a integer)');
    const other = stranger();
    other.exec('BEGIN IMMEDIATE');
    let isDone = false;
    const work = db.query('INSERT INTO t VALUES (1)').then(() => (isDone = true));
    for (let ms = 0; ms < 3_000; ms += 10) {
      clock.advance(10);
      await turns();
    }
    other.exec('COMMIT');
    const waitedMs = await advanceUntil(clock, () => isDone);
    expect(waitedMs).toBeLessThanOrEqual(10);
    await work;
  });

  test('is waited for no longer than allowed [DB-5] [ED-2]', async () => {
    const clock = new ManualClock();
    const db = await connect({ clock, lockTimeoutMs: 1_000 });
    await db.query('CREATE TABLE t (a integer)');
    const other = stranger();
    other.exec('BEGIN IMMEDIATE');
    let error: unknown;
    const work = failure(db.transaction((tx) => tx.query('INSERT INTO t VALUES (1)')));
    void work.then((reason) => (error = reason));
    const waitedMs = await advanceUntil(clock, () => error !== undefined);
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', retryable: true, cause: { errcode: 5 } });
    expect(waitedMs).toBeGreaterThanOrEqual(1_000);
    expect(waitedMs).toBeLessThan(1_050);
    other.exec('ROLLBACK');
    await db.query('INSERT INTO t VALUES (1)');
  });

  test('is not waited for by who was told to stop [DB-4]', async () => {
    const clock = new ManualClock();
    const db = await connect({ clock });
    await db.query('CREATE TABLE t (a integer)');
    const other = stranger();
    other.exec('BEGIN IMMEDIATE');
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = failure(db.query('INSERT INTO t VALUES (1)', [], { signal }));
    await turns();
    controller.abort();
    expect(await aborted).toMatchObject({ code: 'ABORTED' });
    const late = failure(db.query('INSERT INTO t VALUES (1)', [], { timeoutMs: 50 }));
    await turns();
    clock.advance(50);
    expect(await late).toMatchObject({ code: 'QUERY_TIMEOUT' });
  });

  test('makes a transaction begin anew that has read what was changed since [DB-5]', async () => {
    const db = await connect();
    await db.query('CREATE TABLE t (a integer)');
    const other = stranger();
    const stale = db.session(async (session) => {
      await session.query('BEGIN');
      await session.query('SELECT * FROM t');
      other.exec('INSERT INTO t VALUES (1)');
      await session.query('INSERT INTO t VALUES (2)');
    });
    await expect(stale).rejects.toMatchObject({ code: 'SERIALIZATION_FAILED', retryable: true });
    expect((await db.query('SELECT a FROM t')).rows).toEqual([{ a: 1 }]);
  });

  test('keeps the process alive while somebody waits for it [DB-5]', async () => {
    const db = await connect();
    await db.query('CREATE TABLE t (a integer)');
    const other = stranger();
    other.exec('BEGIN IMMEDIATE');
    const work = db.query('INSERT INTO t VALUES (1)');
    await turns();
    expect(process.getActiveResourcesInfo()).toContain('Timeout');
    other.exec('COMMIT');
    await work;
  });
});

describe('a DatabaseSync of somebody else', () => {
  test('is used as it is, and left open as it was', async () => {
    const own = new DatabaseSync(file(), { timeout: 1_234 });
    open.unshift(() => own.close());
    const warnings: string[] = [];
    own.exec('PRAGMA synchronous = NORMAL');
    const db = await connectDatabase(own, { onWarning: (text) => warnings.push(text) });
    expect(db.location).toBe(`sqlite:${own.location() ?? ''}`);
    expect(warnings).toEqual([expect.stringContaining('synchronous')]);
    await db.query('CREATE TABLE t (a integer)');
    await db.close();
    expect(own.isOpen).toBe(true);
    expect(own.prepare('PRAGMA busy_timeout').get()).toEqual({ timeout: 1_234 });
    expect(own.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: 0 });
  });

  test('that its owner closes is closed here too', async () => {
    const own = new DatabaseSync(':memory:');
    const db = await connectDatabase(own);
    own.close();
    await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await db.close();
    await expect(connectDatabase(own)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });
});

describe('a disk that fails in a commit', () => {
  const IOERR_FSYNC = 1034;

  /** Fails in the middle of `sql`, as SQLite does. */
  function failing(database: DatabaseSync, sql: string, errcode: number): DatabaseSync {
    const fail = (asked: string) => {
      if (asked === sql) throw Object.assign(new Error('disk I/O error'), { errcode });
      return database.exec(asked);
    };
    return new Proxy(database, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name === 'exec') return fail;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  test('leaves its outcome unknown, and the database as it was before', async () => {
    const own = new DatabaseSync(':memory:');
    open.unshift(() => own.close());
    own.exec('CREATE TABLE t (a integer)');
    const db = await connectDatabase(failing(own, 'COMMIT', IOERR_FSYNC));
    const work = db.transaction((tx) => tx.query('INSERT INTO t VALUES (1)'));
    await expect(work).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false });
    expect((await db.query('SELECT * FROM t')).rowCount).toBe(0);
    await db.close();
  });

  test('is closed when it cannot roll back either: that undoes the transaction', async () => {
    const own = new DatabaseSync(':memory:');
    const db = await connectDatabase(failing(own, 'ROLLBACK', IOERR_FSYNC));
    const thrown = new Error('not today');
    const work = db.transaction(() => Promise.reject(thrown));
    expect(await failure(work)).toBe(thrown);
    expect(own.isOpen).toBe(false);
    await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await db.close();
  });
});

describe('a SQLite that has the WAL-reset fault', () => {
  test.each([
    ['3.51.3', true],
    ['3.53.0', true],
    ['4.0', true],
    ['3.51.2', false],
    ['3.50.4', false],
    ['2.99.99', false],
  ])('%s: sound is %p', (version, isExpected) => {
    expect(isSound(version)).toBe(isExpected);
  });

  test('is warned about, and refused for a second connection to the same file', () => {
    const warnings: string[] = [];
    const warn = (message: string): void => void warnings.push(message);
    const forget = countConnection(file(), '3.50.0', warn);
    expect(warnings).toEqual([expect.stringContaining('let no other process open')]);
    expect(() => countConnection(file(), '3.50.0', warn)).toThrow('Node.js with SQLite 3.51.3');
    forget();
    countConnection(file(), '3.50.0', warn)();
    expect(warnings).toHaveLength(2);
  });

  test('is no matter when it is sound', () => {
    const warnings: string[] = [];
    const warn = (message: string): void => void warnings.push(message);
    const first = countConnection(file(), '3.51.3', warn);
    const second = countConnection(file(), '3.51.3', warn);
    first();
    second();
    expect(warnings).toEqual([]);
  });
});
