import type pg from 'pg';
import type { ListenOptions } from '../../db.ts';
import { refusal } from '../parameters.ts';
import { fullJitterMs, type Growth } from '../backoff.ts';
import type { PostgresContext } from './PostgresConnection.ts';
import { postgresError } from './postgresError.ts';

const RECONNECT: Growth = { firstMs: 50, capMs: 10_000 };
/** How often a silent connection is asked whether it is still there, and how long that may take. */
const HEARTBEAT_MS = 30_000;
const ANSWER_MS = 5_000;
/** Longer names are cut off by PostgreSQL without a word. */
const CHANNEL_BYTES_MAX = 63;

interface Listening extends ListenOptions {
  readonly channel: string;
  readonly heard: (payload: string) => void;
}

/** Resolves once it listens, with what stops it. It keeps no process alive. */
export async function startListening(
  pool: pg.Pool,
  context: PostgresContext,
  listening: Listening,
): Promise<() => Promise<void>> {
  const { channel } = listening;
  if (channel === '' || channel.includes('\0') || Buffer.byteLength(channel) > CHANNEL_BYTES_MAX) {
    throw refusal('channel', `a name has 1 to ${CHANNEL_BYTES_MAX} bytes, and no NUL`);
  }
  const listener = new Listener(pool, context, listening);
  await listener.connect();
  return () => listener.stop();
}

/**
 * connecting → listening → lost → (a pause) → connecting …, until it is stopped. A connection of its
 * own: notifications come at any time, and one of the pool would be missing there.
 */
class Listener {
  readonly #pool: pg.Pool;
  readonly #context: PostgresContext;
  readonly #listening: Listening;
  #client: pg.Client | undefined;
  #cancelTimer: (() => void) | undefined;
  #losses = 0;
  #isStopped = false;

  constructor(pool: pg.Pool, context: PostgresContext, listening: Listening) {
    this.#pool = pool;
    this.#context = context;
    this.#listening = listening;
  }

  /** Rejects when it cannot. */
  async connect(): Promise<void> {
    const { pg, settings } = this.#context;
    const { channel } = this.#listening;
    const client = new pg.Client({
      ...this.#pool.options,
      // Not enumerable there, so that nobody prints it by accident.
      password: this.#pool.options.password,
      connectionTimeoutMillis: settings.acquireTimeoutMs,
      keepAlive: true,
    });
    client.on('error', () => this.#lose(client));
    client.on('end', () => this.#lose(client));
    client.on('notification', ({ payload }) => {
      this.#tell(() => this.#listening.heard(payload ?? ''));
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      client.connection.stream.destroy();
      throw postgresError(error);
    }
    if (this.#isStopped) return client.end();
    this.#client = client;
    (client.connection.stream as { unref?: () => void }).unref?.();
    this.#wait(HEARTBEAT_MS, () => this.#ask(client));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    const client = this.#client;
    this.#client = undefined;
    // No goodbye: a server that does not answer would hold it up, and nothing of it is left there.
    client?.connection.stream.destroy();
    await Promise.resolve();
  }

  #tell(listener: () => void): void {
    if (this.#isStopped) return;
    try {
      listener();
    } catch (error) {
      // Thrown on, it would break the connection that it came by.
      const { channel } = this.#listening;
      this.#context.settings.onWarning(`the listener of ${channel} threw: ${String(error)}`);
    }
  }

  /** A connection that was cut without a word looks like one that has nothing to say. */
  #ask(client: pg.Client): void {
    this.#wait(ANSWER_MS, () => client.connection.stream.destroy());
    const goOn = () => {
      if (this.#client === client) this.#wait(HEARTBEAT_MS, () => this.#ask(client));
    };
    void client.query('SELECT').then(goOn, () => this.#lose(client));
  }

  #lose(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.connection.stream.destroy();
    this.#losses = 0;
    this.#reconnectLater();
  }

  #reconnectLater(): void {
    const { random } = this.#context.settings;
    this.#wait(fullJitterMs(random, RECONNECT, this.#losses++), () => {
      const again = () => {
        if (!this.#isStopped) this.#reconnectLater();
      };
      void this.connect().then(() => this.#tell(() => this.#listening.onGap?.()), again);
    });
  }

  #wait(ms: number, task: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#context.settings.clock.after(ms, task);
  }
}
