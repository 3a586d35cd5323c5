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
    meaning: 'The run, step, event, artifact or definition is not in this store.',
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
  ARTIFACT_HELD: {
    retryable: false,
    meaning: 'An artifact is held against deletion.',
    remedy: 'Read why in its `hold`; set that to null by `artifacts.update` to let it go.',
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
    meaning:
      'The disk or the database refused, or was not reached; nothing of the call was stored.',
    remedy: 'Look at the cause; mend the disk, its permissions or the connection, and call again.',
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
  POOL_EXHAUSTED: {
    retryable: true,
    meaning: 'No database connection became free in time, or too many callers wait for one.',
    remedy: 'Call again later; let transactions be shorter, or raise `connectionsMax`.',
  },
  NESTED_CONNECTION: {
    retryable: false,
    meaning: 'A transaction asked its database for a second connection.',
    remedy: 'Use the `tx` that the callback was given.',
  },
  QUERY_TIMEOUT: {
    retryable: true,
    meaning: 'A statement took longer than it was allowed to, and was cancelled.',
    remedy: 'Look at its plan and at what it waits for, or raise `statementTimeoutMs`.',
  },
  LOCK_TIMEOUT: {
    retryable: true,
    meaning: 'A lock of the database was held by another for too long.',
    remedy: 'Call again; find the long transaction that holds it.',
  },
  SERIALIZATION_FAILED: {
    retryable: true,
    meaning: 'A deadlock or a serialization failure came back at every try.',
    remedy: 'Call again; let transactions touch the same rows in the same order.',
  },
  CONSTRAINT_VIOLATED: {
    retryable: false,
    meaning: 'The database refused a row: a constraint forbids it.',
    remedy: 'Look at the cause; it names the constraint.',
  },
  QUERY_FAILED: {
    retryable: false,
    meaning: 'The database refused a statement.',
    remedy: 'Look at the cause, and correct the statement or its parameters.',
  },
  UNSUPPORTED: {
    retryable: false,
    meaning: 'This database or backend cannot do that.',
    remedy: 'Use the backend that the message names.',
  },
  MIGRATION_INVALID: {
    retryable: false,
    meaning: 'A migration cannot be read, depends on what is not there, or cannot be undone.',
    remedy: 'Correct the file that the message names.',
  },
  MIGRATION_EDITED: {
    retryable: false,
    meaning: 'A migration was changed after it had been applied.',
    remedy: 'Bring the file back as it was, and put the change into a new migration.',
  },
  MIGRATION_MISSING: {
    retryable: false,
    meaning: 'A migration was applied here and is not among the files any more.',
    remedy: 'Bring the file back, or deploy the program that has it.',
  },
  MIGRATION_LATE: {
    retryable: false,
    meaning: 'A migration is older than one that was applied already.',
    remedy: 'Give it a newer name, so that it runs last everywhere.',
  },
  MIGRATION_FAILED: {
    retryable: false,
    meaning: 'A migration or its check failed; what it did in a transaction was rolled back.',
    remedy: 'Look at the cause; one without a transaction needs `holdfast migrate repair`.',
  },
  SCHEMA_OUTDATED: {
    retryable: false,
    meaning: 'The database lacks migrations that this program needs.',
    remedy: 'Run `holdfast migrate up --own --store …`, or open with `migrate: "auto"`.',
  },
  SCHEMA_TOO_NEW: {
    retryable: false,
    meaning: 'The database was migrated by a newer version of the program.',
    remedy: 'Deploy that version, or a newer one.',
  },
  SCHEMA_DRIFTED: {
    retryable: false,
    meaning: 'The schema is not as the migrations left it.',
    remedy: 'Undo the change; or accept it with `holdfast migrate repair --accept-drift`.',
  },
  VERSION_EXISTS: {
    retryable: false,
    meaning: 'This version of a definition is published with another content.',
    remedy: 'Publish it under a new version: a published one never changes.',
  },
  INVALID_INPUT: {
    retryable: false,
    meaning: 'An input does not fit the schema of its definition; `issues` say where.',
    remedy: 'Correct the input at the paths of the issues.',
  },
  INVALID_OUTPUT: {
    retryable: false,
    meaning: 'An output does not fit the schema of its definition; `issues` say where.',
    remedy: 'Correct what makes it; or publish a version that allows it.',
  },
  VALIDATOR_MISSING: {
    retryable: false,
    meaning: 'This process lacks what checks a value: the code of a schema, or `new Function`.',
    remedy: 'Hand in the schema by `registry.provideSchemas`, or publish a JSON Schema.',
  },
  ABORTED: {
    retryable: true,
    meaning: "The caller's signal ended a wait.",
    remedy: 'Nothing to mend; the signal was aborted on purpose.',
  },
} as const satisfies Record<string, ErrorMeaning>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One thing that is wrong with a value. */
export interface ValidationIssue {
  /** Where, as a JSON Pointer (RFC 6901): `/items/0/name`; empty for the value as a whole. */
  readonly path: string;
  readonly message: string;
}

export interface StoreErrorDetails {
  /** The id of the run, step or artifact of which the error speaks. */
  readonly id?: string;
  readonly cause?: unknown;
  /** All that is wrong with the value that was refused. */
  readonly issues?: readonly ValidationIssue[];
}

const BRAND = Symbol.for('holdfast.StoreError');

/** Every refusal and failure of a store. Tell them apart by `code`, never by `message`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  readonly id: string | undefined;
  /** Of `INVALID_INPUT` and `INVALID_OUTPUT`. */
  readonly issues: readonly ValidationIssue[] | undefined;
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, details: StoreErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = ERROR_CODES[code].retryable;
    this.id = details.id;
    this.issues = details.issues;
  }
}

/** Whether `error` is a `StoreError` (of this code), even from another copy of the package. */
export function isStoreError(error: unknown, code?: ErrorCode): error is StoreError {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
  return code === undefined || (error as StoreError).code === code;
}
