import type {
  DatabaseStats,
  Dialect,
  ListenOptions,
  QueryResult,
  TransactionOptions,
} from '../db.ts';
import { StoreError } from '../errors.ts';
import type { Limit } from './limit.ts';
import type { Parameter } from './parameters.ts';

export interface Statement {
  readonly sql: string;
  readonly params: readonly Parameter[];
  /** What it is run with after that, in the same turn. The last run answers. */
  readonly more?: readonly (readonly Parameter[])[];
  /** Nothing is in doubt when its connection dies. */
  readonly isReadOnly: boolean;
  /** No plan of it is kept: what it reads may change its shape before it runs again. */
  readonly isUnprepared?: true;
}

/** One connection, for one caller at a time, who calls one thing at a time. Errors: `StoreError`. */
export interface Connection {
  /** A `RestartError` where the transaction, or the statement outside of one, should run again. */
  run(statement: Statement, limit: Limit): Promise<QueryResult>;
  begin(options: TransactionOptions, limit: Limit): Promise<void>;
  /** `OUTCOME_UNKNOWN` when nobody can tell. A refused commit is rolled back. */
  commit(): Promise<void>;
  /** Never rejects: a connection that cannot roll back is closed, which does the same. */
  rollback(): Promise<void>;
}

/** What differs between databases. `ManagedDatabase` does the rest. */
export interface Driver {
  readonly dialect: Dialect;
  readonly location: string;
  /** What a transaction that writes has for itself alone; the same for every database that means it. */
  readonly lock: string | undefined;
  /** Called for at most `connectionsMax` at a time. */
  connect(limit: Limit): Promise<Connection>;
  /** `isSpent`: its state cannot be taken back (session locks, settings), so nobody gets it again. */
  release(connection: Connection, isSpent: boolean): Promise<void>;
  listen(
    channel: string,
    heard: (payload: string) => void,
    options: ListenOptions,
  ): Promise<() => Promise<void>>;
  stats(): Pick<DatabaseStats, 'connections' | 'idle' | 'prepared'>;
  /** Closes what it opened, and what is still in use. */
  close(): Promise<void>;
}

/** A deadlock or a serialization failure: nothing happened, and the same may succeed at once. */
export class RestartError extends StoreError {
  constructor(message: string, cause: unknown) {
    super('SERIALIZATION_FAILED', message, { cause });
  }
}
