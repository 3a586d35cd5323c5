import { clearImmediate, setImmediate } from 'node:timers';
import type pg from 'pg';
import type { PostgresConnection } from './PostgresConnection.ts';

/** How often a connection is used in a row before the pool sees it again. */
const USES_MAX = 100;

/**
 * The connection that was given back last, at hand for whoever calls on in the same turn of the loop. The
 * pool has it again at the end of the turn at the latest, and at once when somebody waits there, when it
 * is being ended, or after so many uses: it is the pool that knows how old a connection may become. A pool
 * that counts uses (`maxUses`) sees each of them.
 */
export class WarmConnection {
  readonly #pool: pg.Pool;
  readonly #usesMax: number;
  readonly #uses = new WeakMap<PostgresConnection, number>();
  #connection: PostgresConnection | undefined;
  #cooling: NodeJS.Immediate | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
    this.#usesMax = Number.isFinite(pool.options.maxUses) ? 1 : USES_MAX;
  }

  get isThere(): boolean {
    return this.#connection !== undefined;
  }

  take(): PostgresConnection | undefined {
    if (this.#isWanted()) this.giveBack();
    const connection = this.#connection;
    this.#connection = undefined;
    return connection;
  }

  /** Takes it from whoever has used it, for the next one or for the pool. */
  keep(connection: PostgresConnection): void {
    const uses = (this.#uses.get(connection) ?? 0) + 1;
    if (this.isThere || uses >= this.#usesMax || this.#isWanted()) {
      return this.#release(connection);
    }
    this.#uses.set(connection, uses);
    this.#connection = connection;
    this.#cooling ??= setImmediate(() => this.giveBack());
  }

  /** To the pool, which lets go of one that has died. */
  giveBack(): void {
    clearImmediate(this.#cooling);
    this.#cooling = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) this.#release(connection);
  }

  #isWanted(): boolean {
    return this.#pool.waitingCount > 0 || this.#pool.ending;
  }

  #release(connection: PostgresConnection): void {
    this.#uses.delete(connection);
    connection.client.release(connection.isBroken);
  }
}
