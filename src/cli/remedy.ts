import { ERROR_CODES, type StoreError } from '../index.ts';
import { systemCode } from './errorFacts.ts';

const UNREACHED =
  'check that the database server runs, and its host and port in the URL; then call again';
const NO_FILE = 'check that the folder of the file is there, and that you may write in it';
const NOT_LET_IN = 'check the user and the password in the URL';

/** By what the server answers (SQLSTATE), or by what the system says of its address. */
const OF_DATABASE: readonly (readonly [RegExp, string])[] = [
  [/^28/, NOT_LET_IN],
  [/^3D000$/, 'check the name of the database in the URL, or create it'],
  [/^42501$/, 'ask its owner for the rights: docs/databases.md names them, under Roles'],
  [/^(08...|57P0.|E(CONN|HOST|NET|TIMEDOUT|PIPE|AI_)[A-Z_]*|ENOTFOUND)$/, UNREACHED],
];

/** The driver itself refuses a password, or the lack of one. */
const NO_PASSWORD = /^PostgreSQL: SASL/;

/** Messages that give the command to run. */
const SAYS_ITSELF = /\b(run|install|use) `/;

/**
 * What to do about a failure of a store: that of its code, or what fits the cause better. `undefined`
 * where the message says it already.
 */
export function remedyOf(error: StoreError): string | undefined {
  if (SAYS_ITSELF.test(error.message)) return undefined;
  return remedyOfDatabase(error) ?? ERROR_CODES[error.code].remedy;
}

/** For what a database refuses at the door; `undefined` for everything else. */
export function remedyOfDatabase(error: StoreError): string | undefined {
  const { cause, code, message } = error;
  if (NO_PASSWORD.test(message)) return NOT_LET_IN;
  const state = systemCode(cause) ?? '';
  const known = OF_DATABASE.find(([pattern]) => pattern.test(state));
  if (known !== undefined) return known[1];
  if (code !== 'STORAGE_FAILED') return undefined;
  if (message === 'SQLite: unable to open database file') return NO_FILE;
  // Without an answer of the server there is no SQLSTATE.
  return /^postgres/i.test(message) && state.length !== 5 ? UNREACHED : undefined;
}
