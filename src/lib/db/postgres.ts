import type pg from 'pg';
import type { DatabaseStats, ListenOptions, PostgresPool } from '../db.ts';
import { StoreError } from '../errors.ts';
import type { Driver } from './connection.ts';
import { Limit } from './limit.ts';
import { parsePlace, type Place } from './location.ts';
import { durabilityWarnings } from './postgres/greeting.ts';
import { startListening } from './postgres/listener.ts';
import { loadPg, type Pg } from './postgres/pg.ts';
import { PostgresConnection, type PostgresContext } from './postgres/PostgresConnection.ts';
import { postgresError } from './postgres/postgresError.ts';
import { resultTypes } from './postgres/resultTypes.ts';
import { WarmConnection } from './postgres/WarmConnection.ts';
import type { DatabaseSettings } from './settings.ts';

type PostgresPlace = Place & { readonly dialect: 'postgres' };

/** What `close` waits for connections to say goodbye. */
const GOODBYE_MS = 1_000;

export async function openPostgres(
  place: PostgresPlace,
  settings: DatabaseSettings,
): Promise<Driver> {
  const driver = await loadPg();
  const pool = new driver.Pool({
    connectionString: place.url,
    max: settings.connectionsMax,
    connectionTimeoutMillis: settings.acquireTimeoutMs,
    // An idle pool keeps no process alive.
    allowExitOnIdle: true,
    keepAlive: true,
    fallback_application_name: 'holdfast',
    Client: hangingUp(driver.Client),
  });
  const context = { pg: driver, types: resultTypes(driver), settings, counts: noPlans() };
  const postgres = new PostgresDriver(pool, place.location, context, true);
  return answering(postgres, settings);
}

export async function adoptPostgres(
  pool: PostgresPool,
  settings: DatabaseSettings,
): Promise<Driver> {
  const driver = await loadPg();
  const context = { pg: driver, types: resultTypes(driver), settings, counts: noPlans() };
  const own = pool as pg.Pool;
  return answering(new PostgresDriver(own, locationOf(own), context, false), settings);
}

/**
 * The driver leaves a connection open that it could not use, for want of a password say, and with it
 * the process, until the server gives it up after a minute.
 */
function hangingUp(Client: Pg['Client']): Pg['Client'] {
  return class extends Client {
    override connect(): Promise<pg.Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<pg.Client> | void {
      const hangUp = () => this.connection.stream.destroy();
      if (callback === undefined) {
        return super.connect().catch((error: unknown) => {
          hangUp();
          throw error;
        });
      }
      super.connect((error: Error) => {
        // Of a connection that was made it is null, whatever the types say.
        if ((error as Error | null) !== null) hangUp();
        callback(error);
      });
    }
  };
}

function noPlans(): PostgresContext['counts'] {
  return { hits: 0, misses: 0 };
}

/** One that has answered, or why not. */
async function answering(driver: PostgresDriver, settings: DatabaseSettings): Promise<Driver> {
  const limit = new Limit(settings.clock, {});
  try {
    await driver.release(await driver.connect(limit), false);
    return driver;
  } catch (error) {
    // Not waited for: who is to be told may be waiting for a server that never answers.
    void driver.close();
    throw error;
  } finally {
    limit.end();
  }
}

function locationOf({ options }: pg.Pool): string {
  if (options.connectionString !== undefined) return parsePlace(options.connectionString).location;
  const { user, host = 'localhost', port = 5432, database = '' } = options;
  return `postgres://${user === undefined ? '' : `${user}@`}${host}:${port}/${database}`;
}

class PostgresDriver implements Driver {
  readonly dialect = 'postgres';
  readonly location: string;
  /** Rows have locks of their own. */
  readonly lock = undefined;
  readonly #pool: pg.Pool;
  readonly #context: PostgresContext;
  readonly #isOwn: boolean;
  readonly #connections = new WeakMap<pg.PoolClient, PostgresConnection>();
  readonly #inUse = new Set<PostgresConnection>();
  readonly #listeners = new Set<() => Promise<void>>();
  #isGreeted = false;
  readonly #warm: WarmConnection;
  /**
   * Raised when a connection is lost in use: what cut it may have cut the idle ones, too, and nobody
   * would know before the next deadline. They are replaced when it is their turn.
   */
  #generation = 0;

  constructor(pool: pg.Pool, location: string, context: PostgresContext, isOwn: boolean) {
    this.#pool = pool;
    this.location = location;
    this.#context = context;
    this.#isOwn = isOwn;
    this.#warm = new WarmConnection(pool);
    // An idle connection that dies is replaced when it is missed; unheard, it would end the process.
    // It stays for good: connections of a pool say goodbye after its end.
    if (!pool.listeners('error').includes(ignore)) pool.on('error', ignore);
  }

  async connect(limit: Limit): Promise<PostgresConnection> {
    let connection = await this.#take(limit);
    // One may have died since it was given back, before anybody heard of it.
    while (connection.isBroken || connection.generation !== this.#generation) {
      this.#discard(connection);
      connection = await this.#take(limit);
    }
    this.#inUse.add(connection);
    try {
      const greeting = await connection.greet(limit);
      if (greeting !== undefined && !this.#isGreeted) {
        this.#isGreeted = true;
        for (const warning of durabilityWarnings(greeting)) {
          this.#context.settings.onWarning(warning);
        }
      }
      return connection;
    } catch (error) {
      await this.release(connection, true);
      throw error;
    }
  }

  async release(connection: PostgresConnection, isSpent: boolean): Promise<void> {
    const isReusable = !isSpent && (await connection.tidy());
    this.#inUse.delete(connection);
    if (connection.isBroken) this.#generation += 1;
    if (!isReusable) this.#discard(connection);
    else this.#warm.keep(connection);
  }

  async listen(
    channel: string,
    heard: (payload: string) => void,
    options: ListenOptions,
  ): Promise<() => Promise<void>> {
    const stop = await startListening(this.#pool, this.#context, { channel, heard, ...options });
    const stopOnce = async () => {
      if (this.#listeners.delete(stopOnce)) await stop();
    };
    this.#listeners.add(stopOnce);
    return stopOnce;
  }

  stats(): Pick<DatabaseStats, 'connections' | 'idle' | 'prepared'> {
    const { totalCount, idleCount } = this.#pool;
    const idle = this.#warm.isThere ? idleCount + 1 : idleCount;
    return { connections: totalCount, idle, prepared: { ...this.#context.counts } };
  }

  async close(): Promise<void> {
    this.#warm.giveBack();
    await Promise.all(Array.from(this.#listeners, (stop) => stop()));
    for (const connection of this.#inUse) {
      connection.destroy(new StoreError('STORE_CLOSED', 'the database was closed'));
    }
    if (!this.#isOwn) return;
    // A callback that never returns never gives its connection back.
    const { clock } = this.#context.settings;
    let cancel: (() => void) | undefined;
    const patience = new Promise<void>((resolve) => (cancel = clock.after(GOODBYE_MS, resolve)));
    await Promise.race([this.#pool.end(), patience]);
    cancel?.();
  }

  async #take(limit: Limit): Promise<PostgresConnection> {
    const warm = this.#warm.take();
    if (warm !== undefined) return warm;
    const client = await this.#acquire(limit);
    const known = this.#connections.get(client);
    if (known !== undefined) return known;
    if ((client as { readonly connection?: unknown }).connection === undefined) {
      client.release();
      throw new StoreError(
        'UNSUPPORTED',
        'a pool of pg-native cannot be used: hand over one of pg',
      );
    }
    const connection = new PostgresConnection(client, this.#context, this.#generation);
    this.#connections.set(client, connection);
    return connection;
  }

  #discard(connection: PostgresConnection): void {
    connection.destroy(new Error('Connection discarded'));
    connection.client.release(true);
  }

  /** `STORAGE_FAILED` when the server does not answer in time, `POOL_EXHAUSTED` when others have all. */
  #acquire(limit: Limit): Promise<pg.PoolClient> {
    limit.check();
    if (this.#pool.ending) throw new StoreError('STORE_CLOSED', 'the pool was closed by its owner');
    const { clock, acquireTimeoutMs } = this.#context.settings;
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = () => {
        isOver = true;
        cancel();
        forget();
      };
      const giveUp = (reason: StoreError) => {
        end();
        reject(reason);
      };
      const cancel = clock.after(acquireTimeoutMs, () => giveUp(this.#unanswered()));
      const forget = limit.onReached(giveUp);
      this.#pool.connect().then(
        (client) => {
          if (isOver) {
            // Nobody waits for it any more.
            client.release();
          } else {
            end();
            resolve(client);
          }
          return undefined;
        },
        (error: unknown) => {
          if (!isOver) giveUp(postgresError(error));
        },
      );
    });
  }

  #unanswered(): StoreError {
    const { acquireTimeoutMs } = this.#context.settings;
    const { totalCount, idleCount, options } = this.#pool;
    if (!this.#isOwn && idleCount === 0 && totalCount >= options.max) {
      const message = `no connection of the pool became free in ${acquireTimeoutMs} ms`;
      return new StoreError('POOL_EXHAUSTED', message);
    }
    const message = `${this.location} did not answer within ${acquireTimeoutMs} ms`;
    return new StoreError('STORAGE_FAILED', message);
  }
}

function ignore(): void {}
