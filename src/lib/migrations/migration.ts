import type { Dialect, Queryable } from '../db.ts';
import type { MigrationWarning } from './dangers.ts';

/** What a migration works with: it speaks to the database through this alone. */
export interface MigrationContext extends Queryable {
  readonly dialect: Dialect;
  /** Aborted when the caller of `up` or `down` gives up. */
  readonly signal: AbortSignal | undefined;
}

export type MigrationFunction = (tx: MigrationContext) => Promise<void> | void;

/** SQL for both databases, SQL for each, or code. */
export type MigrationPart = string | Readonly<Record<Dialect, string>> | MigrationFunction;

/** One migration, as a module exports it or an array lists it. */
export interface Migration {
  /** Decides the order: begin it with a date or a number of fixed width. */
  readonly name: string;
  readonly up: MigrationPart;
  /** Without it the migration cannot be undone. */
  readonly down?: MigrationPart | undefined;
  /** Names of migrations that are applied before it. */
  readonly requires?: string | readonly string[] | undefined;
  /** Throws when the data is not as it has to be; runs in the same transaction, after `up`. */
  readonly verify?: MigrationFunction | undefined;
  /** `false` for what cannot run in a transaction, such as `CREATE INDEX CONCURRENTLY`. */
  readonly transactional?: boolean | undefined;
  /**
   * What tells an edited migration from the one that was applied. Default: SHA-256 of its SQL and of the
   * source of its functions. Give one where builds rewrite code.
   */
  readonly checksum?: string | undefined;
}

/** Statements one by one with their lines, or code. */
export type Script = readonly ScriptStatement[] | MigrationFunction;

interface ScriptStatement {
  readonly text: string;
  readonly line: number;
}

/** A migration that was read and looked at. */
export interface LoadedMigration {
  readonly name: string;
  /** Its file, or its place in the array: for messages. */
  readonly source: string;
  /** `sha256:…`, or what the migration gave. */
  readonly checksum: string;
  readonly requires: readonly string[];
  readonly transactional: boolean;
  readonly up: Script;
  readonly down: Script | undefined;
  readonly verify: MigrationFunction | undefined;
  readonly warnings: readonly MigrationWarning[];
}
