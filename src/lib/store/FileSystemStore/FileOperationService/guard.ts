import { StoreError } from '../../../errors.ts';
import { storageError, systemCode } from '../storageError.ts';

/** Every failure leaves as a `StoreError`. */
export async function guard<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(error, what);
  }
}

/** Reading wants a thing that is there: where it is not, that is `NOT_FOUND`. */
export async function guardRead<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw readError(error, path);
  }
}

export function readError(error: unknown, path: string): StoreError {
  if (systemCode(error) !== 'ENOENT') return storageError(error, `reading ${path}`);
  return new StoreError('NOT_FOUND', `there is no file ${path}`, { cause: error });
}
