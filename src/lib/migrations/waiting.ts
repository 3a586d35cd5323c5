import { StoreError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';

/** Timers of a clock let the process end; whoever waits for a database must be woken. */
const FOREVER_MS = 2 ** 30;

/** Resolves after `ms`; rejects with `ABORTED` when `signal` aborts before. */
function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const keepAlive = setInterval(() => undefined, FOREVER_MS);
    const end = () => {
      cancel();
      clearInterval(keepAlive);
      signal?.removeEventListener('abort', abort);
    };
    const abort = () => {
      end();
      reject(aborted(signal));
    };
    const cancel = clock.after(ms, () => {
      end();
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}

export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

function aborted(signal: AbortSignal | undefined): StoreError {
  const cause: unknown = signal?.reason;
  return new StoreError('ABORTED', 'the migrations were aborted by their signal', { cause });
}

/** Waits that grow from `firstMs` to `lastMs`, until `ms` have passed. */
export class Patience {
  readonly #clock: Clock;
  readonly #until: number;
  #nextMs = 20;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#until = clock.now() + ms;
  }

  get leftMs(): number {
    return this.#until - this.#clock.now();
  }

  /** False when the time is over. */
  async wait(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.leftMs <= 0) return false;
    await pause(this.#clock, Math.min(this.#nextMs, this.leftMs), signal);
    this.#nextMs = Math.min(this.#nextMs * 2, 500);
    return true;
  }
}
