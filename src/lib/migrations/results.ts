import type { MigrationProblem } from './checks.ts';
import type { MigrationWarning } from './dangers.ts';
import type { SchemaDifference } from './schemaRecord.ts';

export type MigrationProgress =
  | {
      /** Somebody else migrates this database; PostgreSQL says who. */
      readonly phase: 'waiting';
      readonly holder: string;
    }
  | {
      readonly phase: 'begun' | 'done';
      readonly direction: 'up' | 'down';
      readonly name: string;
      /** Which one of how many, counted from 1. */
      readonly number: number;
      readonly total: number;
    };

/** One migration that was applied or undone, now. */
export interface MigrationRun {
  readonly name: string;
  readonly durationMs: number;
  /** Rows that its statements inserted, updated and deleted. */
  readonly rows: number;
}

export interface MigrationResult {
  /** What was applied, or undone, in this order; with `dryRun` what would have been. */
  readonly migrations: readonly MigrationRun[];
  /** With `dryRun`: those that could not be tried, from the first without a transaction on. */
  readonly untried: readonly string[];
  /** The newest migration that is applied now. Null: none. */
  readonly current: string | null;
  readonly dryRun: boolean;
}

export interface PlannedMigration {
  readonly name: string;
  /** Its file, or its place in the array. */
  readonly source: string;
  readonly transactional: boolean;
  readonly canBeUndone: boolean;
  /** What its SQL may do to data and to those who work meanwhile. Code is not looked at. */
  readonly warnings: readonly MigrationWarning[];
}

export interface MigrationEntry extends PlannedMigration {
  /**
   * `begun` and `undoing`: without a transaction, and not ended; `stopped`: it was begun, and `up` goes on
   * with it.
   */
  readonly state: 'applied' | 'pending' | 'begun' | 'stopped' | 'undoing';
  readonly appliedAt: Date | null;
  readonly durationMs: number | null;
  readonly rows: number | null;
}

export interface MigrationStatus {
  readonly current: string | null;
  /** In the order in which they are applied; then those that are applied and not known. */
  readonly migrations: readonly MigrationEntry[];
  readonly pending: readonly string[];
  /** Why `up` would refuse; empty when nothing is wrong. */
  readonly problems: readonly MigrationProblem[];
  /** Where the schema is not as the migrations left it. */
  readonly drift: readonly SchemaDifference[];
}

export interface Settlement {
  readonly name: string;
  /** `done`: its `verify` is content. `continue`: the next `up`, or `down`, goes on with it. */
  readonly outcome: 'done' | 'continue';
  /** What its `verify` was not content with. */
  readonly complaint: string | null;
  /** Indexes of its making that had been left invalid. */
  readonly droppedIndexes: readonly string[];
}

export interface MigrationRepair {
  readonly settled: readonly Settlement[];
  readonly acceptedEdited: readonly string[];
  readonly acceptedDrift: readonly SchemaDifference[];
  /** Why `up` would refuse still: an edited migration that was not accepted, say. Drift aside. */
  readonly problems: readonly MigrationProblem[];
}
