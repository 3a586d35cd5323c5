import { type ErrorCode, StoreError } from '../../errors.ts';
import { causeText } from '../causeText.ts';
import { RestartError } from '../connection.ts';

/** SQLite's result codes, https://www.sqlite.org/rescode.html: the low eight bits are the primary one. */
const PRIMARY = 0xff;
const BUSY: ReadonlySet<number> = new Set([5 /* SQLITE_BUSY */, 6 /* SQLITE_LOCKED */]);
/** Another connection wrote after this transaction's first read: only a new transaction can write. */
const BUSY_SNAPSHOT = 517;
const READONLY = 8;
const IO_ERROR = 10;
const CANTOPEN = 14;

const CLOSED = 'database is not open';

/** Primary result codes; what is not here is `QUERY_FAILED`. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  5: 'LOCK_TIMEOUT',
  6: 'LOCK_TIMEOUT',
  7: 'STORAGE_FAILED', // out of memory
  [READONLY]: 'STORAGE_FAILED', // the file cannot be written
  [IO_ERROR]: 'STORAGE_FAILED',
  11: 'DATA_CORRUPT',
  13: 'STORAGE_FULL',
  [CANTOPEN]: 'STORAGE_FAILED', // the file cannot be opened
  15: 'STORAGE_FAILED', // the lock protocol failed
  19: 'CONSTRAINT_VIOLATED',
  26: 'DATA_CORRUPT', // not a database
};

/** An extended result code; 0 for errors that are none of SQLite's. */
function resultCode(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return 0;
  return typeof error.errcode === 'number' ? error.errcode : 0;
}

/** Whether the same statement may go through when another connection has finished. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return BUSY.has(code & PRIMARY) && code !== BUSY_SNAPSHOT;
}

/** Whether the disk failed: what was being committed may be found there after all. */
export function isIoError(error: unknown): boolean {
  return (resultCode(error) & PRIMARY) === IO_ERROR;
}

/** Whether a right is missing, to the file or to what stands beside it. */
export function isDenied(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : error;
  const code = resultCode(cause) & PRIMARY;
  return code === READONLY || code === CANTOPEN;
}

export function sqliteError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = causeText(error);
  const code = resultCode(error);
  if (code === BUSY_SNAPSHOT) return new RestartError(`SQLite: ${message}`, error);
  // Only its owner can have closed it: a database that was handed over.
  if (message === CLOSED)
    return new StoreError('STORE_CLOSED', `SQLite: ${message}`, { cause: error });
  const meaning = CODES[code & PRIMARY] ?? 'QUERY_FAILED';
  return new StoreError(meaning, `SQLite: ${message}`, { cause: error });
}

export function outcomeUnknown(error: unknown): StoreError {
  const message = 'the disk failed in a commit; it may hold or not';
  return new StoreError('OUTCOME_UNKNOWN', `SQLite: ${message}`, { cause: error });
}
