import { resolve } from 'node:path';
import { StoreError } from '../../../errors.ts';
import type { Clock } from '../../../ports/clock.ts';

export interface TurnWait {
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Lets callers through one at a time for each key, in the order in which they came. */
export class Turns {
  readonly #clock: Clock;
  /** For each key in use, the callers who wait; the one who has the turn is not among them. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Without `wait` the turn is waited for as long as it takes. */
  async take<T>(key: string, work: () => Promise<T>, wait?: TurnWait): Promise<T> {
    await this.#enter(key, wait);
    try {
      return await work();
    } finally {
      this.#leave(key);
    }
  }

  /** All of these turns at once; taken in one order by everybody, so that nobody waits in a circle. */
  takeAll<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const inside = [...new Set(keys)]
      .toSorted()
      .reduceRight((next, key) => () => this.take(key, next), work);
    return inside();
  }

  async #enter(key: string, wait: TurnWait | undefined): Promise<void> {
    if (wait?.signal?.aborted === true) throw aborted(key, wait.signal);
    const queue = this.#waiting.get(key);
    if (queue === undefined) {
      this.#waiting.set(key, []);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const giveUp = (error: StoreError) => {
        queue.splice(queue.indexOf(enter), 1);
        settle(() => reject(error));
      };
      const abort = () => giveUp(aborted(key, wait?.signal));
      const late = () => {
        const message = `${key} was locked by other callers for ${wait?.waitMs} ms`;
        giveUp(new StoreError('STORE_LOCKED', message));
      };
      const cancel = wait === undefined ? undefined : this.#clock.after(wait.waitMs, late);
      const settle = (end: () => void) => {
        cancel?.();
        wait?.signal?.removeEventListener('abort', abort);
        end();
      };
      const enter = () => settle(resolve);
      wait?.signal?.addEventListener('abort', abort, { once: true });
      queue.push(enter);
    });
  }

  #leave(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next === undefined) this.#waiting.delete(key);
    else next();
  }
}

function aborted(key: string, signal: AbortSignal | undefined): StoreError {
  const cause: unknown = signal?.reason;
  return new StoreError('ABORTED', `waiting for ${key} was aborted`, { cause });
}

/** The turn of whoever changes the bytes of a file. */
export function changeOf(path: string): string {
  return `change ${resolve(path)}`;
}
