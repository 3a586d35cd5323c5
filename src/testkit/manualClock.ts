import type { Clock } from '../index.ts';

/** A clock that stands still until it is moved; its timers run when their time has come. */
export class ManualClock implements Clock {
  /** Milliseconds since 1970. Set it to jump, backwards too, without any timer. */
  ms = Date.UTC(2026, 0, 2);
  readonly #timers = new Set<{ readonly due: number; readonly task: () => void }>();

  now(): number {
    return this.ms;
  }

  after(ms: number, task: () => void): () => void {
    const timer = { due: this.ms + ms, task };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(ms: number): void {
    this.ms += ms;
    // A copy: what a task asks for comes another time.
    for (const timer of Array.from(this.#timers)) {
      if (timer.due <= this.ms && this.#timers.delete(timer)) timer.task();
    }
  }
}
