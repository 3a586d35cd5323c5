import type { Row } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import type { DatabaseSettings } from '../settings.ts';

/** Settings of every connection, and what must be known of its server, in one round trip. */
export const GREETING = `SELECT
  set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
  set_config('idle_in_transaction_session_timeout', $3, false),
  set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),
  set_config('client_encoding', 'UTF8', false) AS client_encoding,
  current_setting('server_encoding') AS server_encoding, current_database() AS database,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
  current_setting('synchronous_commit') AS synchronous_commit`;

const DURABLE = ['fsync', 'full_page_writes', 'synchronous_commit'] as const;

export function greetingParams(settings: DatabaseSettings): readonly string[] {
  const { statementTimeoutMs, lockTimeoutMs, idleInTransactionTimeoutMs } = settings;
  return [statementTimeoutMs, lockTimeoutMs, idleInTransactionTimeoutMs].map(String);
}

/** Text in another encoding is changed on its way, or refused halfway. */
export function checkEncodings(greeting: Row): void {
  for (const name of ['server_encoding', 'client_encoding'] as const) {
    if (greeting[name] === 'UTF8') continue;
    const message =
      `the database ${String(greeting['database'])} has ${name} ${String(greeting[name])};` +
      " only UTF8 holds every text: create it with ENCODING 'UTF8'";
    throw new StoreError('UNSUPPORTED', message);
  }
}

/** What a crash of the server may take although it was acknowledged. */
export function durabilityWarnings(greeting: Row): readonly string[] {
  return DURABLE.filter((name) => greeting[name] === 'off').map(
    (name) => `PostgreSQL runs with ${name} = off: a crash may lose or damage what was committed`,
  );
}
