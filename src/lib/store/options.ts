import type { Clock } from '../ports/clock.ts';
import type { FileSystem } from '../ports/fileSystem.ts';
import type { Random } from '../ports/random.ts';

/** Sizes and times of the file-system store; `FILE_STORE_DEFAULTS` names and explains them. */
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
  readonly fileSystem?: FileSystem | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}
