import { FILE_STORE_DEFAULTS } from '../limits.ts';
import type { DatabaseOptions } from '../db.ts';
import type { Clock } from '../ports/clock.ts';
import type { FileSystem } from '../ports/fileSystem.ts';
import type { Random } from '../ports/random.ts';

/** Sizes and times of a store in a folder; `FILE_STORE_DEFAULTS` names and explains them. */
export interface FileStoreTuning {
  readonly queueBytesMax: number;
  readonly batchBytesMax: number;
  readonly segmentBytesMin: number;
  readonly segmentBytesMax: number;
  readonly journalBytesKeep: number;
  readonly journalBytesMax: number;
  readonly tailBytesMax: number;
  readonly cacheBytesMax: number;
  readonly quietMs: number;
  readonly lockWaitMs: number;
}

export type MigrateMode = 'auto' | 'check' | 'never';

export interface OpenOptions extends Partial<FileStoreTuning> {
  /**
   * Serve reads only. Of the store's files only `lock.db` and `owner.json` are written: a reader
   * owns the store as a writer does. A store with a damaged journal can be opened so.
   */
  readonly readOnly?: boolean | undefined;
  /** Make the store when it is not there. Default: true; otherwise `NOT_FOUND`. */
  readonly create?: boolean | undefined;
  /** Ends the wait for another owner. */
  readonly signal?: AbortSignal | undefined;
  /**
   * What becomes of a database whose schema is not the newest: `auto` migrates it, `check` refuses with
   * `SCHEMA_OUTDATED`, `never` does not look. Default: `check` for PostgreSQL, `auto` for SQLite. A
   * folder needs none.
   */
  readonly migrate?: MigrateMode | undefined;
  /**
   * Where a database keeps the bytes of artifacts: in its own rows, or in the folder of a `file:` URL,
   * below `blobs/`, which every process of the store must name and reach. What is in its rows already
   * stays there and is read. Default: in its rows. A folder keeps them beside its journal.
   */
  readonly blobs?: string | undefined;
  /** Pool, time-outs and retries of a database. A folder has none. */
  readonly database?: DatabaseOptions | undefined;
  readonly fileSystem?: FileSystem | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** The same for every backend: what one does not need is no mistake when a URL changes. */
export const OPEN_OPTIONS: ReadonlySet<string> = new Set([
  ...Object.keys(FILE_STORE_DEFAULTS),
  'readOnly',
  'create',
  'signal',
  'migrate',
  'blobs',
  'database',
  'fileSystem',
  'clock',
  'random',
]);
