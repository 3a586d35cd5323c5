import type {
  Database,
  DatabaseStats,
  Dialect,
  ListenOptions,
  Queryable,
  QueryOptions,
  QueryResult,
  Row,
  TransactionOptions,
} from '../db.ts';
import { StoreError } from '../errors.ts';
import { Admission } from './admission.ts';
import { fullJitterMs, type Growth, pause } from './backoff.ts';
import type { Connection, Driver } from './connection.ts';
import { Restart, restartable, runSession, statementOf, tryTransaction } from './heldConnection.ts';
import { Limit } from './limit.ts';
import { holding, isInsideOf, refuseNested } from './nesting.ts';
import { refusal } from './parameters.ts';
import type { DatabaseSettings } from './settings.ts';
import { reachesFurther } from './statementText.ts';

const RETRY: Growth = { firstMs: 10, capMs: 1_000 };
/** What `close` waits for calls that are under way. */
const CLOSE_WAIT_MS = 10_000;

/** Bounds, nesting, retries and closing: what is the same over every driver. */
export class ManagedDatabase implements Database {
  readonly #driver: Driver;
  readonly #settings: DatabaseSettings;
  readonly #admission: Admission;
  #retries = 0;
  #closing: Promise<void> | undefined;

  constructor(driver: Driver, settings: DatabaseSettings) {
    this.#driver = driver;
    this.#settings = settings;
    this.#admission = new Admission(settings);
  }

  get dialect(): Dialect {
    return this.#driver.dialect;
  }

  get location(): string {
    return this.#driver.location;
  }

  async query<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options: QueryOptions = {},
  ): Promise<QueryResult<R>> {
    this.#checkFree();
    if (reachesFurther(sql)) {
      throw refusal('sql', 'the next query may have another connection: use `transaction`');
    }
    const statement = statementOf(sql, params, options);
    const result = await this.#untilDone(options, this.#settings.retriesMax, (limit) =>
      this.#connected(limit, (connection) => connection.run(statement, limit).catch(restartable)),
    );
    return result as QueryResult<R>;
  }

  async transaction<T>(
    work: (tx: Queryable) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    this.#checkFree();
    const { retriesMax = this.#settings.retriesMax } = options;
    const { clock } = this.#settings;
    return this.#untilDone(options, retriesMax, (limit) =>
      this.#connected(limit, (connection) => {
        const lock = options.readOnly === true ? undefined : this.#driver.lock;
        const held = (tx: Queryable) => holding(this, () => work(tx), lock);
        return tryTransaction(connection, held, { options, clock, limit });
      }),
    );
  }

  async session<T>(
    work: (session: Queryable) => Promise<T>,
    options: QueryOptions = {},
  ): Promise<T> {
    this.#checkFree();
    const { clock } = this.#settings;
    return this.#untilDone(options, 0, (limit) =>
      this.#connected(
        limit,
        (connection) => holding(this, () => runSession(connection, work, { clock, limit })),
        true,
      ),
    );
  }

  async listen(
    channel: string,
    heard: (payload: string) => void,
    options: ListenOptions = {},
  ): Promise<() => Promise<void>> {
    this.#checkFree();
    return this.#driver.listen(channel, heard, options);
  }

  stats(): DatabaseStats {
    const { waiting } = this.#admission;
    return { ...this.#driver.stats(), waiting, retries: this.#retries };
  }

  async close(): Promise<void> {
    refuseNested(this);
    this.#closing ??= this.#close();
    await this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkFree(): void {
    refuseNested(this);
    if (this.#closing !== undefined)
      throw new StoreError('STORE_CLOSED', 'the database was closed');
  }

  /** Runs `attempt` until it does not ask to begin again, within the bounds of its caller. */
  async #untilDone<T>(
    bounds: QueryOptions,
    retriesMax: number,
    attempt: (limit: Limit) => Promise<T>,
  ): Promise<T> {
    const { clock, random } = this.#settings;
    const limit = new Limit(clock, bounds);
    try {
      for (let retries = 0; ; retries++) {
        try {
          return await attempt(limit);
        } catch (error) {
          if (!(error instanceof Restart)) throw error;
          if (retries >= retriesMax) throw error.reason;
        }
        this.#retries += 1;
        // Without its connection: who waits keeps nobody else waiting.
        await pause(clock, fullJitterMs(random, RETRY, retries), limit);
      }
    } finally {
      limit.end();
    }
  }

  /** Whether a write of this caller would wait for the transaction that the caller is inside of. */
  get isHeldByCaller(): boolean {
    return isInsideOf(this.#driver.lock);
  }

  async #connected<T>(
    limit: Limit,
    use: (connection: Connection) => Promise<T>,
    isSpent = false,
  ): Promise<T> {
    await this.#admission.enter(limit);
    try {
      const connection = await this.#driver.connect(limit);
      try {
        return await use(connection);
      } finally {
        await this.#driver.release(connection, isSpent);
      }
    } finally {
      this.#admission.leave();
    }
  }

  async #close(): Promise<void> {
    const { clock } = this.#settings;
    let cancel: (() => void) | undefined;
    const patience = new Promise<void>((resolve) => (cancel = clock.after(CLOSE_WAIT_MS, resolve)));
    await Promise.race([this.#admission.idle(), patience]);
    cancel?.();
    await this.#driver.close();
  }
}
