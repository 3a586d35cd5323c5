import { type ErrorCode, StoreError } from '../../errors.ts';
import { causeText } from '../causeText.ts';
import { RestartError } from '../connection.ts';

/**
 * SQLSTATE to code, https://www.postgresql.org/docs/current/errcodes-appendix.html; two characters are
 * a class. What is not here is `QUERY_FAILED`.
 */
const CODES: Readonly<Record<string, ErrorCode>> = {
  '08': 'STORAGE_FAILED',
  '08P01': 'QUERY_FAILED', // also says that parameters are missing
  '23': 'CONSTRAINT_VIOLATED',
  '25P03': 'QUERY_TIMEOUT', // idle in a transaction
  '40002': 'CONSTRAINT_VIOLATED',
  '40003': 'OUTCOME_UNKNOWN',
  '53': 'STORAGE_FAILED',
  '53100': 'STORAGE_FULL',
  '53300': 'POOL_EXHAUSTED', // the server's own bound of connections
  '55P03': 'LOCK_TIMEOUT',
  '57014': 'QUERY_TIMEOUT',
  '57P': 'STORAGE_FAILED', // it shuts down, has crashed, starts, or dropped the database
  '58': 'STORAGE_FAILED',
  XX001: 'DATA_CORRUPT',
  XX002: 'DATA_CORRUPT',
};

const RESTART: ReadonlySet<string> = new Set([
  '40001' /* serialization failure */,
  '40P01' /* deadlock */,
]);

const SQLSTATE = /^[0-9A-Z]{5}$/;
/** The server closes the connection after these. */
const LAST_WORDS = /^(?:57P|08(?!P01)|25P03)/;

/** `undefined` for an error that did not come from the server. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  if (!('severity' in error) || typeof error.code !== 'string') return undefined;
  return SQLSTATE.test(error.code) ? error.code : undefined;
}

/** Whether no answer came, or the last one on this connection. */
export function isConnectionLost(error: unknown): boolean {
  const state = sqlState(error);
  return state === undefined ? !isMistake(error) : LAST_WORDS.test(state);
}

/** Whether a kept plan is gone, or does not fit the tables any more: it must be prepared anew. */
export function isStalePlan(error: unknown): boolean {
  const state = sqlState(error);
  if (state === '26000' || state === '42P05') return true;
  // The text is translated by servers; the name of the function that complains is not.
  const routine = state === '0A000' ? (error as { routine?: string }).routine : undefined;
  return routine === 'RevalidateCachedQuery';
}

export function postgresError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = `PostgreSQL: ${causeText(error)}`;
  const state = sqlState(error);
  if (state !== undefined && RESTART.has(state)) return new RestartError(message, error);
  return new StoreError(codeOf(state, error), message, { cause: error });
}

function codeOf(state: string | undefined, error: unknown): ErrorCode {
  if (state !== undefined) {
    const code = CODES[state] ?? CODES[state.slice(0, 3)] ?? CODES[state.slice(0, 2)];
    return code ?? 'QUERY_FAILED';
  }
  return isMistake(error) ? 'QUERY_FAILED' : 'STORAGE_FAILED';
}

/** Of the driver itself, and not of the network: a wrong call, or a password that cannot be. */
function isMistake(error: unknown): boolean {
  const isTypeError = (error as { name?: unknown } | null)?.name === 'TypeError';
  return isTypeError || causeText(error).startsWith('SASL');
}
