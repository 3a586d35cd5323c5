import { CommanderError } from 'commander';
import { type ErrorCode, isStoreError, type StoreError } from '../index.ts';
import { messageOf, stacksOf } from './errorFacts.ts';
import { remedyOf } from './remedy.ts';
import { json, plain } from './text.ts';

/** What the process exits with; `docs/command-line.md` is tested against it. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  locked: 4,
  corrupt: 5,
  storage: 6,
  refused: 7,
} as const;

/** Complete on purpose: a new code does not compile until it has an exit code. */
export const EXIT_OF_CODE: Readonly<Record<ErrorCode, number>> = {
  NOT_FOUND: EXIT.notFound,
  ALREADY_EXISTS: EXIT.refused,
  INVALID_ARGUMENT: EXIT.usage,
  INVALID_TRANSITION: EXIT.refused,
  ARTIFACT_HELD: EXIT.refused,
  VERSION_CONFLICT: EXIT.refused,
  IDEMPOTENCY_CONFLICT: EXIT.refused,
  LIMIT_EXCEEDED: EXIT.usage,
  NESTED_TRANSACTION: EXIT.refused,
  TRANSACTION_ENDED: EXIT.refused,
  POSITION_EXPIRED: EXIT.refused,
  STORE_LOCKED: EXIT.locked,
  STORAGE_FULL: EXIT.storage,
  STORAGE_FAILED: EXIT.storage,
  JOURNAL_CORRUPT: EXIT.corrupt,
  DATA_CORRUPT: EXIT.corrupt,
  UNSUPPORTED_FORMAT: EXIT.refused,
  STORE_POISONED: EXIT.storage,
  STORE_READ_ONLY: EXIT.refused,
  OUTCOME_UNKNOWN: EXIT.storage,
  STORE_CLOSED: EXIT.refused,
  POOL_EXHAUSTED: EXIT.locked,
  NESTED_CONNECTION: EXIT.refused,
  QUERY_TIMEOUT: EXIT.storage,
  LOCK_TIMEOUT: EXIT.locked,
  SERIALIZATION_FAILED: EXIT.locked,
  CONSTRAINT_VIOLATED: EXIT.refused,
  QUERY_FAILED: EXIT.refused,
  UNSUPPORTED: EXIT.usage,
  MIGRATION_INVALID: EXIT.usage,
  MIGRATION_EDITED: EXIT.refused,
  MIGRATION_MISSING: EXIT.refused,
  MIGRATION_LATE: EXIT.refused,
  MIGRATION_FAILED: EXIT.failed,
  SCHEMA_OUTDATED: EXIT.refused,
  SCHEMA_TOO_NEW: EXIT.refused,
  SCHEMA_DRIFTED: EXIT.refused,
  VERSION_EXISTS: EXIT.refused,
  INVALID_INPUT: EXIT.usage,
  INVALID_OUTPUT: EXIT.usage,
  VALIDATOR_MISSING: EXIT.refused,
  ABORTED: EXIT.failed,
};

/**
 * What the command line itself refuses to do, and what to do instead. With a `cause` it is that
 * failure of the store, with a remedy that fits where it happened.
 */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly remedy: string;
  readonly exitCode: number;

  constructor(message: string, remedy: string, exitCode: number = EXIT.usage, cause?: StoreError) {
    super(message, cause === undefined ? undefined : { cause });
    this.remedy = remedy;
    this.exitCode = exitCode;
  }
}

interface Failure {
  readonly code: string;
  readonly message: string;
  /** Absent where the message says what to do. */
  readonly remedy?: string | undefined;
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof CommandError) return error.exitCode;
  return isStoreError(error) ? EXIT_OF_CODE[error.code] : EXIT.failed;
}

function failureOf(error: unknown): Failure {
  if (isStoreError(error)) {
    const { code, message } = error;
    return { code, message, remedy: remedyOf(error) };
  }
  if (error instanceof CommanderError) {
    // `Did you mean` stands on a line of its own there.
    const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    return { code: 'USAGE', message, remedy: 'see `holdfast --help`' };
  }
  if (error instanceof CommandError) {
    const code = isStoreError(error.cause) ? error.cause.code : 'USAGE';
    return { code, message: error.message, remedy: error.remedy };
  }
  return {
    code: 'UNEXPECTED',
    message: messageOf(error),
    remedy: 'run it again with --debug to see where',
  };
}

/** One line: what happened and what to do. With `debug` the stacks of the error and its causes. */
export function describeFailure(
  error: unknown,
  form: { readonly json: boolean; readonly debug: boolean },
): string {
  const failure = failureOf(error);
  const message = failure.message.replace(/\.$/, '');
  const line = form.json
    ? json({ error: failure })
    : `holdfast: ${plain([message, failure.remedy ?? []].flat().join(' — '))}`;
  if (!form.debug) return `${line}\n`;
  const stacks = stacksOf(error).split('\n').map(plain).join('\n');
  return `${line}\n${stacks}\n`;
}
