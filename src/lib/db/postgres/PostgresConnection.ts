import type pg from 'pg';
import type { Isolation, QueryResult, Row, TransactionOptions } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import { type Connection, RestartError, type Statement } from '../connection.ts';
import { Limit } from '../limit.ts';
import type { Parameter } from '../parameters.ts';
import type { DatabaseSettings } from '../settings.ts';
import { endsTransaction } from '../statementText.ts';
import { requestCancel } from './cancelRequest.ts';
import { checkEncodings, GREETING, greetingParams } from './greeting.ts';
import type { Pg } from './pg.ts';
import { isConnectionLost, isStalePlan, postgresError, sqlState } from './postgresError.ts';
import { type PlanCounts, PreparedStatements } from './PreparedStatements.ts';

/** What the client waits longer than the server: it is the server that should end a statement. */
const CLIENT_GRACE_MS = 500;
/** What a server may take to answer a request to cancel, before its connection is cut. */
const CANCEL_GRACE_MS = 1_000;

const ISOLATIONS: Readonly<Record<Isolation, string>> = {
  'read committed': 'READ COMMITTED',
  'repeatable read': 'REPEATABLE READ',
  serializable: 'SERIALIZABLE',
};

/** What all connections of a database share. */
export interface PostgresContext {
  readonly pg: Pg;
  readonly types: pg.CustomTypesConfig;
  readonly settings: DatabaseSettings;
  readonly counts: PlanCounts;
}

interface Send {
  readonly query: pg.QueryConfig;
  /** Default: the settings'. */
  readonly timeoutMs?: number | undefined;
  /** A commit is not: it may hold although it was cancelled. Default: true. */
  readonly isCancellable?: boolean | undefined;
}

/** One client of the pool, for as long as it lives. */
export class PostgresConnection implements Connection {
  readonly client: pg.PoolClient;
  readonly #context: PostgresContext;
  readonly #prepared: PreparedStatements;
  /** Which of the pool's generations it belongs to. */
  readonly generation: number;
  /** Why nothing can be sent any more. */
  #broken: unknown;
  /** Something was sent, and nobody will say what became of it. */
  #isUnanswered = false;
  #isGreeted = false;
  #isReadOnly = false;
  /** As the server said at the end of its last answer: `I`dle, in a `T`ransaction, or a failed one. */
  #status = 'I';

  constructor(client: pg.PoolClient, context: PostgresContext, generation: number) {
    this.client = client;
    this.generation = generation;
    this.#context = context;
    this.#prepared = new PreparedStatements(context.settings.preparedMax, context.counts);
    // IMPORTANT: the pool listens to idle clients only. Without this one, a server that ends a
    // connection between two statements of a transaction ends this process.
    client.on('error', (error) => (this.#broken ??= error));
    client.on('end', () => (this.#broken ??= new Error('Connection terminated')));
    client.connection.on('readyForQuery', ({ status }: { readonly status: string }) => {
      this.#status = status;
    });
  }

  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /** Sets the connection up when it is new, and returns what its server says of itself. */
  async greet(limit: Limit): Promise<Row | undefined> {
    if (this.#isGreeted) return undefined;
    const values = [...greetingParams(this.#context.settings)];
    const { rows } = await this.#send({ query: { text: GREETING, values } }, limit);
    const greeting = rows[0] as Row;
    checkEncodings(greeting);
    this.#isGreeted = true;
    return greeting;
  }

  async run(statement: Statement, limit: Limit): Promise<QueryResult> {
    let result = await this.#run(statement, limit);
    for (const params of statement.more ?? []) {
      result = await this.#run({ ...statement, params }, limit);
    }
    return result;
  }

  async #run(statement: Statement, limit: Limit): Promise<QueryResult> {
    this.#checkAlive();
    const isOpen = this.#isInTransaction();
    try {
      return await this.#withTimeout(limit, isOpen, () =>
        this.#runPrepared(statement, limit, isOpen),
      );
    } catch (error) {
      // Outside of a transaction each statement is its own commit.
      const isCommit = !isOpen || endsTransaction(statement.sql);
      if (!this.#isUnanswered || !isCommit || statement.isReadOnly) throw error;
      throw outcomeUnknown(error);
    }
  }

  async begin({ isolation, readOnly }: TransactionOptions, limit: Limit): Promise<void> {
    const level = ISOLATIONS[isolation ?? 'read committed'];
    if (level === undefined) {
      throw new StoreError('INVALID_ARGUMENT', `isolation ${String(isolation)} is not known`);
    }
    const access = readOnly === true ? 'READ ONLY' : 'READ WRITE';
    await this.#send({ query: { text: `BEGIN ISOLATION LEVEL ${level} ${access}` } }, limit);
    this.#isReadOnly = readOnly === true;
  }

  async commit(): Promise<void> {
    this.#checkAlive();
    try {
      await this.#command('COMMIT', false);
    } catch (error) {
      throw this.#isUnanswered && !this.#isReadOnly ? outcomeUnknown(error) : error;
    }
  }

  async rollback(): Promise<void> {
    if (this.isBroken) return;
    try {
      await this.#command('ROLLBACK');
    } catch (error) {
      this.destroy(error);
    }
  }

  /** Makes it fit for the next caller. False: nobody may have it again. */
  async tidy(): Promise<boolean> {
    if (this.isBroken || this.#isInTransaction()) return false;
    const names = this.#prepared.takeDropped();
    if (names.length === 0) return true;
    const { parsedStatements } = this.client.connection as ParsedStatements;
    for (const name of names) delete parsedStatements?.[name];
    try {
      await this.#command(names.map((name) => `DEALLOCATE ${name}`).join('; '));
      return true;
    } catch {
      // Somebody has let them go before; a new connection has none.
      return false;
    }
  }

  /** Cuts the connection: what runs on it fails, and the pool forgets it. */
  destroy(reason: unknown): void {
    this.#broken ??= reason;
    this.client.connection.stream.destroy();
  }

  async #runPrepared(statement: Statement, limit: Limit, isOpen: boolean): Promise<QueryResult> {
    const { sql, params } = statement;
    for (let isSecond = false; ; isSecond = true) {
      const name = statement.isUnprepared ? undefined : this.#prepared.nameOf(sql);
      const query = {
        text: sql,
        values: params.map(sent),
        ...(name === undefined ? {} : { name }),
      };
      try {
        const { rows, rowCount } = await this.#send({ query, timeoutMs: limit.timeoutMs }, limit);
        if (name !== undefined) this.#prepared.keep(sql, name);
        return { rows, rowCount };
      } catch (error) {
        if (name === undefined) throw error;
        const { cause } = error as StoreError;
        if (!isStalePlan(cause)) {
          // Parsed, and refused later: the server has it.
          if (this.#isParsed(name)) this.#prepared.keep(sql, name);
          throw error;
        }
        this.#prepared.forget(sql);
        if (isOpen) throw new RestartError('PostgreSQL: a prepared plan is out of date', cause);
        if (isSecond) throw error;
      }
    }
  }

  /** A statement that may take longer than others: the server must know. */
  async #withTimeout<T>(limit: Limit, isOpen: boolean, run: () => Promise<T>): Promise<T> {
    const { statementTimeoutMs } = this.#context.settings;
    const { timeoutMs } = limit;
    if (timeoutMs === undefined || timeoutMs <= statementTimeoutMs) return run();
    const set = isOpen ? 'SET LOCAL' : 'SET';
    const wanted = timeoutMs < 2 ** 31 ? Math.ceil(timeoutMs) : 0;
    await this.#command(`${set} statement_timeout = ${wanted}`);
    const result = await run().catch(async (error: unknown) => {
      // In a transaction the failure takes it back, and so does the end of it.
      if (!isOpen) await this.#restoreTimeout(set);
      throw error;
    });
    await this.#restoreTimeout(set);
    return result;
  }

  async #restoreTimeout(set: string): Promise<void> {
    if (this.isBroken) return;
    try {
      await this.#command(
        `${set} statement_timeout = ${this.#context.settings.statementTimeoutMs}`,
      );
    } catch (error) {
      this.destroy(error);
    }
  }

  async #command(text: string, isCancellable = true): Promise<void> {
    const limit = new Limit(this.#context.settings.clock, {});
    const { command } = await this.#send({ query: { text }, isCancellable }, limit);
    if (text === 'COMMIT' && command === 'ROLLBACK') {
      throw new StoreError('QUERY_FAILED', 'PostgreSQL rolled back: a statement had failed');
    }
  }

  /** Resolves with the answer, or rejects when there is one, or the connection is cut. */
  async #send(
    { query, timeoutMs, isCancellable = true }: Send,
    outer: Limit,
  ): Promise<QueryResult & { readonly command: string }> {
    outer.check();
    this.#checkAlive();
    const { types, settings } = this.#context;
    const ownMs = Math.max(settings.statementTimeoutMs, timeoutMs ?? 0) + CLIENT_GRACE_MS;
    const limit = new Limit(settings.clock, { timeoutMs: ownMs }, outer);
    const interruption = this.#interruptAt(limit, isCancellable);
    try {
      const results = (await this.client.query({ ...query, types })) as unknown;
      return lastResult(results);
    } catch (error) {
      throw this.#failed(error, limit.reached);
    } finally {
      await interruption.end();
      limit.end();
    }
  }

  #interruptAt(limit: Limit, isCancellable: boolean): { end(): Promise<void> } {
    const { pg, settings } = this.#context;
    const { clock } = settings;
    let request: Promise<boolean> | undefined;
    let endGrace: (() => void) | undefined;
    const forget = limit.onReached((reason) => {
      endGrace = clock.after(CANCEL_GRACE_MS, () => this.destroy(reason));
      const client = this.client;
      if (isCancellable) request = requestCancel(pg, client, { clock, withinMs: CANCEL_GRACE_MS });
    });
    return {
      end: async () => {
        forget();
        endGrace?.();
        // One that is still under way could hit the next statement.
        if (request !== undefined && !(await request)) this.destroy(limit.reached);
      },
    };
  }

  #failed(error: unknown, interruption: StoreError | undefined): StoreError {
    this.#isUnanswered = isConnectionLost(error);
    if (this.#isUnanswered) this.#broken ??= error;
    // Of a connection that was cut here, the reason says more than its end.
    if (this.#broken instanceof StoreError) return this.#broken;
    const isEnded = this.isBroken || sqlState(error) === '57014';
    return interruption !== undefined && isEnded ? interruption : postgresError(error);
  }

  #checkAlive(): void {
    if (this.#broken === undefined) return;
    throw postgresError(this.#broken);
  }

  #isInTransaction(): boolean {
    return this.#status !== 'I';
  }

  #isParsed(name: string): boolean {
    return (this.client.connection as ParsedStatements).parsedStatements?.[name] !== undefined;
  }
}

/** The driver's own list of names, which its types leave out. It would keep their SQL for ever. */
interface ParsedStatements {
  readonly parsedStatements?: Record<string, string>;
}

/** Of several statements in one text the last one answers. */
function lastResult(results: unknown): QueryResult & { readonly command: string } {
  const last = (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult<Row>;
  return { rows: last.rows, rowCount: last.rowCount ?? 0, command: last.command };
}

/** The driver turns text, bytes and arrays into what the server reads; the rest is text already. */
function sent(value: Parameter): unknown {
  return typeof value === 'bigint' || typeof value === 'number' ? String(value) : value;
}

function outcomeUnknown(cause: unknown): StoreError {
  const message = 'PostgreSQL: the connection was lost in a commit; it may hold or not';
  return new StoreError('OUTCOME_UNKNOWN', message, { cause });
}
