import { StoreError } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { LoadedMigration } from './migration.ts';
import { invalidIndexes } from './schemaPostgres.ts';

/** Rows that refer to what is not there, counted by table and the table that they refer to. */
export type ForeignKeyFaults = ReadonlyMap<string, number>;

interface Violation {
  readonly table: string;
  readonly parent: string;
}

/** SQLite only: PostgreSQL enforces its foreign keys by itself, at the latest at COMMIT. */
export async function foreignKeyFaults(connection: Connection): Promise<ForeignKeyFaults> {
  const faults = new Map<string, number>();
  if (connection.dialect === 'postgres') return faults;
  const { rows } = await connection.query<Violation>('PRAGMA foreign_key_check');
  for (const { table, parent } of rows) {
    const key = `${table} refer to ${parent}`;
    faults.set(key, (faults.get(key) ?? 0) + 1);
  }
  return faults;
}

/** Faults from before are not the migration's. */
export async function refuseFaults(
  connection: Connection,
  before: ForeignKeyFaults,
  { source, name }: LoadedMigration,
): Promise<void> {
  for (const [key, count] of await foreignKeyFaults(connection)) {
    const added = count - (before.get(key) ?? 0);
    if (added <= 0) continue;
    const message = `${source}: it would leave ${added} rows of ${key} and find nothing there`;
    throw new StoreError('MIGRATION_FAILED', message, { id: name });
  }
}

/** `CREATE INDEX CONCURRENTLY IF NOT EXISTS` is content with an index that an earlier try left invalid. */
export async function refuseInvalidIndexes(
  connection: Connection,
  { source, name }: LoadedMigration,
): Promise<void> {
  if (connection.dialect === 'sqlite') return;
  const [index] = await invalidIndexes(connection);
  if (index === undefined) return;
  const message = `${source}: the index ${index} is invalid, and no query uses it: drop it, and build it again`;
  throw new StoreError('MIGRATION_FAILED', message, { id: name });
}
