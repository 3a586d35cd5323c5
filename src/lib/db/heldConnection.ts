import type {
  Participant,
  Queryable,
  QueryOptions,
  QueryResult,
  Row,
  TransactionOptions,
} from '../db.ts';
import { StoreError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { type Connection, RestartError, type Statement } from './connection.ts';
import { Limit } from './limit.ts';
import { checkParameters, refusal } from './parameters.ts';
import { openForParticipants, participantsOf } from './participants.ts';
import { controlsTransaction, onlyReads, rollsBackToSavepoint } from './statementText.ts';

export function statementOf(
  sql: string,
  params: readonly unknown[] = [],
  options: QueryOptions = {},
): Statement {
  if (sql.includes('\0')) throw refusal('sql', 'a statement cannot hold a NUL character');
  const isReadOnly = options.readOnly ?? onlyReads(sql);
  return { sql, params: checkParameters(params), isReadOnly };
}

/**
 * Runs a statement with each of these parameters, in a transaction: of that of a database in one turn,
 * which is many times as fast as so many calls.
 */
export async function runEach(
  tx: Queryable,
  sql: string,
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  if (!(tx instanceof HeldConnection)) {
    for (const params of rows) await tx.query(sql, params);
    return;
  }
  const [params, ...more] = rows;
  if (params === undefined) return;
  await tx.inTurn({ ...statementOf(sql, params), more: more.map(checkParameters) }, {});
}

/** A connection in the hands of a callback. Statements that are not awaited run one after another. */
class HeldConnection implements Queryable {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #limit: Limit;
  #last: Promise<unknown> = Promise.resolve();
  #hasEnded = false;

  constructor(connection: Connection, clock: Clock, limit: Limit) {
    this.#connection = connection;
    this.#clock = clock;
    this.#limit = limit;
  }

  async query<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options: QueryOptions = {},
  ): Promise<QueryResult<R>> {
    return (await this.inTurn(statementOf(sql, params, options), options)) as QueryResult<R>;
  }

  async inTurn(statement: Statement, options: QueryOptions): Promise<QueryResult> {
    if (this.#hasEnded) {
      throw new StoreError(
        'TRANSACTION_ENDED',
        'its callback has returned; await every query in it',
      );
    }
    const turn = this.#last.then(() => this.#bounded(statement, options));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Waits for what was not awaited, and then refuses everything. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#last;
  }

  protected run(statement: Statement, limit: Limit): Promise<QueryResult> {
    return this.#connection.run(statement, limit);
  }

  async #bounded(statement: Statement, options: QueryOptions): Promise<QueryResult> {
    const limit = new Limit(this.#clock, options, this.#limit);
    try {
      return await this.run(statement, limit);
    } finally {
      limit.end();
    }
  }
}

/**
 * PostgreSQL refuses everything after a failed statement but the way back to a savepoint, and SQLite
 * goes on. Here both refuse: what works on one must work on the other.
 */
class HeldTransaction extends HeldConnection {
  /** The first failure that no savepoint took back. */
  failure: StoreError | undefined;

  protected override async run(statement: Statement, limit: Limit): Promise<QueryResult> {
    const isWayBack = rollsBackToSavepoint(statement.sql);
    if (this.failure !== undefined && !isWayBack) {
      const message = 'an earlier statement failed, and with it the transaction';
      throw new StoreError('QUERY_FAILED', message, { cause: this.failure });
    }
    if (controlsTransaction(statement.sql)) {
      throw refusal('sql', 'a transaction ends with its callback: return, or throw');
    }
    try {
      const result = await super.run(statement, limit);
      if (isWayBack) this.failure = undefined;
      return result;
    } catch (error) {
      this.failure ??= error as StoreError;
      throw error;
    }
  }
}

/** Sessions are for what changes tables, and a plan is of no use on a connection that ends with them. */
class HeldSession extends HeldConnection {
  protected override run(statement: Statement, limit: Limit): Promise<QueryResult> {
    return super.run({ ...statement, isUnprepared: true }, limit);
  }
}

/** Nothing happened, and it should run again; `reason` is for whoever has tried often enough. */
export class Restart extends Error {
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('it should run again', { cause: reason });
    this.reason = reason;
  }
}

/** One try: begins, works, and commits or rolls back. Rejects with a `Restart`, or with what failed. */
export async function tryTransaction<T>(
  connection: Connection,
  work: (tx: Queryable) => Promise<T>,
  { options, clock, limit }: { options: TransactionOptions; clock: Clock; limit: Limit },
): Promise<T> {
  await connection.begin(options, limit).catch(restartable);
  const tx = new HeldTransaction(connection, clock, limit);
  openForParticipants(tx);
  let result: T;
  let participants: readonly Participant[];
  try {
    result = await work(tx);
    participants = participantsOf(tx);
    for (const participant of participants) {
      if (!(await participant.prepare())) throw new Restart(participant.refusal());
    }
    await tx.end();
    if (tx.failure !== undefined) throw tx.failure;
    limit.check();
  } catch (error) {
    await tx.end();
    await connection.rollback();
    // What the callback made of a deadlock does not count: it decided on what never happened.
    throw tx.failure instanceof RestartError ? new Restart(error) : error;
  }
  await connection.commit().catch(restartable);
  for (const participant of participants) participant.committed();
  return result;
}

export function restartable(error: unknown): never {
  throw error instanceof RestartError ? new Restart(error) : error;
}

export async function runSession<T>(
  connection: Connection,
  work: (session: Queryable) => Promise<T>,
  { clock, limit }: { clock: Clock; limit: Limit },
): Promise<T> {
  const session = new HeldSession(connection, clock, limit);
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}
