import type { Dialect, Queryable, QueryOptions, QueryResult, Row } from '../db.ts';
import { isStoreError, StoreError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { Patience } from './waiting.ts';

export interface ConnectionOptions {
  readonly dialect: Dialect;
  readonly signal: AbortSignal | undefined;
  /** For each statement. */
  readonly statementTimeoutMs: number;
  /** For the lock of an SQLite file. */
  readonly lockTimeoutMs: number;
  readonly clock: Clock;
}

/**
 * One connection, held for as long as migrations run, with transactions that are begun and ended by
 * hand: were a migration on another connection than the lock, it would go on when the lock is lost.
 */
export class Connection implements Queryable {
  readonly dialect: Dialect;
  readonly signal: AbortSignal | undefined;
  readonly #session: Queryable;
  readonly #options: ConnectionOptions;

  constructor(session: Queryable, options: ConnectionOptions) {
    this.#session = session;
    this.dialect = options.dialect;
    this.signal = options.signal;
    this.#options = options;
  }

  query<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options: QueryOptions = {},
  ): Promise<QueryResult<R>> {
    return this.#session.query<R>(sql, params, { signal: this.signal, ...options });
  }

  /** For statements of migrations, which may take longer than those of programs. */
  queryLong<R>(
    sql: string,
    params: readonly unknown[] | undefined,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<R>> {
    const { statementTimeoutMs: timeoutMs } = this.#options;
    return this.query<R>(sql, params, { timeoutMs, ...options });
  }

  /** Commits what `work` did, or with `keep: false` takes it back; takes it back when it throws. */
  async transaction<T>(work: () => Promise<T>, { keep = true } = {}): Promise<T> {
    await this.#begin();
    let result: T;
    try {
      result = await work();
      if (keep) await this.#finally('COMMIT');
    } catch (error) {
      // A COMMIT of unknown outcome is followed by a ROLLBACK too: it ends what may still be open.
      await this.#rollBackAfter(error);
      throw error;
    }
    if (!keep) await this.#rollBack();
    return result;
  }

  /** What a COMMIT would check, in a transaction that will not have one. */
  async checkDeferred(): Promise<void> {
    if (this.dialect === 'sqlite') return;
    await this.query('SAVEPOINT holdfast_deferred');
    await this.query('SET CONSTRAINTS ALL IMMEDIATE');
    // Later migrations find their constraints deferred again.
    await this.query('ROLLBACK TO SAVEPOINT holdfast_deferred');
  }

  /**
   * With foreign keys enforced SQLite's `DROP TABLE` deletes the rows of other tables that refer to it;
   * so they are off while migrations run, as its documentation advises, and checked before COMMIT.
   * (sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes".)
   */
  async withoutForeignKeys<T>(work: () => Promise<T>): Promise<T> {
    if (this.dialect === 'postgres') return work();
    const { rows } = await this.query('PRAGMA foreign_keys');
    const wereOn = Number(rows[0]?.['foreign_keys']) === 1;
    await this.query('PRAGMA foreign_keys = OFF');
    try {
      return await work();
    } finally {
      if (wereOn) await this.#finally('PRAGMA foreign_keys = ON');
    }
  }

  /** Without the caller's signal: what has to be brought to its end is not aborted. */
  async #finally(sql: string): Promise<void> {
    await this.#session.query(sql);
  }

  async #begin(): Promise<void> {
    if (this.dialect === 'postgres') {
      await this.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
      return;
    }
    const { clock, lockTimeoutMs } = this.#options;
    const patience = new Patience(clock, lockTimeoutMs);
    for (;;) {
      try {
        await this.query('BEGIN IMMEDIATE', [], { timeoutMs: Math.max(1, patience.leftMs) });
        return;
      } catch (cause) {
        if (!isStoreError(cause, 'LOCK_TIMEOUT') && !isStoreError(cause, 'QUERY_TIMEOUT'))
          throw cause;
        if (await patience.wait(this.signal)) continue;
        const message = `another connection wrote to the file for more than ${lockTimeoutMs} ms`;
        throw new StoreError('LOCK_TIMEOUT', message, { cause });
      }
    }
  }

  async #rollBack(): Promise<void> {
    await this.#finally('ROLLBACK');
  }

  /** What went wrong first is what the caller hears; that this failed too is kept as a detail. */
  async #rollBackAfter(error: unknown): Promise<void> {
    try {
      await this.#rollBack();
    } catch (failure) {
      if (error instanceof Error && error.cause === undefined) error.cause = failure;
    }
  }
}
