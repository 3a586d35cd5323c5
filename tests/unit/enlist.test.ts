import { beforeEach, describe, expect, test } from '@jest/globals';
import { type Database, isStoreError, openStore, type Store } from '../../src/index.ts';
import { collect } from '../fixtures/collect.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';

describe.each(DIALECTS)('a commit that is enlisted in a transaction of %s', (dialect) => {
  const databases = new Databases(dialect);
  let store: Store;
  let db: Database;

  beforeEach(async () => {
    store = await databases.open();
    db = await databases.connect();
    await db.query('CREATE TABLE orders (id text PRIMARY KEY)');
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.steps.create('r', { id: 's', name: 's' });
    databases.afterwards(async () => expect((await store.verify()).findings).toEqual([]));
  });

  async function orders(): Promise<readonly unknown[]> {
    return (await db.query<{ id: string }>('SELECT id FROM orders ORDER BY id')).rows.map(
      ({ id }) => id,
    );
  }

  test('is stored with the rows of its caller, or not at all [ST-1] [DB-1]', async () => {
    const after = store.position();
    await db.transaction(async (tx) => {
      await tx.query('INSERT INTO orders VALUES ($1)', ['first']);
      const enlisted = store.enlist(tx);
      await enlisted.steps.update('r', 's', { status: 'running' });
      expect((await store.enlist(tx).steps.get('r', 's')).status).toBe('running');
      expect((await enlisted.events.append('r', { type: 'e', idempotencyKey: 'k' })).seq).toBe(1);
    });
    expect(await orders()).toEqual(['first']);
    expect((await store.steps.get('r', 's')).status).toBe('running');
    const [commit] = await collect(limited(store, after));
    expect(commit?.changes.map(({ type }) => type)).toEqual(['step.updated', 'event.appended']);

    const broken = db.transaction(async (tx) => {
      await tx.query('INSERT INTO orders VALUES ($1)', ['second']);
      await store.enlist(tx).steps.update('r', 's', { status: 'succeeded' });
      throw new Error('the caller has thought better of it');
    });
    await expect(broken).rejects.toThrow('the caller has thought better of it');
    expect(await orders()).toEqual(['first']);
    expect((await store.steps.get('r', 's')).status).toBe('running');
  });

  test('runs the callback again when another writer has moved the run [RM-3]', async () => {
    let calls = 0;
    const elsewhere = await databases.open();
    await db.transaction(async (tx) => {
      calls++;
      // On SQLite nobody else can write while this transaction does.
      const other = dialect === 'postgres' ? elsewhere : undefined;
      const step = await store.enlist(tx).steps.get('r', 's');
      if (calls === 1) await other?.steps.update('r', 's', { progress: 0.5 });
      await store
        .enlist(tx)
        .steps.update('r', 's', { status: 'running' }, { ifVersion: step.version });
    });
    expect(calls).toBe(dialect === 'postgres' ? 2 : 1);
    expect((await store.steps.get('r', 's')).status).toBe('running');
  });

  test('refuses a write past it, which would wait for it', async () => {
    const past = db.transaction(async (tx) => {
      await store.enlist(tx).steps.update('r', 's', { status: 'running' });
      await store.steps.update('r', 's', { progress: 0.5 });
    });
    await expect(past).rejects.toMatchObject({ code: 'NESTED_TRANSACTION', id: 'r' });
    await store.steps.update('r', 's', { progress: 0.5 });
    const both = db.transaction(async (tx) => {
      await store.enlist(tx).steps.update('r', 's', { status: 'running' });
      // SQLite has one writer at a time, whatever it writes.
      await store.runs.create({ id: 'another', workflow: 'w' });
    });
    if (dialect === 'postgres') await both;
    else await expect(both).rejects.toMatchObject({ code: 'NESTED_TRANSACTION' });
    expect((await store.steps.get('r', 's')).progress).toBe(0.5);
  });

  test('gives back the event that a key has stored before [EM-1]', async () => {
    const first = await store.events.append('r', { type: 'e', idempotencyKey: 'k', payload: 1 });
    const again = await db.transaction((tx) =>
      store.enlist(tx).events.append('r', { type: 'e', idempotencyKey: 'k', payload: 1 }),
    );
    expect(again).toEqual(first);
    const other = db.transaction((tx) =>
      store.enlist(tx).events.append('r', { type: 'e', idempotencyKey: 'k', payload: 2 }),
    );
    await expect(other).rejects.toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' });
  });

  test('is refused outside of a callback, and by a store in a folder', async () => {
    let late: Parameters<Store['enlist']>[0] | undefined;
    await db.transaction(async (tx) => void (late = tx));
    expect(codeOf(() => store.enlist(late as never))).toBe('INVALID_ARGUMENT');
    await using inFolder = await openStore('memory:');
    expect(codeOf(() => inFolder.enlist(db))).toBe('UNSUPPORTED');
  });
});

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return 'none';
}

/** The commits that are stored by now. */
async function* limited(store: Store, after: string) {
  const end = store.position();
  for await (const commit of store.watch({ after })) {
    yield commit;
    if (commit.position === end) return;
  }
}
