import { isStoreError, StoreError } from '../../errors.ts';

/** The disk, or the share of it that this user may fill, has no room left. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** The code that the operating system gave (`ENOENT`, `EIO`…); `undefined` where there is none. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Not by `instanceof`: an error may come from another realm (a worker, a vm context). */
export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error);
}

/**
 * A failure of the disk as a `StoreError`: `STORAGE_FULL` or `STORAGE_FAILED`, with what the disk
 * said as its cause. `what` was being done, as in `writing /data/store.json`. An error that is a
 * `StoreError` already is given back as it is.
 */
export function storageError(error: unknown, what: string): StoreError {
  if (isStoreError(error)) return error;
  const reason = messageOf(error);
  const code = FULL.has(systemCode(error) ?? '') ? 'STORAGE_FULL' : 'STORAGE_FAILED';
  return new StoreError(code, `${what} failed: ${reason}`, { cause: error });
}
