import { connect, type Socket } from 'node:net';
import { Lane } from './lane.ts';
import type { ProxyDirection, Network } from './network.ts';
import { resetSocket } from './resetSocket.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** A client's connection, and the one to the server that was opened for it. */
export class Connection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #lanes: readonly [toServer: Lane, toClient: Lane];
  /** Resolves once both sockets are gone. */
  readonly closed: Promise<void>;

  constructor(client: Socket, target: Target, network: Network) {
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const cut = (direction: ProxyDirection) => this.#cut(direction);
    this.#client = client;
    this.#server = server;
    this.#lanes = [
      new Lane('toServer', [client, server], network, cut),
      new Lane('toClient', [server, client], network, cut),
    ];
    client.on('error', () => this.#lanes[0].break());
    server.on('error', () => this.#lanes[1].break());
    this.closed = Promise.all([client, server].map(untilClosed)).then(() => undefined);
  }

  /** The mode of the proxy is another one now. */
  obey(): void {
    if (this.#lanes.some((lane) => lane.hasGap)) return this.reset();
    for (const lane of this.#lanes) lane.obey();
  }

  /** Both ends are told by RST. */
  reset(): void {
    for (const lane of this.#lanes) lane.stop();
    resetSocket(this.#client);
    resetSocket(this.#server);
  }

  /** The client is told at once; the server reads what has arrived, and then the end. */
  #cut(direction: ProxyDirection): void {
    const [toServer, toClient] = this.#lanes;
    toServer.finish();
    toClient.silence();
    // Behind a part of an answer comes the end: RST would overtake it.
    if (direction === 'toServer') resetSocket(this.#client);
    else toClient.finish();
  }
}

function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
