import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  connectDatabase,
  type Database,
  openStore,
  type Queryable,
  type Store,
} from '../../src/index.ts';
import { PARTITION_COMMITS } from '../../src/lib/migrations.ts';
import { BlobTable } from '../../src/lib/store/DatabaseStore/blobs.ts';
import {
  type LogSpace,
  PartitionSpace,
  TableSpace,
} from '../../src/lib/store/DatabaseStore/logSpace.ts';
import { Trimmer } from '../../src/lib/store/DatabaseStore/trimmer.ts';
import { sharedPostgres, type TestDatabase } from '../services/postgres.ts';
import { makeBigStore, ROWS } from './databasePlans/bigStore.ts';
import { postgresFaults } from './databasePlans/postgresPlan.ts';
import { type Question, QUESTIONS, RETAGGING } from './databasePlans/questions.ts';
import { sqliteFaults } from './databasePlans/sqlitePlan.ts';
import {
  type Bounds,
  type FaultsOf,
  type SentStatement,
  statementsOf,
} from './databasePlans/statement.ts';

const FILL_TIMEOUT_MS = 120_000;

interface Big {
  readonly url: string;
  /** Where its log begins. */
  readonly start: string;
  readonly store: Store;
  readonly db: Database;
}

/** A store of 100,000 runs whose tables have been analysed; it ends with its tests. */
function bigStore(place: () => Promise<string>, end: () => Promise<void>): () => Big {
  let big: Big | undefined;
  beforeAll(async () => {
    const url = await place();
    const start = await makeBigStore(url);
    const db = await connectDatabase(url);
    await db.query('ANALYZE');
    big = { url, start, db, store: await openStore(url) };
  }, FILL_TIMEOUT_MS);
  afterAll(async () => {
    await big?.store.close();
    await big?.db.close();
    await end();
  });
  return () => big as Big;
}

class TakenBack extends Error {}

/** Runs `work` in a transaction that leaves nothing behind. */
async function tryOut<T>(db: Database, work: (tx: Queryable) => Promise<T>): Promise<T> {
  let result: { readonly value: T } | undefined;
  const done = db.transaction(async (tx) => {
    result = { value: await work(tx) };
    throw new TakenBack();
  });
  await done.catch((error: unknown) => {
    if (!(error instanceof TakenBack)) throw error;
  });
  return (result as { readonly value: T }).value;
}

/** What the store sends to answer. */
async function statementsFor({ store, start }: Big, question: Question) {
  const statements = await statementsOf(() => question.ask(store, start), question.isWrite);
  expect(statements).not.toEqual([]);
  return statements;
}

async function allFaults(
  tx: Queryable,
  statements: readonly SentStatement[],
  { faultsOf, bounds }: { readonly faultsOf: FaultsOf; readonly bounds: Bounds },
): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const statement of statements) faults.push(...(await faultsOf(tx, statement, bounds)));
  return faults;
}

/** Answers after every index that a question names was dropped: each of them must be missed. */
async function missedWithout(big: Big, faultsOf: FaultsOf): Promise<Map<string, boolean>> {
  const missed = new Map<string, boolean>();
  for (const bounds of QUESTIONS) {
    const { index } = bounds;
    if (index === undefined || missed.get(index) === true) continue;
    const statements = await statementsFor(big, bounds);
    const faults = await tryOut(big.db, async (tx) => {
      await tx.query(`DROP INDEX ${index}`);
      return allFaults(tx, statements, { faultsOf, bounds });
    });
    missed.set(index, faults.length > 0);
  }
  return missed;
}

describe('with 100,000 runs in SQLite [DB-9]', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-plans-'));
  const big = bigStore(
    async () => `sqlite:${join(folder, 'data.db')}`,
    async () => rmSync(folder, { recursive: true }),
  );
  const small = join(folder, 'small.db');
  let unanalysed: Database;

  // Nobody analyses a SQLite file by itself. Without statistics its plans know nothing of sizes.
  beforeAll(async () => {
    await (await openStore(`sqlite:${small}`)).close();
    unanalysed = await connectDatabase(`sqlite:${small}`);
  });
  afterAll(() => unanalysed.close());

  test.each(QUESTIONS)('$name reads its page by an index', async (question) => {
    const statements = await statementsFor(big(), question);
    for (const db of [big().db, unanalysed]) {
      const task = { faultsOf: sqliteFaults, bounds: question };
      expect(await allFaults(db, statements, task)).toEqual([]);
    }
  });

  test('the log is trimmed by its key', async () => {
    await using store = await openStore(`sqlite:${small}`);
    await store.runs.create({ workflow: 'w' });
    const trimmer = trimmerOf(unanalysed, new TableSpace(unanalysed));
    const statements = await statementsOf(() => trimmer.trim());
    expect(statements.map(({ sql }) => sql)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^DELETE FROM holdfast_changes/)]),
    );
    const task = { faultsOf: sqliteFaults, bounds: { rowsMax: 0, walk: 'holdfast_changes' } };
    for (const db of [big().db, unanalysed]) {
      expect(await allFaults(db, statements, task)).toEqual([]);
    }
  });

  test('what lacks its index is found', async () => {
    const { db } = big();
    const missed = await missedWithout(big(), sqliteFaults);
    const sql = `SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL
      AND tbl_name = 'holdfast_runs' ORDER BY name`;
    const { rows } = await db.query<{ name: string }>(sql);
    expect(Object.fromEntries(missed)).toEqual(
      Object.fromEntries(rows.map(({ name }) => [name, true])),
    );
    const statement = { sql: 'SELECT data FROM holdfast_runs WHERE head = $1', params: [1] };
    expect(await sqliteFaults(db, statement, { rowsMax: 1 })).toHaveLength(1);
  });
});

describe('with 100,000 runs in PostgreSQL [DB-9]', () => {
  let database: TestDatabase;
  const big = bigStore(
    async () => (database = await (await sharedPostgres()).createDatabase()).url,
    () => database.drop(),
  );

  test.each(QUESTIONS)('$name reads no more than its page', async (question) => {
    const statements = await statementsFor(big(), question);
    const task = { faultsOf: postgresFaults, bounds: question };
    expect(await tryOut(big().db, (tx) => allFaults(tx, statements, task))).toEqual([]);
  });

  test('the log is trimmed by its partitions', async () => {
    const trimmed = 1_000;
    const statements = await statementsOfTrimming();
    expect(statements.map(({ sql }) => sql)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^DELETE FROM holdfast_deleted_events/)]),
    );
    const tried = statements.map(({ sql, params }) => ({ sql, params: params.map(() => trimmed) }));
    const task = { faultsOf: postgresFaults, bounds: { rowsMax: trimmed } };
    expect(await tryOut(big().db, (tx) => allFaults(tx, tried, task))).toEqual([]);
  });

  test('what lacks its index is found', async () => {
    const { db } = big();
    const missed = await missedWithout(big(), postgresFaults);
    const sql = `SELECT indexname AS name FROM pg_indexes WHERE tablename = 'holdfast_runs'
      AND indexname LIKE '%\\_by\\_%' ORDER BY name`;
    const { rows } = await db.query<{ name: string }>(sql);
    expect(Object.fromEntries(missed)).toEqual(
      Object.fromEntries(rows.map(({ name }) => [name, true])),
    );
    const statement = { sql: 'SELECT data FROM holdfast_runs WHERE head = $1', params: [1] };
    const faults = await tryOut(db, (tx) => postgresFaults(tx, statement, { rowsMax: ROWS }));
    expect(faults[0]).toMatch(/^all of holdfast_runs/);
  });

  test('a commit that lacks its index is found', async () => {
    const statements = await statementsFor(big(), RETAGGING);
    const faults = await tryOut(big().db, async (tx) => {
      await tx.query('DROP INDEX holdfast_run_tags_by_run');
      return allFaults(tx, statements, { faultsOf: postgresFaults, bounds: RETAGGING });
    });
    expect(faults).toEqual([expect.stringMatching(/pages: SELECT holdfast_commit/)]);
  });
});

/** Removes all that nobody needs any more, and what uploads have left behind. */
function trimmerOf(db: Database, space: LogSpace): Trimmer {
  return new Trimmer({ db, space, bytesKeep: 0, blobs: new BlobTable(db, () => Date.now()) });
}

/** In a database of its own, whose first partition goes. */
async function statementsOfTrimming(): Promise<readonly SentStatement[]> {
  const database = await (await sharedPostgres()).createDatabase();
  const { url } = database;
  try {
    await using store = await openStore(url, { migrate: 'auto' });
    await using db = await connectDatabase(url);
    await db.query('UPDATE holdfast_log_head SET position = $1', [PARTITION_COMMITS]);
    await db.query('SELECT holdfast_extend_log($1)', [PARTITION_COMMITS]);
    await store.runs.create({ workflow: 'w' });
    const trimmer = trimmerOf(db, new PartitionSpace(db, PARTITION_COMMITS));
    return await statementsOf(() => trimmer.trim());
  } finally {
    await database.drop();
  }
}
