import type { Dialect, QueryOptions, QueryResult, Row } from '../db.ts';
import { StoreError } from '../errors.ts';
import type { Connection } from './connection.ts';
import { refuseUnfit } from './fit.ts';
import type { MigrationContext, MigrationFunction } from './migration.ts';
import { type Statement, statementsIn, verbOf } from './statements.ts';

const WRITES = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'REPLACE']);

/**
 * The `tx` of a migration: it counts rows, refuses to end the transaction that is not its own, and
 * ends with the function that it was given to.
 */
export class TrackedContext implements MigrationContext {
  /** Rows that were written so far. */
  rows = 0;
  readonly dialect: Dialect;
  readonly signal: AbortSignal | undefined;
  readonly #connection: Connection;
  readonly #source: string;
  readonly #transactional: boolean;
  readonly #running = new Set<Promise<unknown>>();
  #ended = false;
  /** The first that no savepoint took back. */
  #failure: Error | undefined;

  constructor(connection: Connection, source: string, transactional: boolean) {
    this.#connection = connection;
    this.#source = source;
    this.#transactional = transactional;
    this.dialect = connection.dialect;
    this.signal = connection.signal;
  }

  /** Several statements in one call are run one after another; the result is that of the last. */
  query<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>> {
    const result = this.#query<R>(sql, params, options);
    this.#running.add(result);
    const settled = () => this.#running.delete(result);
    result.then(settled, settled);
    return result;
  }

  /** Runs `work` with it. A statement that was not awaited is waited for, and is a mistake. */
  async during(work: MigrationFunction): Promise<void> {
    try {
      await work(this);
    } finally {
      this.#ended = true;
      const forgotten = this.#running.size;
      await Promise.allSettled(this.#running);
      if (forgotten > 0) this.#refuseForgotten();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #query<R>(
    sql: string,
    params: readonly unknown[] | undefined,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<R>> {
    if (this.#ended) {
      const message = `${this.#source}: its \`tx\` was used after its function had returned`;
      throw new StoreError('TRANSACTION_ENDED', message);
    }
    const statements = statementsIn(sql, this.dialect);
    refuseUnfit(statements, this.#source, this.#transactional);
    const isOne = statements.length < 2 || (params !== undefined && params.length > 0);
    let result: QueryResult<R> = { rows: [], rowCount: 0 };
    for (const { text, statement } of isOne ? [whole(sql, statements)] : statements.map(each)) {
      result = await this.#run<R>(text, params, options, statement);
      if (statement !== undefined && WRITES.has(verbOf(statement))) this.rows += result.rowCount;
    }
    return result;
  }

  /** PostgreSQL refuses what follows a failure, up to the way back to a savepoint; SQLite does not. */
  async #run<R>(
    sql: string,
    params: readonly unknown[] | undefined,
    options: QueryOptions | undefined,
    statement: Statement | undefined,
  ): Promise<QueryResult<R>> {
    const isWayBack = statement?.tokens[0]?.text === 'ROLLBACK';
    if (this.#failure !== undefined && !isWayBack) {
      const message = 'an earlier statement failed, and with it the transaction';
      throw new StoreError('QUERY_FAILED', message, { cause: this.#failure });
    }
    try {
      const result = await this.#connection.queryLong<R>(sql, params, options);
      if (isWayBack) this.#failure = undefined;
      return result;
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      if (this.#transactional) this.#failure ??= failure;
      throw failure;
    }
  }

  #refuseForgotten(): never {
    const message = `${this.#source}: it returned before its statements had ended: await each of them`;
    throw new StoreError('MIGRATION_FAILED', message);
  }
}

interface Piece {
  readonly text: string;
  readonly statement: Statement | undefined;
}

function whole(text: string, statements: readonly Statement[]): Piece {
  return { text, statement: statements[0] };
}

function each(statement: Statement): Piece {
  return { text: statement.text, statement };
}
