import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type Clock, systemClock } from '../index.ts';
import { Connection, type Target } from './tcpProxy/connection.ts';
import { delayOf, type ProxyDirection, type Network, type ProxyMode } from './tcpProxy/network.ts';
import { resetSocket } from './tcpProxy/resetSocket.ts';

export type { ProxyDirection, ProxyMode };

export interface TcpProxyOptions {
  /** The server that is behind the proxy. */
  readonly target: Target;
  /** Measures delays. Default: the time of this machine. */
  readonly clock?: Clock | undefined;
}

/** Where a connection is to be cut. */
export interface ProxyCut {
  readonly direction: ProxyDirection;
  /**
   * Behind so many bytes of that way, counted over all connections from now on; or at the first
   * piece, as it was received, of which a function says so.
   */
  readonly at: number | ((piece: Buffer) => boolean);
  /** Whether the piece that the function chose still arrives. Default: false. */
  readonly isDelivered?: boolean | undefined;
}

/** A cut that has not happened yet. */
interface ArmedCut extends ProxyCut {
  bytesLeft: number;
  readonly done: () => void;
}

const HOST = '127.0.0.1';
/** Below what systems take for outgoing connections: while `refuse` holds, the port stays free. */
const PORTS = [20_000, 32_000] as const;
const PORT_TRIES = 50;

/**
 * Stands between a client and a server of TCP and is a bad network, on command. It listens on
 * 127.0.0.1. Toxiproxy has the same idea; this one is in the process of the test, knows no protocol,
 * and can cut before or behind a message.
 */
export class TcpProxy implements AsyncDisposable {
  readonly #target: Target;
  readonly #network: Network;
  readonly #connections = new Set<Connection>();
  #server: Server | undefined;
  #port = 0;
  #mode: ProxyMode = 'pass';
  #isClosed = false;
  #cut: ArmedCut | undefined;

  private constructor({ target, clock = systemClock }: TcpProxyOptions) {
    const mode = () => this.#mode;
    this.#target = target;
    this.#network = {
      clock,
      get mode() {
        return mode();
      },
      bytesBeforeCut: (direction, chunk) => this.#bytesBeforeCut(direction, chunk),
    };
  }

  /** Listens on a free port, in the mode `pass`. */
  static async start(options: TcpProxyOptions): Promise<TcpProxy> {
    const proxy = new TcpProxy(options);
    for (let tries = 1; ; tries++) {
      proxy.#port = randomInt(...PORTS);
      try {
        await proxy.#listen();
        return proxy;
      } catch (error) {
        const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
        if (!isTaken || tries >= PORT_TRIES) throw error;
      }
    }
  }

  get port(): number {
    return this.#port;
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  /** Connections that at least one of their two ends still holds open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** The URL `of` the server, by way of the proxy. */
  url(of: string): string {
    const url = new URL(of);
    url.host = `${HOST}:${this.#port}`;
    return url.href;
  }

  /**
   * From now on connections fare so, those that are open too. Resolves once it holds. Rejects with a
   * `RangeError` for a delay that is no time, and with an `Error` after `close`.
   */
  async set(mode: ProxyMode): Promise<void> {
    const delayMs = delayOf(mode);
    if (!Number.isFinite(delayMs) || delayMs < 0) {
      throw new RangeError(`a delay is a number of milliseconds, not ${delayMs}`);
    }
    if (this.#isClosed) throw new Error('the proxy is closed');
    this.#mode = mode;
    for (const connection of this.#connections) {
      if (mode === 'reset') connection.reset();
      else connection.obey();
    }
    if (mode === 'refuse') this.#stopListening();
    else if (this.#server === undefined) await this.#listen();
  }

  /**
   * Cuts one connection, once: the client is told, and the server reads what had arrived and then
   * the end. What the server still says is not heard. Resolves when it has happened, so never if it
   * does not. A new cut takes the place of one that still waits.
   */
  cut(cut: ProxyCut): Promise<void> {
    const bytesLeft = typeof cut.at === 'number' ? cut.at : 0;
    return new Promise((done) => {
      this.#cut = { ...cut, bytesLeft, done };
    });
  }

  /** Resets every connection. Resolves once no socket is left; may be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#mode = 'reset';
    this.#stopListening();
    const open = [...this.#connections];
    for (const connection of open) connection.reset();
    await Promise.all(open.map((connection) => connection.closed));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #listen(): Promise<void> {
    const options = { allowHalfOpen: true, noDelay: true };
    const server = createServer(options, (client) => this.#accept(client));
    server.listen(this.#port, HOST);
    await once(server, 'listening');
    this.#server = server;
  }

  /** At once; the connections that are open stay so. */
  #stopListening(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  #accept(client: Socket): void {
    if (this.#mode === 'reset' || this.#mode === 'refuse') {
      resetSocket(client);
      return;
    }
    const connection = new Connection(client, this.#target, this.#network);
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
  }

  #bytesBeforeCut(direction: ProxyDirection, chunk: Buffer): number | undefined {
    const cut = this.#cut;
    if (cut?.direction !== direction) return undefined;
    const bytes = bytesBefore(cut, chunk);
    if (bytes === undefined) return undefined;
    this.#cut = undefined;
    cut.done();
    return bytes;
  }
}

function bytesBefore(cut: ArmedCut, chunk: Buffer): number | undefined {
  if (typeof cut.at === 'function') {
    if (!cut.at(chunk)) return undefined;
    return cut.isDelivered ? chunk.length : 0;
  }
  if (chunk.length >= cut.bytesLeft) return cut.bytesLeft;
  cut.bytesLeft -= chunk.length;
  return undefined;
}
