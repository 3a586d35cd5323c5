import type { Database, Dialect, Queryable } from '../db.ts';
import type { Clock } from '../ports/clock.ts';
import type { Connection } from './connection.ts';
import { locked } from './lock.ts';
import type { MigrationProgress } from './results.ts';
import { Runner } from './Runner.ts';
import { VersionTable } from './versionTable.ts';

/** What is at hand while nobody else migrates the database. */
export interface Workshop {
  readonly connection: Connection;
  readonly table: VersionTable;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (progress: MigrationProgress) => void;
}

export interface WorkshopOptions {
  readonly tableName: string;
  readonly clock: Clock;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (progress: MigrationProgress) => void;
}

/** Takes the lock, works, and lets go of it, whatever happens. */
export function inWorkshop<T>(
  db: Database,
  options: WorkshopOptions,
  work: (workshop: Workshop) => Promise<T>,
): Promise<T> {
  const { clock, lockTimeoutMs, statementTimeoutMs, signal, tableName, onProgress } = options;
  const { dialect } = db;
  const onWait = (holder: string): void => onProgress({ phase: 'waiting', holder });
  const lock = { dialect, clock, lockTimeoutMs, statementTimeoutMs, signal, onWait };
  return locked(db, lock, async (connection) => {
    const { table, searchPath } = await findTable(connection, dialect, tableName);
    const runner = new Runner({ connection, table, tableName, searchPath, clock });
    return work({ connection, table, runner, clock, lockTimeoutMs, signal, onProgress });
  });
}

/** The version table stands in the schema that is the current one when work begins. */
export async function findTable(
  connection: Queryable,
  dialect: Dialect,
  name: string,
): Promise<{ readonly table: VersionTable; readonly searchPath: string | null }> {
  if (dialect === 'sqlite')
    return { table: new VersionTable(dialect, name, null), searchPath: null };
  const { rows } = await connection.query<{
    readonly schema: string | null;
    readonly path: string;
  }>("SELECT current_schema() AS schema, current_setting('search_path') AS path");
  const { schema, path } = rows[0] ?? { schema: null, path: '' };
  return { table: new VersionTable(dialect, name, schema), searchPath: path };
}
