import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Limit } from './limit.ts';

/** Who waits for a database must be woken: a clock's timers alone would let the process end. */
const FOREVER_MS = 2 ** 30;

/** How waits grow: at most `firstMs`, doubled each time up to `capMs`. */
export interface Growth {
  readonly firstMs: number;
  readonly capMs: number;
}

/**
 * "Full jitter": a random time between nothing and a bound that doubles. Callers that failed together
 * do not come back together. Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function fullJitterMs(random: Random, { firstMs, capMs }: Growth, attempt: number): number {
  const drawn = Buffer.from(random.bytes(4)).readUInt32LE() / 2 ** 32;
  return Math.min(capMs, firstMs * 2 ** Math.min(attempt, 30)) * drawn;
}

/** Resolves after `ms`; rejects with what ended `limit`, when that comes first. */
export function pause(clock: Clock, ms: number, limit: Limit): Promise<void> {
  return new Promise((resolve, reject) => {
    const keepAlive = setInterval(() => undefined, FOREVER_MS);
    const cancel = clock.after(ms, () => {
      forget();
      clearInterval(keepAlive);
      resolve();
    });
    const forget = limit.onReached((reason) => {
      cancel();
      clearInterval(keepAlive);
      reject(reason);
    });
  });
}
