import { StoreError } from '../../../errors.ts';
import type { Clock } from '../../../ports/clock.ts';

interface Hinted {
  /** Hinted at since the last tick. */
  isFresh: boolean;
  ticks: number;
}

/** Everything, or these paths. */
export type Work = 'all' | readonly string[];

export interface PendingOptions {
  readonly settleMs: number;
  readonly rescanMs: number;
}

/** More paths than this, and all is looked at instead. */
const PATHS_MAX = 10_000;
/** A path that never comes to rest is looked at all the same after so many times `settleMs`. */
const TICKS_MAX = 10;
const BEAT_MS = 5_000;
/** A timer that is so much late has slept with the machine, or the clock was set. */
const LATE_MS = 5_000;

/**
 * Where to look next, and when: paths once they have come to rest, everything when something was
 * missed, when the machine has slept, and every `rescanMs`.
 */
export class Pending {
  readonly #clock: Clock;
  readonly #options: PendingOptions;
  readonly #paths = new Map<string, Hinted>();
  readonly #due = new Set<string>();
  #isMissed = false;
  #wake: () => void = () => undefined;
  #cancelTick: (() => void) | undefined;
  #cancelBeat: () => void = () => undefined;
  #sinceRescanMs = 0;

  constructor(clock: Clock, options: PendingOptions) {
    this.#clock = clock;
    this.#options = options;
    if (!(options.settleMs >= 0)) throw invalid('settleMs', options.settleMs);
    if (!(options.rescanMs > 0)) throw invalid('rescanMs', options.rescanMs);
    this.#beat();
  }

  changed(path: string): void {
    if (this.#isMissed) return;
    const hinted = this.#paths.get(path);
    if (hinted !== undefined) hinted.isFresh = true;
    else if (this.#paths.size + this.#due.size >= PATHS_MAX) this.missed();
    else this.#paths.set(path, { isFresh: true, ticks: 0 });
    if (this.#paths.size > 0) this.#tickLater();
  }

  missed(): void {
    this.#isMissed = true;
    this.#paths.clear();
    this.#due.clear();
    this.#wake();
  }

  /** Where to look. `undefined` once `signal` is aborted. */
  async next(signal?: AbortSignal): Promise<Work | undefined> {
    while (signal?.aborted !== true) {
      if (this.#isMissed) {
        this.#isMissed = false;
        this.#sinceRescanMs = 0;
        return 'all';
      }
      if (this.#due.size > 0) {
        const paths = [...this.#due];
        this.#due.clear();
        return paths;
      }
      await this.#woken(signal);
    }
    return undefined;
  }

  stop(): void {
    this.#cancelTick?.();
    this.#cancelBeat();
  }

  async #woken(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    this.#wake = wake;
    signal?.addEventListener('abort', wake, { once: true });
    await promise;
    signal?.removeEventListener('abort', wake);
  }

  #tickLater(): void {
    this.#cancelTick ??= this.#clock.after(this.#options.settleMs, () => this.#tick());
  }

  /** By counting, not by the clock, which may be set meanwhile. */
  #tick(): void {
    this.#cancelTick = undefined;
    for (const [path, hinted] of this.#paths) {
      hinted.ticks++;
      if (hinted.isFresh && hinted.ticks < TICKS_MAX) hinted.isFresh = false;
      else {
        this.#paths.delete(path);
        this.#due.add(path);
      }
    }
    if (this.#due.size > 0) this.#wake();
    if (this.#paths.size > 0) this.#tickLater();
  }

  #beat(): void {
    const { rescanMs } = this.#options;
    const ms = Math.min(BEAT_MS, rescanMs);
    const begun = this.#clock.now();
    this.#cancelBeat = this.#clock.after(ms, () => {
      this.#sinceRescanMs += ms;
      const lateMs = Math.abs(this.#clock.now() - begun - ms);
      if (this.#sinceRescanMs >= rescanMs || lateMs > LATE_MS) this.missed();
      this.#beat();
    });
  }
}

function invalid(name: string, ms: number): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${name}: ${ms} is no time to wait`);
}
