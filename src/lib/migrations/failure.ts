import { type ErrorCode, isStoreError, StoreError } from '../errors.ts';

/** They say more than that a migration has failed: call again, or look first. */
const KEPT: ReadonlySet<ErrorCode> = new Set([
  'ABORTED',
  'LOCK_TIMEOUT',
  'QUERY_TIMEOUT',
  'SERIALIZATION_FAILED',
  'STORAGE_FAILED',
  'STORAGE_FULL',
  'OUTCOME_UNKNOWN',
  'MIGRATION_INVALID',
  'TRANSACTION_ENDED',
  'NESTED_CONNECTION',
]);

/** What went wrong in a migration, with the place where; `MIGRATION_FAILED` for most. */
export function failureIn(place: string, error: unknown, id: string): StoreError {
  if (isStoreError(error) && error.id === id) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = isStoreError(error) && KEPT.has(error.code) ? error.code : 'MIGRATION_FAILED';
  return new StoreError(code, `${place}: ${message}`, { id, cause: error });
}
