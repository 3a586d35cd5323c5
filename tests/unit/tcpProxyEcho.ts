import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** One end of a connection, and what it has heard so far. */
export class Peer {
  readonly socket: Socket;
  heard = '';
  #errorCode: string | undefined;
  readonly #closed: Promise<unknown>;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.heard += text;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#errorCode = error.code;
    });
    this.#closed = new Promise((resolve) => socket.once('close', resolve));
  }

  static async to(port: number): Promise<Peer> {
    const peer = new Peer(connect({ port, host: '127.0.0.1', noDelay: true }));
    await once(peer.socket, 'connect');
    return peer;
  }

  /** Resolves once the system has taken the bytes. */
  async say(text: string | Buffer): Promise<void> {
    await new Promise((resolve) => this.socket.write(text, resolve));
  }

  async hears(text: string): Promise<void> {
    while (!this.heard.includes(text)) await once(this.socket, 'data');
  }

  async hearsUpTo(length: number): Promise<void> {
    while (this.heard.length < length) await once(this.socket, 'data');
  }

  /** How it ended: `closed`, or the code of the error that it met. */
  async ended(): Promise<string> {
    await this.#closed;
    return this.#errorCode ?? 'closed';
  }
}

/** Answers every piece with itself, unless told to be mute. */
export class EchoServer {
  readonly peers: Peer[] = [];
  isMute = false;
  readonly #server = createServer({ noDelay: true }, (socket) => {
    const peer = new Peer(socket);
    this.peers.push(peer);
    socket.on('data', (text: string) => this.isMute || socket.write(text));
  });

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** The newest connection; waits for the first one. */
  async peer(): Promise<Peer> {
    if (this.peers.length === 0) await once(this.#server, 'connection');
    return this.peers.at(-1) as Peer;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const { socket } of this.peers) socket.destroy();
    await once(this.#server, 'close');
  }
}
