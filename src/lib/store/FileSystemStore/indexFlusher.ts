import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../ports/clock.ts';
import type { RunIndex } from '../index/RunIndex.ts';

/** The index is behind by no more than this. */
const FLUSH_MS = 50;
/** Rows in one go: SQLite works synchronously, and the event loop shall not stand still. */
const FLUSH_ROWS = 100;

/** Brings what is pending into the index's tables, a little at a time, off the write path. */
export class IndexFlusher {
  readonly #index: RunIndex;
  readonly #clock: Clock;
  readonly #durable: () => number;
  #cancel: (() => void) | undefined;

  constructor(index: RunIndex, clock: Clock, durable: () => number) {
    this.#index = index;
    this.#clock = clock;
    this.#durable = durable;
  }

  /** Something is pending: flush it soon. */
  schedule(): void {
    if (this.#cancel !== undefined || this.#index.pendingCount === 0) return;
    this.#cancel = this.#clock.after(FLUSH_MS, () => {
      this.#cancel = undefined;
      // A failure is met again by whoever needs the index next.
      this.flush().catch(() => undefined);
    });
  }

  /** Resolves when the tables hold all that was durable at the time of the call. */
  async flush(): Promise<void> {
    this.#index.stamp(this.#durable());
    while (!this.#index.flush(FLUSH_ROWS)) await setImmediate();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
