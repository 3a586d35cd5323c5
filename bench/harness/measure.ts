import { monitorEventLoopDelay } from 'node:perf_hooks';

export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** Something that is written to, again and again. */
export interface Contender {
  readonly name: string;
  /** Resolves (or returns, where the peer is synchronous) when this write is acknowledged. */
  write(n: number): Promise<unknown> | void;
  close(): Promise<unknown> | void;
}

interface Load {
  /** How many write at a time, each awaiting its own write before the next. */
  readonly callers: number;
  readonly ms: number;
  readonly onLatency?: (ms: number) => void;
}

/** Writes a second, made in `ms` milliseconds; a write begun in time counts, with its time. */
async function rate(contender: Contender, load: Load): Promise<number> {
  const started = performance.now();
  const until = started + load.ms;
  let writes = 0;
  const call = async (): Promise<void> => {
    for (let now = performance.now(); now < until;) {
      await contender.write(writes++);
      const then = now;
      now = performance.now();
      load.onLatency?.(now - then);
    }
  };
  await Promise.all(Array.from({ length: load.callers }, call));
  return (writes / (performance.now() - started)) * 1000;
}

interface Entry extends Omit<Load, 'ms'> {
  readonly contender: Contender;
  /** Called around each of its turns. */
  readonly before?: () => void;
  readonly after?: () => void;
}

/**
 * Rates of each contender, round by round. They take turns, in an order that rotates, so that a slow
 * second of the machine hits all alike: ratios within a round mean something, single rates little.
 */
export async function rounds(
  entries: readonly Entry[],
  { count, ms }: { readonly count: number; readonly ms: number },
): Promise<readonly (readonly number[])[]> {
  const rates: number[][] = entries.map(() => []);
  for (let round = 0; round < count; round += 1) {
    for (let turn = 0; turn < entries.length; turn += 1) {
      const index = (turn + round) % entries.length;
      const entry = entries[index];
      if (entry === undefined) continue;
      entry.before?.();
      rates[index]?.push(await rate(entry.contender, { ...entry, ms }));
      entry.after?.();
    }
  }
  return rates;
}

/** The median over the rounds of `a / b`. */
export function ratio(a: readonly number[] = [], b: readonly number[] = []): number {
  return median(a.map((value, round) => value / (b[round] ?? Number.NaN)));
}

const RESOLUTION_MS = 1;

/** How late timers are while it is on. Node's histogram counts the interval in; we take it off. */
export function loopDelay(): {
  readonly on: () => void;
  readonly off: () => void;
  readonly p99Ms: () => number;
  readonly maxMs: () => number;
} {
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const turns: { readonly p99: number; readonly max: number }[] = [];
  // One for each turn: switched on again, a histogram counts the time for which it was off.
  let histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  return {
    on() {
      histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      histogram.enable();
    },
    off() {
      histogram.disable();
      turns.push({ p99: late(histogram.percentile(99)), max: late(histogram.max) });
    },
    p99Ms: () => median(turns.map(({ p99 }) => p99)),
    maxMs: () => Math.max(...turns.map(({ max }) => max)),
  };
}

/** Milliseconds that each of `count` calls took, one after another. */
export async function times(
  count: number,
  call: (n: number) => Promise<unknown>,
): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const started = performance.now();
    await call(n);
    taken.push(performance.now() - started);
  }
  return taken;
}
