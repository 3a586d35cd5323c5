import { type Dialect, fullJitterMs } from '../../db.ts';
import { isStoreError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { Signal } from '../commands/signal.ts';

/** An outage of so long a time is told to who waits. Milliseconds. */
const OUTAGE_MS = 60_000;
const PAUSES = { firstMs: 100, capMs: 2_000 };
/** Of a timer that does nothing. */
const STAY_MS = 2 ** 30;

export interface OutagesParts {
  readonly dialect: Dialect;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Reads of those who wait for what is to come: they go on when the database is back from a restart or
 * a failover. A read may be asked again as often as one likes, and who has waited for hours can wait
 * for that, too. A file has nothing to come back from: of SQLite a failure is told at once.
 */
export class Outages {
  readonly #parts: OutagesParts;
  readonly #waiting = new Set<Signal>();
  #closed = false;

  constructor(parts: OutagesParts) {
    this.#parts = parts;
  }

  /**
   * What `read` answers, asked again with growing pauses after a failure that may pass. Rejects with
   * any other, and with the last one when a minute has passed since the first. `undefined` when the
   * signal aborts or the store is closed in a pause.
   */
  async outlast<T>(read: () => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    const first = await outcomeOf(read);
    if ('answer' in first) return first.answer;
    if (!this.#mayPass(first.error)) throw first.error;
    return this.#again(read, first.error, signal);
  }

  async #again<T>(
    read: () => Promise<T>,
    first: unknown,
    signal: AbortSignal | undefined,
  ): Promise<T | undefined> {
    const { clock, random } = this.#parts;
    let error = first;
    let isLong = false;
    const stopTimer = clock.after(OUTAGE_MS, () => (isLong = true));
    // Clocks keep no process alive; who waits for the database must stay.
    const stay = setInterval(() => undefined, STAY_MS);
    try {
      for (let tries = 0; !isLong && this.#mayPass(error); tries++) {
        await this.#pause(fullJitterMs(random, PAUSES, tries), signal);
        if (this.#closed || signal?.aborted === true) return undefined;
        const outcome = await outcomeOf(read);
        if ('answer' in outcome) return outcome.answer;
        error = outcome.error;
      }
      throw error;
    } finally {
      stopTimer();
      clearInterval(stay);
    }
  }

  #mayPass(error: unknown): boolean {
    return this.#parts.dialect === 'postgres' && isStoreError(error) && error.retryable;
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const over = new Signal();
    this.#waiting.add(over);
    const cancel = this.#parts.clock.after(ms, () => over.notify());
    try {
      if (!this.#closed) await over.wait(signal);
    } finally {
      cancel();
      this.#waiting.delete(over);
    }
  }

  /** Lets go of everybody who is in a pause. */
  close(): void {
    this.#closed = true;
    for (const over of this.#waiting) over.notify();
  }
}

type Outcome<T> = { readonly answer: T } | { readonly error: unknown };

async function outcomeOf<T>(read: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { answer: await read() };
  } catch (error) {
    return { error };
  }
}
