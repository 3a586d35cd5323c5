import { createHash } from 'node:crypto';
import { isStoreError, StoreError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { isApplied } from './checks.ts';
import type { Connection } from './connection.ts';
import { TrackedContext } from './context.ts';
import { failureIn } from './failure.ts';
import { foreignKeyFaults, refuseFaults, refuseInvalidIndexes } from './integrity.ts';
import type { LoadedMigration, Script } from './migration.ts';
import {
  changesBetween,
  describeDifference,
  differencesOf,
  driftChanges,
  type EngineSnapshot,
  leftBehind,
  mergeChanges,
  type SchemaRecord,
} from './schemaRecord.ts';
import { readSchema } from './schemaSnapshot.ts';
import type { AppliedRow, VersionTable } from './versionTable.ts';

export interface RunnerOptions {
  readonly connection: Connection;
  readonly table: VersionTable;
  readonly tableName: string;
  /** To be restored after each migration; null on SQLite. */
  readonly searchPath: string | null;
  readonly clock: Clock;
}

/** Applies and undoes single migrations on a connection that nobody else migrates with. */
export class Runner {
  readonly #options: RunnerOptions;
  /** As it was left by the last migration; on SQLite another process may have been there since. */
  #known: EngineSnapshot | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  async schema(): Promise<EngineSnapshot> {
    const { connection, tableName } = this.#options;
    if (this.#known !== undefined) return this.#known;
    const schema = await readSchema(connection, connection.dialect, tableName);
    if (connection.dialect === 'postgres') this.#known = schema;
    return schema;
  }

  /** Inside of a transaction. Returns the row that it wrote. */
  async apply(migration: LoadedMigration, rows: readonly AppliedRow[]): Promise<AppliedRow> {
    const { connection, table, clock } = this.#options;
    const began = clock.now();
    await table.create(connection);
    const faults = await foreignKeyFaults(connection);
    const before = await this.schema();
    const written = await this.#run(migration, migration.up, 'up');
    await this.#verify(migration);
    await refuseFaults(connection, faults, migration);
    const schema = changesBetween(before, await this.schema());
    const row = { ...this.#newRow(migration, rows, began), rows: written, schema };
    const durationMs = Math.max(0, clock.now() - began);
    await table.write(connection, { ...row, durationMs });
    return { ...row, durationMs };
  }

  /** Inside of a transaction: the mark that `applyOutside` leaves when it is killed. */
  async begin(migration: LoadedMigration, rows: readonly AppliedRow[]): Promise<AppliedRow> {
    const { connection, table, clock } = this.#options;
    await table.create(connection);
    const stopped = rows.find(({ name }) => name === migration.name);
    const row = { ...this.#newRow(migration, rows, clock.now()), ...stopped };
    const begun = { ...row, checksum: migration.checksum, state: 'begun' as const };
    await table.write(connection, begun);
    return begun;
  }

  /** What cannot be in a transaction: statement by statement, each remembered when it has ended. */
  async applyOutside(
    migration: LoadedMigration,
    begun: AppliedRow,
    earlier: readonly SchemaRecord[],
  ): Promise<AppliedRow> {
    const { connection, table, clock } = this.#options;
    const began = clock.now();
    const before = await this.schema();
    // What a first try has changed in tables of ours belongs to this migration too.
    const drift = begun.progress.length > 0 ? driftChanges(earlier, before) : [];
    const rows = await this.#runOutside(migration, migration.up, begun);
    await withAdvice(migration, async () => {
      await this.#verify(migration);
      await refuseInvalidIndexes(connection, migration);
    });
    const { engine, changes } = changesBetween(before, await this.schema());
    const schema = { engine, changes: mergeChanges(drift, changes) };
    const durationMs = Math.max(0, clock.now() - began);
    const row: AppliedRow = { ...begun, state: 'done', durationMs, rows, progress: [], schema };
    await table.write(connection, row);
    return row;
  }

  /** Inside of a transaction. `SCHEMA_DRIFTED` when the schema is not again as it was before. */
  async undo(migration: LoadedMigration, row: AppliedRow, allowDrift: boolean): Promise<number> {
    const { connection, table } = this.#options;
    const faults = await foreignKeyFaults(connection);
    const rows = await this.#run(migration, migration.down ?? [], 'down');
    await refuseFaults(connection, faults, migration);
    if (!allowDrift) await this.#refuseLeftBehind(migration, row);
    await table.remove(connection, row.name);
    return rows;
  }

  async undoOutside(
    migration: LoadedMigration,
    row: AppliedRow,
    allowDrift: boolean,
  ): Promise<number> {
    const { connection, table } = this.#options;
    const undoing = { ...row, state: 'undoing' as const };
    await table.write(connection, undoing);
    const rows = await this.#runOutside(migration, migration.down ?? [], undoing);
    if (!allowDrift) await this.#refuseLeftBehind(migration, row);
    await table.remove(connection, row.name);
    return rows;
  }

  #newRow({ name, checksum }: LoadedMigration, rows: readonly AppliedRow[], began: number) {
    const position = (rows.at(-1)?.position ?? 0) + 1;
    const appliedAt = new Date(began).toISOString();
    const nothing: SchemaRecord = { engine: '', changes: [] };
    const empty = { state: 'done' as const, durationMs: 0, rows: 0, progress: [], schema: nothing };
    return { name, position, checksum, appliedAt, ...empty };
  }

  async #run(migration: LoadedMigration, script: Script, part: string): Promise<number> {
    const { name, source, transactional } = migration;
    this.#known = undefined;
    const context = new TrackedContext(this.#options.connection, source, transactional);
    if (typeof script === 'function') {
      try {
        await context.during(script);
      } catch (error) {
        throw failureIn(`${source}, ${part}`, error, name);
      }
    } else {
      for (const { text, line } of script) {
        try {
          await context.query(text);
        } catch (error) {
          throw failureIn(`${source}, line ${line}`, error, name);
        }
      }
    }
    await this.#restoreSearchPath();
    return context.rows;
  }

  async #runOutside(migration: LoadedMigration, script: Script, row: AppliedRow): Promise<number> {
    const { connection, table } = this.#options;
    if (typeof script === 'function') {
      return withAdvice(migration, () => this.#run(migration, script, 'code'));
    }
    const digests = script.map(({ text }) => digestOf(text));
    const isEnded = (n: number): boolean =>
      digests.slice(0, n + 1).every((digest, k) => digest === row.progress[k]);
    let { rows } = row;
    for (const [n, statement] of script.entries()) {
      if (isEnded(n)) continue;
      rows += await withAdvice(migration, () => this.#run(migration, [statement], ''));
      await table.write(connection, { ...row, rows, progress: digests.slice(0, n + 1) });
    }
    return rows;
  }

  /** `SET search_path`, which dumps begin with, is not to reach the next migration. */
  async #restoreSearchPath(): Promise<void> {
    const { connection, searchPath } = this.#options;
    if (searchPath === null) return;
    await connection.query("SELECT set_config('search_path', $1, false)", [searchPath]);
  }

  async #verify({ verify, name, source, transactional }: LoadedMigration): Promise<void> {
    if (verify === undefined) return;
    const context = new TrackedContext(this.#options.connection, source, transactional);
    try {
      await context.during(verify);
    } catch (error) {
      throw failureIn(`${source}, verify`, error, name);
    }
  }

  async #refuseLeftBehind({ source, name }: LoadedMigration, row: AppliedRow): Promise<void> {
    const [first, ...more] = differencesOf(leftBehind(row.schema, await this.schema()));
    if (first === undefined) return;
    const others = more.length > 0 ? `, and ${more.length} more` : '';
    const message =
      `${source}: its \`down\` does not bring back what was there before: ` +
      `${describeDifference(first)}${others}; mend it, or allow it with allowDrift`;
    throw new StoreError('SCHEMA_DRIFTED', message, { id: name });
  }
}

/** No transaction takes back what it did before it failed. */
async function withAdvice<T>({ name }: LoadedMigration, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isStoreError(error)) throw error;
    const advice = 'what it did before stays, and `holdfast migrate repair` lets it go on';
    throw new StoreError(error.code, `${error.message} (${advice})`, { id: name, cause: error });
  }
}

/** The records of what is applied, in their order. */
export function recordsOf(rows: readonly AppliedRow[]): readonly SchemaRecord[] {
  return rows.filter(isApplied).map(({ schema }) => schema);
}

function digestOf(statement: string): string {
  return createHash('sha256').update(statement).digest('hex').slice(0, 16);
}
