/** What a code means, whether the same call may succeed later, and what to do about it. */
interface ErrorMeaning {
  readonly retryable: boolean;
  readonly meaning: string;
  readonly remedy: string;
}

/** The one table of codes; `docs/errors.md` is tested against it in both directions. */
export const ERROR_CODES = {
  NOT_FOUND: {
    retryable: false,
    meaning: 'The run, step, event or artifact is not in this store.',
    remedy: 'Check the id, and the store that was opened.',
  },
  ALREADY_EXISTS: {
    retryable: false,
    meaning: 'An entity with the id that the caller brought is already there.',
    remedy: 'Read the existing one, or use an idempotency key to get it back.',
  },
  INVALID_ARGUMENT: {
    retryable: false,
    meaning: 'A value is not allowed; the message gives its path.',
    remedy: 'Correct the value at that path.',
  },
  INVALID_TRANSITION: {
    retryable: false,
    meaning: 'The entity cannot go from its status to the wanted one.',
    remedy: 'Read its status first; use reset or retry to leave a terminal status.',
  },
  VERSION_CONFLICT: {
    retryable: true,
    meaning: 'Another writer changed the entity since the version that was given.',
    remedy: 'Read it again and decide anew.',
  },
  IDEMPOTENCY_CONFLICT: {
    retryable: false,
    meaning: 'The idempotency key was used before with another input.',
    remedy: 'Use a new key for a new input.',
  },
  LIMIT_EXCEEDED: {
    retryable: false,
    meaning: 'A size, depth or count is over its limit.',
    remedy: 'Make it smaller; keep large bytes in an artifact.',
  },
  NESTED_TRANSACTION: {
    retryable: false,
    meaning: 'A run was written past the transaction that holds it.',
    remedy: 'Use the `tx` that the callback was given.',
  },
  TRANSACTION_ENDED: {
    retryable: false,
    meaning: 'A transaction was used after its callback had returned.',
    remedy: 'Await every call on `tx` inside the callback.',
  },
  POSITION_EXPIRED: {
    retryable: false,
    meaning: 'The log no longer holds what follows this position.',
    remedy: 'Read the current state, then watch from its position; a pin keeps the log.',
  },
  STORE_LOCKED: {
    retryable: true,
    meaning: 'Another process owns the store.',
    remedy: 'Wait for it to close, or stop it; the message names its pid.',
  },
  STORAGE_FULL: {
    retryable: true,
    meaning: 'The disk is full; nothing of the call was stored.',
    remedy: 'Free space and call again.',
  },
  STORAGE_FAILED: {
    retryable: true,
    meaning: 'The disk refused an operation; nothing of the call was stored.',
    remedy: 'Look at the cause; mend the disk or its permissions and call again.',
  },
  JOURNAL_CORRUPT: {
    retryable: false,
    meaning: 'The journal is damaged at the file and byte in the message.',
    remedy: 'Open read-only to look, restore a backup, or run `holdfast repair`.',
  },
  DATA_CORRUPT: {
    retryable: false,
    meaning: 'Stored bytes do not match their checksum; they are not served.',
    remedy: 'Run `holdfast verify`; restore the named file from a backup.',
  },
  UNSUPPORTED_FORMAT: {
    retryable: false,
    meaning: 'The store was written in a format that this version does not read.',
    remedy: 'Use the version of Holdfast that wrote it, or a newer one.',
  },
  STORE_POISONED: {
    retryable: false,
    meaning: 'A write or sync failed earlier; the store accepts nothing more.',
    remedy: 'Close it and open it again: opening recovers.',
  },
  STORE_READ_ONLY: {
    retryable: false,
    meaning: 'The store was opened read-only.',
    remedy: 'Open it without `readOnly` to write.',
  },
  OUTCOME_UNKNOWN: {
    retryable: false,
    meaning: 'The write was sent, and whether it is durable cannot be known.',
    remedy: 'Reopen and look, or repeat the call with the same idempotency key.',
  },
  STORE_CLOSED: {
    retryable: false,
    meaning: 'The store has been closed.',
    remedy: 'Open it again.',
  },
  ABORTED: {
    retryable: true,
    meaning: "The caller's signal ended a wait.",
    remedy: 'Nothing to mend; the signal was aborted on purpose.',
  },
} as const satisfies Record<string, ErrorMeaning>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface StoreErrorDetails {
  /** The id of the run, step or artifact of which the error speaks. */
  readonly id?: string;
  readonly cause?: unknown;
}

const BRAND = Symbol.for('holdfast.StoreError');

/** Every refusal and failure of a store. Tell them apart by `code`, never by `message`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  readonly id: string | undefined;
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, details: StoreErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = ERROR_CODES[code].retryable;
    this.id = details.id;
  }
}

/** Whether `error` is a `StoreError` (of this code), even from another copy of the package. */
export function isStoreError(error: unknown, code?: ErrorCode): error is StoreError {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
  return code === undefined || (error as StoreError).code === code;
}
