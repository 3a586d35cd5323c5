import { StoreError } from '../errors.ts';

/** A migration that cannot be used as it is; `source` is its file, with a line where one is known. */
export function invalid(source: string, problem: string, cause?: unknown): StoreError {
  return new StoreError('MIGRATION_INVALID', `${source}: ${problem}`, { cause });
}
