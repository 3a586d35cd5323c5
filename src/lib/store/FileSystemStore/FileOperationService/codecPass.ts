import type { ZlibStream } from './codecs.ts';

/**
 * One encoder or decoder, given one chunk after the other. Node's own `pipeline` does not tell what a
 * decoder has left of its input, and so loses all that stands behind the first zstd frame.
 */
export class CodecPass {
  readonly #stream: ZlibStream;
  #hasEnded = false;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(stream: ZlibStream) {
    this.#stream = stream;
    stream.on('readable', () => this.#wake());
    stream.once('end', () => {
      this.#hasEnded = true;
      this.#wake();
    });
    stream.on('error', (error: Error) => {
      this.#failure ??= error;
      this.#wake();
    });
  }

  /** Nothing more comes of it. A decoder ends by itself when it meets what it cannot use any more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Bytes that it has taken. */
  get taken(): number {
    return this.#stream.bytesWritten;
  }

  /** Gives what comes of `chunk`, in pieces, and returns when all is taken, or it has ended. */
  async *feed(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
    let isTaken = false;
    this.#stream.write(chunk, () => {
      isTaken = true;
      this.#wake();
    });
    yield* this.#outputUntil(() => isTaken);
  }

  /** Gives what is left; fails where the input should have gone on. */
  async *finish(): AsyncGenerator<Uint8Array> {
    this.#stream.end();
    yield* this.#outputUntil(() => false);
  }

  close(): void {
    this.#stream.destroy();
  }

  async *#outputUntil(isDone: () => boolean): AsyncGenerator<Uint8Array> {
    for (;;) {
      const woken = new Promise<void>((resolve) => void (this.#wake = resolve));
      for (let piece = this.#read(); piece !== null; piece = this.#read()) yield piece;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasEnded || isDone()) return;
      await woken;
    }
  }

  #read(): Uint8Array | null {
    return this.#stream.read() as Uint8Array | null;
  }
}
