import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, type Database, openStore, type Store } from '../../src/index.ts';
import { failure } from './dbWorld.ts';

let folder: string;
let open: (() => unknown)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-nested-'));
  open = [];
});
afterEach(async () => {
  for (const close of open) await close();
  await rm(folder, { recursive: true, force: true });
});

const file = (name = 'data.db') => join(folder, name);

/** Who waited would be told after this. */
const lockTimeoutMs = 1_000;

async function connect(name?: string): Promise<Database> {
  const db = await connectDatabase(`sqlite:${file(name)}`, { lockTimeoutMs });
  open.unshift(() => db.close());
  return db;
}

async function store(): Promise<Store> {
  const store = await openStore(`sqlite:${file()}`, { database: { lockTimeoutMs } });
  open.unshift(() => store.close());
  await store.runs.create({ id: 'r', workflow: 'w' });
  return store;
}

const write = 'INSERT INTO t VALUES (1)';

describe('a write that would wait for the transaction that it is called in', () => {
  test('of another database on the same file is refused at once, with what to do [DB-5]', async () => {
    const [first, second] = [await connect(), await connect()];
    await first.query('CREATE TABLE t (a integer)');
    for (const nested of [
      () => second.query(write),
      () => second.transaction((tx) => tx.query(write)),
    ]) {
      const error = await failure(first.transaction(nested));
      expect(error).toMatchObject({ code: 'NESTED_CONNECTION', retryable: false });
      expect(String(error)).toContain('use its `tx`, and `store.enlist(tx)`');
    }
    await second.query(write);
    expect((await first.query('SELECT a FROM t')).rowCount).toBe(1);
  });

  test('is known by the file, however it is named [DB-5]', async () => {
    const first = await connect();
    await first.query('CREATE TABLE t (a integer)');
    await symlink(file(), file('link.db'));
    const linked = await connect('link.db');
    const own = new DatabaseSync(file());
    open.push(() => own.close());
    const adopted = await connectDatabase(own, { lockTimeoutMs });
    open.unshift(() => adopted.close());
    for (const [outer, inner] of [
      [first, linked],
      [adopted, first],
    ] as const) {
      const nested = failure(outer.transaction(() => inner.query(write)));
      expect(await nested).toMatchObject({ code: 'NESTED_CONNECTION' });
    }
  });

  test('of a store in the same file is refused at once, and enlisted it goes through [DB-5]', async () => {
    const [runs, db] = [await store(), await connect()];
    const update = { metadata: { n: 1 } };
    const writes: readonly (() => Promise<unknown>)[] = [
      () => runs.runs.update('r', update),
      () => runs.transaction('r', (tx) => tx.runs.update('r', update)),
      () => runs.runs.delete('r'),
    ];
    for (const nested of writes) {
      const error = await failure(db.transaction(nested));
      expect(error).toMatchObject({ code: 'NESTED_TRANSACTION', id: 'r', retryable: false });
      expect(String(error)).toContain('store.enlist(tx)');
    }
    await db.transaction((tx) => runs.enlist(tx).runs.update('r', update));
    expect((await runs.runs.get('r')).metadata).toEqual({ n: 1 });
  });

  test('is no concern of who writes at the same time, and waits for its turn [DB-5]', async () => {
    const [runs, db] = [await store(), await connect()];
    let others: Promise<unknown> = Promise.resolve();
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const innocent = begun.then(() => (others = runs.runs.create({ id: 'other', workflow: 'w' })));
    await db.transaction(async () => {
      begin();
      const nested = await failure(runs.runs.update('r', { metadata: { n: 1 } }));
      expect(nested).toMatchObject({ code: 'NESTED_TRANSACTION' });
    });
    await innocent;
    await others;
    expect((await runs.runs.get('other')).version).toBe(1);
  });

  test('is none: a read, one in a transaction that only reads, and one of another file [DB-5]', async () => {
    const [runs, db, elsewhere] = [await store(), await connect(), await connect('other.db')];
    await elsewhere.query('CREATE TABLE t (a integer)');
    await db.transaction(async () => {
      expect((await runs.runs.get('r')).id).toBe('r');
      await elsewhere.query(write);
    });
    await db.transaction(() => runs.runs.update('r', { metadata: { n: 2 } }), { readOnly: true });
    expect((await runs.runs.get('r')).metadata).toEqual({ n: 2 });
  });
});

test('a lock that is held for too long says whose it may be, and what to do [ED-2]', async () => {
  const db = await connectDatabase(`sqlite:${file()}`, { lockTimeoutMs: 20 });
  open.unshift(() => db.close());
  await db.query('CREATE TABLE t (a integer)');
  const other = new DatabaseSync(file());
  open.unshift(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  const error = await failure(db.query(write));
  expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', retryable: true });
  expect(String(error)).toMatch(/the lock of .*data\.db for 20 ms and more; .*store\.enlist\(tx\)/);
});
