import { isDeepStrictEqual } from 'node:util';
import { type ErrorCode, isStoreError, type StoreError } from '../../../src/index.ts';
import type { PortCall } from '../../../src/testkit/faultyDisk.ts';
import type { Effect } from './contents.ts';
import type { Operation } from './operation.ts';

/** Every way in which a call fails, and the code of who was told so. */
export const FAULTS: Readonly<Record<string, ErrorCode>> = {
  EIO: 'STORAGE_FAILED',
  ENOSPC: 'STORAGE_FULL',
  EROFS: 'STORAGE_FAILED',
  EMFILE: 'STORAGE_FAILED',
  EACCES: 'STORAGE_FAILED',
  EDQUOT: 'STORAGE_FULL',
  short: 'STORAGE_FULL',
  late: 'STORAGE_FAILED',
};

export type Outcome = { readonly value: unknown } | { readonly refusal: StoreError };

/** How a call ends; any error but a `StoreError` is thrown on. */
export async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { value: await work() };
  } catch (error) {
    if (isStoreError(error)) return { refusal: error };
    throw error;
  }
}

/** What the outcome promises of the operation's effect, now and after the store was reopened. */
export interface Promised {
  readonly now: Effect;
  readonly reopened: Effect | 'either';
}

export function checkOutcome(
  outcome: Outcome,
  operation: Operation,
  fault: string,
  struck: PortCall,
  value: unknown,
): Promised {
  if ('value' in outcome) {
    checkValue(outcome.value, value);
    return { now: 'there', reopened: 'there' };
  }
  const { code } = outcome.refusal;
  const allowed = [FAULTS[fault], ...(operation.onlyReads === true ? [] : ['OUTCOME_UNKNOWN'])];
  if (!allowed.includes(code)) {
    throw new Error(`it is refused with ${code}, not ${allowed.join(' or ')}`, {
      cause: outcome.refusal,
    });
  }
  // POSIX: a rename that fails has changed nothing. Where it has, nobody can know.
  const isRenamed = fault === 'late' && struck.op === 'rename';
  const isUnknown = code === 'OUTCOME_UNKNOWN' || isRenamed;
  return { now: 'absent', reopened: isUnknown ? 'either' : 'absent' };
}

export function checkValue(actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`it gives ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}
