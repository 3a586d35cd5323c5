import { StoreError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';

/** What may end an operation early. */
export interface Bounds {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Timers hold 31 bits; what is longer is for ever. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Until when, and unless what, an operation may go on: its own time-out, its caller's signal, and the
 * limit of the operation that it is a part of. `end` it, or its timer stays.
 */
export class Limit {
  /** As it was asked for; `undefined` where nobody did. */
  readonly timeoutMs: number | undefined;
  #reached: StoreError | undefined;
  readonly #listeners = new Set<(reason: StoreError) => void>();
  readonly #undo: (() => void)[] = [];

  constructor(clock: Clock, { signal, timeoutMs }: Bounds, outer?: Limit) {
    if (timeoutMs !== undefined && !(timeoutMs > 0)) {
      throw new StoreError('INVALID_ARGUMENT', `timeoutMs must be above 0; it is ${timeoutMs}`);
    }
    this.timeoutMs = timeoutMs;
    if (timeoutMs !== undefined && timeoutMs <= TIMER_MS_MAX) {
      this.#undo.push(clock.after(timeoutMs, () => this.#reach(timedOut(timeoutMs))));
    }
    if (signal !== undefined) this.#follow(signal);
    if (outer !== undefined) this.#undo.push(outer.onReached((reason) => this.#reach(reason)));
  }

  get reached(): StoreError | undefined {
    return this.#reached;
  }

  check(): void {
    if (this.#reached !== undefined) throw this.#reached;
  }

  /** Calls `listener` once, at once where it is too late. Returns what takes it back. */
  onReached(listener: (reason: StoreError) => void): () => void {
    if (this.#reached !== undefined) {
      listener(this.#reached);
      return () => undefined;
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  end(): void {
    for (const undo of this.#undo.splice(0)) undo();
    this.#listeners.clear();
  }

  #follow(signal: AbortSignal): void {
    const abort = () => {
      const cause: unknown = signal.reason;
      this.#reach(new StoreError('ABORTED', 'the call was aborted by its signal', { cause }));
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    this.#undo.push(() => signal.removeEventListener('abort', abort));
  }

  #reach(reason: StoreError): void {
    if (this.#reached !== undefined) return;
    this.#reached = reason;
    const listeners = [...this.#listeners];
    this.end();
    for (const listener of listeners) listener(reason);
  }
}

function timedOut(timeoutMs: number): StoreError {
  return new StoreError('QUERY_TIMEOUT', `the database took longer than ${timeoutMs} ms`);
}
