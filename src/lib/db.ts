import type { DatabaseSync } from 'node:sqlite';
import { ManagedDatabase } from './db/ManagedDatabase.ts';
import { openDatabase } from './db/open.ts';
import { runEach } from './db/heldConnection.ts';
import { join } from './db/participants.ts';
import type { Clock } from './ports/clock.ts';
import type { Random } from './ports/random.ts';

export { fullJitterMs } from './db/backoff.ts';

/** Which SQL it speaks; `$1`, `$2`… name parameters on both. */
export { CONNECTIONS_MAX } from './db/settings.ts';

export type Dialect = 'postgres' | 'sqlite';

export type Row = Readonly<Record<string, unknown>>;

export interface QueryResult<R = Row> {
  readonly rows: readonly R[];
  /** Rows that were returned or changed. */
  readonly rowCount: number;
}

export interface QueryOptions {
  /**
   * Ends the statement, on the server too: `ABORTED`. SQLite works inside of the call (`node:sqlite` is
   * synchronous): there this, and every time-out, ends waits only.
   */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until `QUERY_TIMEOUT`, waiting for a connection included. */
  readonly timeoutMs?: number | undefined;
  /**
   * It changes nothing, so a connection that dies under it is `STORAGE_FAILED`, not
   * `OUTCOME_UNKNOWN`. Default: true for what begins with SELECT, VALUES, TABLE or SHOW. Say false
   * for a SELECT of a function that writes.
   */
  readonly readOnly?: boolean | undefined;
}

/** Something that runs SQL: a database, a transaction, one connection. */
export interface Queryable {
  /**
   * Parameters: null and undefined, text, finite numbers, bigint, booleans (0 and 1 in SQLite), bytes,
   * dates (as ISO text in UTC), arrays (PostgreSQL only). `INVALID_ARGUMENT` for anything else, and for
   * text that would not come back as it was: with NUL, or with half of a surrogate pair.
   *
   * Results: whole numbers are numbers where they are safe and bigint beyond, bytes are a `Uint8Array`;
   * dates, `numeric` and `json` are the text of the server, in UTC.
   *
   * Several statements in one text take no parameters, are all done or none, and the last one answers.
   */
  query<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>>;
}

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

export interface TransactionOptions extends QueryOptions {
  /** Default: `read committed`. SQLite is always serializable. */
  readonly isolation?: Isolation | undefined;
  /** The database refuses to write in it. Default: false. */
  readonly readOnly?: boolean | undefined;
  /** How often it begins anew after a deadlock or a serialization failure. Default: `retriesMax`. */
  readonly retriesMax?: number | undefined;
}

/** Who takes part in a transaction that somebody else has begun. */
export interface Participant {
  /**
   * Called when the callback has returned, directly before the COMMIT. False when what it rests on is
   * no longer so: all is rolled back, and the callback runs again.
   */
  prepare(): Promise<boolean>;
  /** What a caller is told who was sent back too often. */
  readonly refusal: () => Error;
  /** The COMMIT has succeeded. */
  committed(): void;
}

export interface DatabaseStats {
  /** Connections that are open, and those of them that nobody uses. */
  readonly connections: number;
  readonly idle: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
  /** Statements run by a prepared plan, and those that had to be prepared. */
  readonly prepared: { readonly hits: number; readonly misses: number };
  /** Transactions that began anew. */
  readonly retries: number;
}

export interface ListenOptions {
  /** The connection was lost for a while: notifications in between are gone. */
  readonly onGap?: (() => void) | undefined;
}

/**
 * A database behind a pool of connections. Failures are `StoreError`s: `POOL_EXHAUSTED`,
 * `QUERY_TIMEOUT`, `LOCK_TIMEOUT`, `CONSTRAINT_VIOLATED`, `QUERY_FAILED`, `STORAGE_FAILED` when it
 * cannot be reached, `OUTCOME_UNKNOWN` when the connection died in a commit.
 */
export interface Database extends Queryable, AsyncDisposable {
  readonly dialect: Dialect;
  /** As it was given, without its password. */
  readonly location: string;
  /**
   * All of `work` or nothing: a throw rolls back and is thrown on. After a deadlock or a
   * serialization failure `work` runs again, so it must have no other effects. Asking the database
   * for another connection inside of it is `NESTED_CONNECTION`. A statement that failed fails the
   * transaction, though `work` caught the error, unless it went back to a savepoint. `OUTCOME_UNKNOWN`
   * when the connection died in the commit, which is never repeated.
   */
  transaction<T>(work: (tx: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * Keeps one connection for `work`, without a transaction: for session locks and the like. What it
   * has set ends with it, because the connection is closed then; SQLite has only one, and keeps it.
   */
  session<T>(work: (session: Queryable) => Promise<T>, options?: QueryOptions): Promise<T>;
  /**
   * Calls `heard` with the payload of each notification until the returned function is called.
   * PostgreSQL only; `UNSUPPORTED` elsewhere. Resolves once it listens, on a connection beside the
   * pool, which listens again after a loss and keeps no process alive.
   */
  listen(
    channel: string,
    heard: (payload: string) => void,
    options?: ListenOptions,
  ): Promise<() => Promise<void>>;
  stats(): DatabaseStats;
  /** Waits up to 10 s for what is under way, then closes every connection. May be called twice. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Connections at most. Default: 10; SQLite has one. */
  readonly connectionsMax?: number | undefined;
  /** Callers that may wait for one. Default: 1,000; more are refused with `POOL_EXHAUSTED`. */
  readonly waitingMax?: number | undefined;
  /** How long they wait. Default: 5,000. */
  readonly acquireTimeoutMs?: number | undefined;
  /** For one statement: on the server, and a little later here, by cancelling it. Default: 30,000. */
  readonly statementTimeoutMs?: number | undefined;
  /** For a lock of a row or table. Default: 10,000. */
  readonly lockTimeoutMs?: number | undefined;
  /** A transaction that does nothing for so long is ended by the server. Default: 60,000. */
  readonly idleInTransactionTimeoutMs?: number | undefined;
  /** Statements kept prepared by each connection; 0 for a pooler of transactions. Default: 256. */
  readonly preparedMax?: number | undefined;
  /** How often a transaction begins anew, or a statement outside of one. Default: 5. */
  readonly retriesMax?: number | undefined;
  /** Make the file of SQLite when it is missing. Default: true; else `NOT_FOUND`. */
  readonly create?: boolean | undefined;
  /** Told of what endangers data: settings of the server, an old SQLite. Default: a process warning. */
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** What is used of a `pg.Pool` that a caller brings: the types of `pg` are not needed to use this. */
export interface PostgresPool {
  readonly options: { readonly max: number };
  readonly totalCount: number;
  readonly idleCount: number;
  connect(): Promise<unknown>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/**
 * Connects to `postgres://…`, `sqlite:./file.db` or `sqlite::memory:`, or takes over what its caller
 * has opened, and leaves that open at `close`. Resolves once the database has answered.
 */
export function connectDatabase(
  place: string | PostgresPool | DatabaseSync,
  options: DatabaseOptions = {},
): Promise<Database> {
  return openDatabase(place, options);
}

/** Takes part in a transaction, in its callback: `tx` is what that was given. */
export function joinTransaction(tx: Queryable, participant: Participant): void {
  join(tx, participant);
}

/**
 * Whether a write to `db` would wait for the very call that makes it: inside of the callback of a
 * transaction of another `Database` on the same file of SQLite.
 */
export function isHeldByCaller(db: Database): boolean {
  return db instanceof ManagedDatabase && db.isHeldByCaller;
}

/**
 * Runs one statement with each of these parameters, in a transaction. In one of `connectDatabase` with
 * SQLite it takes a few microseconds each. Errors as of `query`; what ran before one is in `tx`.
 */
export function queryEach(
  tx: Queryable,
  sql: string,
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  return runEach(tx, sql, rows);
}
