import type { Database, Dialect } from '../../src/index.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';

export { DIALECTS };

/** Empty databases of one kind, those of SQLite in memory; closed and removed after each test. */
export function databaseWorld(dialect: Dialect): Pick<Databases, 'url' | 'connect'> {
  return new Databases(dialect, { isEmpty: true, isInMemory: true });
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
