import type { Socket } from 'node:net';
import { resetSocket } from './resetSocket.ts';
import { delayOf, type ProxyDirection, type Fate, fateOf, type Network } from './network.ts';

/** On its way; `undefined` instead of bytes is the end of the stream. */
interface Piece {
  readonly bytes: Buffer | undefined;
  hasArrived: boolean;
  readonly cancel: (() => void) | undefined;
}

/** One way of a connection: reads what `from` says, and lets it arrive at `to`, or not. */
export class Lane {
  readonly #direction: ProxyDirection;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #network: Network;
  readonly #onCut: (direction: ProxyDirection) => void;
  #pieces: Piece[] = [];
  #isFull = false;
  #isCut = false;
  #hasLost = false;

  constructor(
    direction: ProxyDirection,
    [from, to]: readonly [Socket, Socket],
    network: Network,
    onCut: (direction: ProxyDirection) => void,
  ) {
    this.#direction = direction;
    this.#from = from;
    this.#to = to;
    this.#network = network;
    this.#onCut = onCut;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => this.#send(undefined));
    to.on('drain', () => {
      this.#isFull = false;
      this.obey();
    });
    this.obey();
  }

  /** Bytes would arrive that others before them did not. */
  get hasGap(): boolean {
    return this.#hasLost && this.#fate === 'arrive';
  }

  get #fate(): Fate {
    return fateOf(this.#network.mode, this.#direction);
  }

  /** Tells `to` that `from` is broken, if it is to hear of it. */
  break(): void {
    this.stop();
    if (this.#fate === 'arrive') resetSocket(this.#to);
    else this.#hasLost = true;
  }

  /** Reads, or stops to. */
  obey(): void {
    if (!this.#isCut && (this.#fate === 'hold' || this.#isFull)) this.#from.pause();
    else this.#from.resume();
  }

  /** Nothing that is said from now on arrives. */
  silence(): void {
    this.#isCut = true;
    this.obey();
  }

  /** Lets all that is under way arrive, and then the end. */
  finish(): void {
    this.silence();
    for (const piece of this.#pieces) {
      piece.cancel?.();
      piece.hasArrived = true;
    }
    this.#deliver();
    this.#to.end();
  }

  /** Forgets what is under way. */
  stop(): void {
    for (const { cancel } of this.#pieces) cancel?.();
    this.#pieces = [];
  }

  #take(chunk: Buffer): void {
    const isLost = this.#isCut || this.#fate === 'lose';
    const bytes = isLost ? undefined : this.#network.bytesBeforeCut(this.#direction, chunk);
    if (bytes === undefined) return this.#send(chunk);
    if (bytes > 0) this.#send(chunk.subarray(0, bytes));
    this.#onCut(this.#direction);
  }

  #send(bytes: Buffer | undefined): void {
    if (this.#isCut) return;
    if (this.#fate === 'lose') {
      this.#hasLost = true;
      return;
    }
    const ms = delayOf(this.#network.mode);
    const arrive = () => {
      piece.hasArrived = true;
      this.#deliver();
    };
    const piece: Piece = {
      bytes,
      hasArrived: ms === 0,
      cancel: ms === 0 ? undefined : this.#network.clock.after(ms, arrive),
    };
    this.#pieces.push(piece);
    this.#deliver();
  }

  /** In order: nothing overtakes what was sent before, whatever the delay was then. */
  #deliver(): void {
    while (this.#pieces[0]?.hasArrived) {
      const bytes = this.#pieces.shift()?.bytes;
      if (this.#to.writableEnded || this.#to.destroyed) continue;
      if (bytes === undefined) this.#to.end();
      else if (!this.#to.write(bytes)) this.#isFull = true;
    }
    if (this.#isFull) this.obey();
  }
}
