import type { Clock } from '../index.ts';
import type { Sink } from './sink.ts';
import { fit } from './text.ts';

const REDRAW_MS = 100;
const CLEAR = '\r\u001b[2K';

/**
 * The one line at the bottom of a terminal that says what is going on. Elsewhere it does nothing.
 * Whoever writes something else to the terminal calls `clear` first.
 */
export class StatusLine {
  readonly #sink: Sink;
  readonly #clock: Clock;
  readonly #columns: number;
  readonly #enabled: boolean;
  #cancel: (() => void) | undefined;
  #shown = false;

  constructor(
    sink: Sink,
    options: { readonly clock: Clock; readonly columns: number; readonly enabled: boolean },
  ) {
    this.#sink = sink;
    this.#clock = options.clock;
    this.#columns = options.columns;
    this.#enabled = options.enabled;
  }

  /** Draws `text()` now and then again and again, until `clear`. */
  show(text: () => string): void {
    if (!this.#enabled) return;
    this.#cancel?.();
    this.#cancel = this.#clock.after(REDRAW_MS, () => this.show(text));
    this.#shown = true;
    // Nothing waits for a status line; the sink keeps its failure for those who do.
    this.#sink.write(`${CLEAR}${fit(text(), this.#columns - 1)}`).catch(() => this.#stop());
  }

  async clear(): Promise<void> {
    this.#stop();
    if (!this.#shown) return;
    this.#shown = false;
    await this.#sink.write(CLEAR);
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

/** `████░░░░ 50%` */
export function progressBar(done: number, total: number, width: number): string {
  const part = total === 0 ? 0 : Math.min(1, done / total);
  const full = Math.floor(part * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${Math.floor(part * 100)}%`;
}

/**
 * A stretch of time as cells of a line that stands for [from, to]; never less than one cell, so
 * that the shortest step is seen.
 */
export function cells(
  stretch: { readonly start: number; readonly end: number },
  window: { readonly from: number; readonly to: number },
  width: number,
): { readonly first: number; readonly length: number } {
  const span = Math.max(1, window.to - window.from);
  const first = Math.min(width - 1, Math.floor(((stretch.start - window.from) / span) * width));
  const last = Math.ceil(((stretch.end - window.from) / span) * width);
  return { first, length: Math.max(1, Math.min(width, last) - first) };
}
