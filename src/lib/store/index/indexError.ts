import { StoreError } from '../../errors.ts';

/** The index cannot be used as it is. It is derived: delete it and build it anew. */
export class IndexUnusable extends StoreError {
  constructor(message: string, cause?: unknown) {
    super('DATA_CORRUPT', `the index cannot be used: ${message}`, { cause });
  }
}

/** SQLite's primary result codes, https://www.sqlite.org/rescode.html. */
const SQLITE = { error: 1, corrupt: 11, full: 13, schema: 17, notDatabase: 26 } as const;
/** An extended code: the file ends where a page should be. */
const SHORT_READ = 522;

/** What a failure inside SQLite means for the store. */
export function indexError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  if (isOutOfRange(error))
    return new IndexUnusable('it holds a number that was never written', error);
  const code = resultCode(error);
  const message = error instanceof Error ? error.message : String(error);
  switch (code === SHORT_READ ? SQLITE.corrupt : code & 0xff) {
    case SQLITE.full:
      return new StoreError('STORAGE_FULL', `the disk is full: ${message}`, { cause: error });
    case SQLITE.error:
    case SQLITE.schema:
    case SQLITE.corrupt:
    case SQLITE.notDatabase:
      return new IndexUnusable(message, error);
    default:
      return new StoreError('STORAGE_FAILED', `the index failed: ${message}`, { cause: error });
  }
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
