import { afterEach, beforeAll } from '@jest/globals';
import { connectDatabase, type Database, type DatabaseOptions } from '../../src/index.ts';
import { type SharedPostgres, sharedPostgres } from '../services/postgres.ts';

export const DIALECTS = ['sqlite', 'postgres'] as const;

export interface World {
  /** Connects to an empty database, the same one within a test. */
  connect(options?: DatabaseOptions): Promise<Database>;
  /** Empty for SQLite, whose databases here are in memory. */
  url(): Promise<string>;
}

/** Databases of one kind; closed and dropped after each test. */
export function databaseWorld(dialect: (typeof DIALECTS)[number]): World {
  const open: Database[] = [];
  let database: Awaited<ReturnType<SharedPostgres['createDatabase']>> | undefined;
  // The first to ask may have to start the server.
  beforeAll(async () => {
    if (dialect === 'postgres') await sharedPostgres();
  });
  afterEach(async () => {
    for (const db of open.splice(0)) await db.close();
    await database?.drop();
    database = undefined;
  });
  const url = async (): Promise<string> => {
    if (dialect === 'sqlite') return 'sqlite::memory:';
    database ??= await (await sharedPostgres()).createDatabase();
    return database.url;
  };
  return {
    url,
    async connect(options) {
      const db = await connectDatabase(await url(), options);
      open.push(db);
      return db;
    },
  };
}

/** Asks until the answer is yes. Each question is a round trip, so nothing spins. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo()));
}

/** Other backends of the database, by the statement that they run or have run last. */
export async function backends(db: Database, pattern: string, state = '%'): Promise<unknown[]> {
  const sql = `SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND query LIKE $1 AND state LIKE $2`;
  return (await db.query(sql, [pattern, state])).rows.map(({ pid }) => pid);
}

/** Resolves once so many statements of the database are running that look like `pattern`. */
export function running(db: Database, pattern: string, count = 1): Promise<void> {
  return until(async () => (await backends(db, pattern, 'active')).length >= count);
}

/** Resolves once so many sessions of the database wait for a lock. */
export function waitingForLock(db: Database, count = 1): Promise<void> {
  return until(async () => {
    const sql = `SELECT count(*) AS n FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    const { rows } = await db.query<{ n: number }>(sql);
    return (rows[0]?.n ?? 0) >= count;
  });
}

/** Resolves with what `work` rejects with; `undefined` when it does not. */
export function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}
