import type { Database, Queryable } from './db.ts';
import { StoreError } from './errors.ts';
import { applyPending, tryPending } from './migrations/applyPending.ts';
import { isApplied, problemsOf, refuseProblems } from './migrations/checks.ts';
import { entriesOf, plannedOf } from './migrations/entries.ts';
import { loadMigrations } from './migrations/load.ts';
import type { LoadedMigration, Migration } from './migrations/migration.ts';
import { OWN_MIGRATIONS, OWN_TABLE } from './migrations/own.ts';
import { pendingOf } from './migrations/plan.ts';
import type {
  MigrationProgress,
  MigrationRepair,
  MigrationResult,
  MigrationRun,
  MigrationStatus,
  PlannedMigration,
} from './migrations/results.ts';
import { recordsOf } from './migrations/Runner.ts';
import { describeSchema, differencesOf, driftChanges } from './migrations/schemaRecord.ts';
import { readSchema } from './migrations/schemaSnapshot.ts';
import { settle } from './migrations/settle.ts';
import { tryUndoing, undoApplied } from './migrations/undoApplied.ts';
import type { AppliedRow } from './migrations/versionTable.ts';
import { findTable, inWorkshop, type Workshop } from './migrations/workshop.ts';
import { type Clock, systemClock } from './ports/clock.ts';
import { type FileSystem, realFileSystem } from './ports/fileSystem.ts';

export type { MigrationProblem } from './migrations/checks.ts';
export type { MigrationWarning } from './migrations/dangers.ts';
export type {
  Migration,
  MigrationContext,
  MigrationFunction,
  MigrationPart,
} from './migrations/migration.ts';
export { EVENT_BLOCK, OWN_MIGRATIONS, PARTITION_COMMITS } from './migrations/own.ts';
export type * from './migrations/results.ts';
export { describeDifference, type SchemaDifference } from './migrations/schemaRecord.ts';

export interface MigratorOptions {
  /** Where the files are. Default: `./migrations`. */
  readonly directory?: string | undefined;
  /** In place of files. */
  readonly migrations?: readonly Migration[] | undefined;
  /** How long to wait for others who migrate the same database. Default: 60,000. */
  readonly lockTimeoutMs?: number | undefined;
  /** For one statement of a migration. Default: 3,600,000. */
  readonly statementTimeoutMs?: number | undefined;
  /** The table that remembers what was applied. Default: `holdfast_migrations`. */
  readonly table?: string | undefined;
  readonly fileSystem?: FileSystem | undefined;
  readonly clock?: Clock | undefined;
}

export interface MigrateOptions {
  /** Runs everything in one transaction and takes it back. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Goes on where the schema is not as the migrations left it. Default: false. */
  readonly allowDrift?: boolean | undefined;
  /** Ends a wait or a statement: `ABORTED`. What was committed before stays. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: MigrationProgress) => void) | undefined;
}

export interface UpOptions extends MigrateOptions {
  /** The last migration to apply. Default: all. */
  readonly to?: string | undefined;
}

export interface RepairOptions {
  /** Names of migrations whose files were changed, and are to count as applied as they are now. */
  readonly acceptEdited?: readonly string[] | undefined;
  /** Whether the schema as it is now is what the migrations made. Default: false. */
  readonly acceptDrift?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULTS = {
  directory: './migrations',
  table: 'holdfast_migrations',
  lockTimeoutMs: 60_000,
  statementTimeoutMs: 3_600_000,
} as const;

const NOTHING_TO_REPAIR: MigrationRepair = {
  settled: [],
  acceptedEdited: [],
  acceptedDrift: [],
  problems: [],
};

/**
 * Brings the schema of a database from version to version: each migration in a transaction of its own
 * together with its row in the version table, under a lock, and only when everything that was applied is
 * still what it was. Calls may be repeated, and made by many processes at once.
 */
export class Migrator {
  readonly #db: Database;
  readonly #options: MigratorOptions;
  readonly #table: string;
  readonly #clock: Clock;

  /** `INVALID_ARGUMENT` for a table whose name is no plain word. */
  constructor(db: Database, options: MigratorOptions = {}) {
    this.#db = db;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#table = options.table ?? DEFAULTS.table;
    if (!/^[a-z_][a-z0-9_]{0,62}$/.test(this.#table)) {
      throw new StoreError('INVALID_ARGUMENT', `table: ${this.#table} is not a plain small name`);
    }
  }

  /**
   * Applies what is pending, up to `to`. Applies nothing when it refuses: `MIGRATION_INVALID`,
   * `MIGRATION_EDITED`, `MIGRATION_MISSING`, `MIGRATION_LATE`, `SCHEMA_TOO_NEW`, `SCHEMA_DRIFTED`,
   * `LOCK_TIMEOUT`. `MIGRATION_FAILED` names file and line; the migrations before that one stay.
   */
  async up(options: UpOptions = {}): Promise<MigrationResult> {
    const { to, dryRun = false, allowDrift = false } = options;
    const { known, rows } = await this.#load();
    const problems = problemsOf(known, rows);
    // What was begun may be at work: that is judged under the lock. Everything else stays as it is.
    if (problems[0]?.code !== 'MIGRATION_FAILED') refuseProblems(problems);
    const pending = pendingOf(known, rows, to);
    if (problems.length === 0 && pending.length === 0) return resultOf([], [], rows, dryRun);
    return this.#work(options, async (shop) => {
      const task = { known, to, allowDrift };
      const { runs, untried } = dryRun
        ? await tryPending(shop, task)
        : { runs: await applyPending(shop, task), untried: [] };
      return resultOf(runs, untried, await shop.table.read(shop.connection), dryRun);
    });
  }

  /**
   * Undoes the newest `count` migrations, or all that were applied after the one that is named, in the
   * opposite order. `MIGRATION_INVALID`, and nothing is undone, when one of them has no `down`;
   * `SCHEMA_DRIFTED` when a `down` does not bring back what was there before.
   */
  async down(count: number | string = 1, options: MigrateOptions = {}): Promise<MigrationResult> {
    const { dryRun = false, allowDrift = false } = options;
    const { known } = await this.#load();
    return this.#work(options, async (shop) => {
      const task = { known, until: count, allowDrift };
      const { runs, untried } = dryRun
        ? await tryUndoing(shop, task)
        : { runs: await undoApplied(shop, task), untried: [] };
      return resultOf(runs, untried, await shop.table.read(shop.connection), dryRun);
    });
  }

  /** What `up` would apply, with warnings. Refuses as `up` does, and neither locks nor writes. */
  async plan({ to }: { readonly to?: string | undefined } = {}): Promise<
    readonly PlannedMigration[]
  > {
    const { known, rows } = await this.#load();
    refuseProblems(problemsOf(known, rows));
    return pendingOf(known, rows, to).map(plannedOf);
  }

  /** Everything at a glance, problems and drift too. Only `MIGRATION_INVALID` is thrown. */
  async status(): Promise<MigrationStatus> {
    const { known } = await this.#load();
    return this.#read(async (tx) => {
      const rows = await this.#rows(tx);
      const applied = rows.some(isApplied);
      const drift = applied ? driftChanges(recordsOf(rows), await this.#schema(tx)) : [];
      return {
        current: currentOf(rows),
        migrations: entriesOf(known, rows),
        pending: pendingOf(known, rows, undefined).map(({ name }) => name),
        problems: problemsOf(known, rows),
        drift: differencesOf(drift),
      };
    });
  }

  /** The newest migration that is applied; null on an empty database. Reads no files. */
  async getCurrentVersion(): Promise<string | null> {
    return currentOf(await this.#read((tx) => this.#rows(tx)));
  }

  /** The schema that the migrations made, one part a line and in order: for comparing in tests. */
  describeSchema(): Promise<string> {
    return this.#read(async (tx) => {
      const records = recordsOf(await this.#rows(tx));
      return describeSchema(records, await this.#schema(tx));
    });
  }

  /**
   * Settles what a crash left of a migration without a transaction: it counts as done when its `verify` is
   * content, else the next `up` goes on with it. Accepts edited migrations and drift only when asked to,
   * and says what is left.
   */
  async repair(options: RepairOptions = {}): Promise<MigrationRepair> {
    const { acceptEdited = [], acceptDrift = false } = options;
    const { known, rows } = await this.#load();
    if (rows.length === 0 && acceptEdited.length === 0) return NOTHING_TO_REPAIR;
    return this.#work(options, (shop) => settle(shop, { known, acceptEdited, acceptDrift }));
  }

  /** What there is, and what was applied before that was looked at. */
  async #load(): Promise<{
    readonly known: readonly LoadedMigration[];
    readonly rows: readonly AppliedRow[];
  }> {
    const rows = await this.#read((tx) => this.#rows(tx));
    const applied = rows.map(({ name }) => name);
    const { dialect } = this.#db;
    const {
      directory = DEFAULTS.directory,
      migrations,
      fileSystem = realFileSystem,
    } = this.#options;
    const source = { directory, migrations, fileSystem, dialect, applied };
    return { known: await loadMigrations(source), rows };
  }

  #work<T>(options: MigrateOptions, work: (shop: Workshop) => Promise<T>): Promise<T> {
    const { signal, onProgress = () => undefined } = options;
    const {
      lockTimeoutMs = DEFAULTS.lockTimeoutMs,
      statementTimeoutMs = DEFAULTS.statementTimeoutMs,
    } = this.#options;
    const times = { clock: this.#clock, lockTimeoutMs, statementTimeoutMs };
    return inWorkshop(this.#db, { ...times, tableName: this.#table, signal, onProgress }, work);
  }

  #read<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#db.transaction(work, { readOnly: true, isolation: 'repeatable read' });
  }

  async #rows(tx: Queryable): Promise<readonly AppliedRow[]> {
    const { table } = await findTable(tx, this.#db.dialect, this.#table);
    return table.read(tx);
  }

  #schema(tx: Queryable) {
    return readSchema(tx, this.#db.dialect, this.#table);
  }
}

/** The migrations of Holdfast's own tables in a database store, counted in a table of their own. */
export function ownMigrator(
  db: Database,
  options: Omit<MigratorOptions, 'directory' | 'migrations' | 'table'> = {},
): Migrator {
  return new Migrator(db, { ...options, migrations: OWN_MIGRATIONS, table: OWN_TABLE });
}

function currentOf(rows: readonly AppliedRow[]): string | null {
  return rows.findLast(isApplied)?.name ?? null;
}

function resultOf(
  migrations: readonly MigrationRun[],
  untried: readonly string[],
  rows: readonly AppliedRow[],
  dryRun: boolean,
): MigrationResult {
  return { migrations, untried, current: currentOf(rows), dryRun };
}
