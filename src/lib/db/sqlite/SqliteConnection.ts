import type { DatabaseSync } from 'node:sqlite';
import type { QueryResult, TransactionOptions } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import { fullJitterMs, type Growth, pause } from '../backoff.ts';
import type { Connection, Statement } from '../connection.ts';
import { Limit } from '../limit.ts';
import { isInsideOf } from '../nesting.ts';
import type { DatabaseSettings } from '../settings.ts';
import { beginsTransaction } from '../statementText.ts';
import { isBusy, isIoError, outcomeUnknown, sqliteError } from './sqliteError.ts';
import { execute, type Prepared, Statements } from './statements.ts';

/**
 * SQLite keeps no line of those who wait: whoever asks in the moment when the lock is free has it. So who
 * has waited long must not ask more seldom than others. (Measured: of two processes that write for
 * 20 s without a pause each waits 1 s at most; with a cap of 100 ms one waited 17 s. It costs 4 % of a core
 * while one waits.)
 */
const BUSY_WAIT: Growth = { firstMs: 2, capMs: 8 };

/**
 * The one connection to a database. `node:sqlite` is synchronous: nothing ends a statement that runs,
 * neither a time-out nor a signal. Locks of other connections are waited for without blocking.
 */
export class SqliteConnection implements Connection {
  readonly statements: Statements;
  readonly #database: DatabaseSync;
  readonly #settings: DatabaseSettings;
  readonly #file: string | undefined;
  #isReadOnly = false;

  /** `file`: as SQLite names it. */
  constructor(database: DatabaseSync, settings: DatabaseSettings, file: string | undefined) {
    this.#database = database;
    this.#file = file;
    this.#settings = settings;
    this.statements = new Statements(database, settings.preparedMax);
  }

  /** A closed one is in none; asking it would throw. */
  get isInTransaction(): boolean {
    return this.#database.isOpen && this.#database.isTransaction;
  }

  async run(statement: Statement, limit: Limit): Promise<QueryResult> {
    const { sql, params, more = [] } = statement;
    const isCommit = !this.isInTransaction;
    try {
      return await this.#patiently(limit, () => {
        const prepared = this.statements.prepare(sql);
        if (prepared === undefined) return { rows: [], rowCount: 0 };
        if (prepared.rest !== undefined) return this.#runScript(prepared, sql, params.length);
        let result = execute(prepared, params);
        for (const next of more) result = execute(prepared, next);
        return result;
      });
    } catch (error) {
      throw isCommit && !statement.isReadOnly ? commitError(error) : this.#refused(error);
    }
  }

  /** `IMMEDIATE`: a transaction that reads first and writes then could not wait for its lock. */
  async begin({ readOnly = false }: TransactionOptions, limit: Limit): Promise<void> {
    try {
      const sql = readOnly ? 'BEGIN' : 'BEGIN IMMEDIATE';
      await this.#patiently(limit, () => this.#database.exec(sql));
      if (!readOnly) return;
      this.#database.exec('PRAGMA query_only = 1');
      this.#isReadOnly = true;
    } catch (error) {
      throw sqliteError(error);
    }
  }

  async commit(): Promise<void> {
    const limit = new Limit(this.#settings.clock, {});
    try {
      await this.#patiently(limit, () => this.#database.exec('COMMIT'));
      this.#endReadOnly();
    } catch (error) {
      await this.rollback();
      throw commitError(error);
    }
  }

  rollback(): Promise<void> {
    try {
      this.#endReadOnly();
      // SQLite has rolled back by itself after some failures, a full disk among them.
      if (this.isInTransaction) this.#database.exec('ROLLBACK');
    } catch {
      // There is no other connection: closed, it rolls back, and every later call says so.
      if (this.#database.isOpen) this.#database.close();
    }
    return Promise.resolve();
  }

  /** Several statements in one text: all or nothing, as PostgreSQL has it. The last one answers. */
  #runScript(first: Prepared, sql: string, paramCount: number): QueryResult {
    if (paramCount > 0) {
      throw new StoreError('QUERY_FAILED', 'SQLite: several statements cannot have parameters');
    }
    const isOwn = !this.isInTransaction && !beginsTransaction(sql);
    if (isOwn) this.#database.exec('BEGIN IMMEDIATE');
    try {
      let result = execute(first, []);
      for (let rest = first.rest; rest !== undefined;) {
        // Each is prepared when the one before it has run: it may use what that has made.
        const next = this.statements.prepare(rest);
        if (next === undefined) break;
        result = execute(next, []);
        rest = next.rest;
      }
      if (isOwn) this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (isOwn && this.isInTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  async #patiently<T>(limit: Limit, attempt: () => T): Promise<T> {
    limit.check();
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (!this.isInTransaction && isInsideOf(this.#file)) throw waitsForItself(this.#file, error);
      return this.#waitFor(attempt, error, limit);
    }
  }

  /** `busy` is the first refusal. */
  async #waitFor<T>(attempt: () => T, busy: unknown, outer: Limit): Promise<T> {
    const { clock, random, lockTimeoutMs } = this.#settings;
    const limit = new Limit(clock, { timeoutMs: lockTimeoutMs }, outer);
    try {
      for (let waits = 0; limit.reached === undefined; waits++) {
        // A limit that ends the pause ends the loop, too, after one more attempt.
        await pause(clock, fullJitterMs(random, BUSY_WAIT, waits), limit).catch(() => undefined);
        try {
          return attempt();
        } catch (error) {
          if (!isBusy(error)) throw error;
        }
      }
      throw outer.reached ?? lockTimeout(this.#file, lockTimeoutMs, busy);
    } finally {
      limit.end();
    }
  }

  #endReadOnly(): void {
    if (!this.#isReadOnly) return;
    this.#isReadOnly = false;
    this.#database.exec('PRAGMA query_only = 0');
  }

  #refused(error: unknown): StoreError {
    const failure = sqliteError(error);
    if (!this.#isReadOnly || failure.code !== 'STORAGE_FAILED') return failure;
    const message = 'SQLite: a read-only transaction cannot write';
    return new StoreError('QUERY_FAILED', message, { cause: error });
  }
}

const REMEDY =
  'inside of a transaction use its `tx`, and `store.enlist(tx)` for a store in the same file';

function lockTimeout(file = 'the database', ms: number, cause: unknown): StoreError {
  const message = `SQLite: another connection had the lock of ${file} for ${ms} ms and more; ${REMEDY}`;
  return new StoreError('LOCK_TIMEOUT', message, { cause });
}

function waitsForItself(file = 'the database', cause: unknown): StoreError {
  const message = `SQLite: the transaction around this call has the lock of ${file}; ${REMEDY}`;
  return new StoreError('NESTED_CONNECTION', message, { cause });
}

function commitError(error: unknown): StoreError {
  return isIoError(error) ? outcomeUnknown(error) : sqliteError(error);
}
