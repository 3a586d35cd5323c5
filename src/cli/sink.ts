import type { Writable } from 'node:stream';
import { systemCode } from './errorFacts.ts';

/** A stream to write to that keeps the writer waiting while its reader is slow. */
export class Sink {
  readonly #stream: Writable;
  #failure: Error | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    // A reader may go away at any time (`| head`); the next write tells, instead of a crash.
    stream.on('error', (error: Error) => (this.#failure ??= error));
  }

  /** Resolves when there is room for more. Rejects once the stream has failed. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#failure === undefined && !this.#stream.write(data)) await this.#room();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        for (const event of ['drain', 'error', 'close']) this.#stream.off(event, settle);
        resolve();
      };
      for (const event of ['drain', 'error', 'close']) this.#stream.on(event, settle);
    });
  }
}

/** Whether a write failed because nobody reads any more. */
export function isBrokenPipe(error: unknown): boolean {
  const code = systemCode(error);
  // A socket says it in another way when something unread was left in it.
  return code === 'EPIPE' || code === 'ECONNRESET';
}
