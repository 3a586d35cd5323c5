import { StoreError } from '../../errors.ts';

/** The index cannot be used as it is. It is derived: delete it and build it anew. */
export class IndexUnusable extends StoreError {
  constructor(message: string, cause?: unknown) {
    super('DATA_CORRUPT', `the index cannot be used: ${message}`, { cause });
  }
}

const FULL = 13;
/** An extended code: the file ends where a page should be. */
const SHORT_READ = 522;
/**
 * SQLite's primary result codes, https://www.sqlite.org/rescode.html, that tell of the machine or of the
 * caller. Every other one can come from a damaged file: "string or blob too big" from a length, "constraint"
 * from a key.
 */
const NOT_OF_THE_FILE: ReadonlySet<number> = new Set([
  0 /* none of SQLite's */, 3 /* PERM */, 5 /* BUSY */, 6 /* LOCKED */, 7 /* NOMEM */,
  8 /* READONLY */, 9 /* INTERRUPT */, 10 /* IOERR */, 14 /* CANTOPEN */, 15 /* PROTOCOL */,
  21 /* MISUSE */, 22 /* NOLFS */, 23 /* AUTH */,
]);

/** What a failure inside SQLite means for the store. */
export function indexError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  if (isOutOfRange(error))
    return new IndexUnusable('it holds a number that was never written', error);
  const code = resultCode(error);
  const primary = code & 0xff;
  const message = error instanceof Error ? error.message : String(error);
  if (primary === FULL) {
    return new StoreError('STORAGE_FULL', `the disk is full: ${message}`, { cause: error });
  }
  if (NOT_OF_THE_FILE.has(primary) && code !== SHORT_READ) {
    return new StoreError('STORAGE_FAILED', `the index failed: ${message}`, { cause: error });
  }
  return new IndexUnusable(message, error);
}

function resultCode(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return 0;
  return typeof error.errcode === 'number' ? error.errcode : 0;
}

/** What `node:sqlite` throws for an integer that is none of JavaScript's: only damage makes those. */
function isOutOfRange(error: unknown): boolean {
  const isObject = typeof error === 'object' && error !== null;
  return isObject && 'code' in error && error.code === 'ERR_OUT_OF_RANGE';
}
