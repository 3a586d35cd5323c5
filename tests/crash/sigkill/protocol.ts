import type { FileStoreTuning } from '../../../src/index.ts';
import { SeededRandom } from '../../../src/testkit/seededRandom.ts';
import { CallerWork } from './work.ts';

/** What a writer is told, as JSON in its one argument. */
export interface WriterTask {
  readonly url: string;
  /** Decides what its callers do. */
  readonly seed: number;
  /** Begins the names of its callers and its runs; used once in a store. */
  readonly prefix: string;
  readonly callers: number;
  /** Closes the store after so many acknowledgements. Default: never. */
  readonly closeAfter?: number | undefined;
  readonly flaw?: Flaw | undefined;
}

/**
 * What is wrong with a writer on purpose: `early` acknowledges before the store has; `halves` makes
 * two commits of what should be one.
 */
export type Flaw = 'early' | 'halves';

/**
 * A writer prints these on lines of their own, each when it begins, and between them
 * `ok <caller> <operation> [<event>]` for what was acknowledged and `no <caller> <operation>` for
 * what was refused because the store was closing.
 */
export const PHASES = ['starting', 'opening', 'working', 'closing', 'closed'] as const;
export type Phase = (typeof PHASES)[number];

/** What the program of a lane is told, as JSON in its one argument. */
export interface LaneTask {
  /** For the lane alone. */
  readonly folder: string;
  readonly seed: number;
  /** How often it kills. */
  readonly cycles: number;
  /** Of each writer. Recorders have none. */
  readonly callers: number;
  readonly flaw?: Flaw | undefined;
}

/** What a lane prints, as one line of JSON. */
export interface LaneReport {
  /** Writers killed. */
  readonly cycles: number;
  readonly acknowledged: number;
  /** In which phases they died. */
  readonly phases: Readonly<Record<Phase, number>>;
  /** What was lost or not whole, with the cycle; the lane ends there. */
  readonly problems: readonly string[];
}

/** What the lane of recorders prints. */
export interface RecordReport {
  /** Recorders killed. */
  readonly cycles: number;
  /** How often a run was `running` with nobody at work on it, and was gone on with. */
  readonly interrupted: number;
  readonly problems: readonly string[];
}

/** Little of everything, so that files are begun, merged and removed all the time. */
export const TUNING: Partial<FileStoreTuning> = {
  segmentBytesMin: 8 * 1024,
  segmentBytesMax: 64 * 1024,
  journalBytesKeep: 64 * 1024,
  journalBytesMax: 512 * 1024,
  tailBytesMax: 16 * 1024,
  cacheBytesMax: 64 * 1024,
  quietMs: 5,
  // Gaining the lock of a dead process takes no time: it falls with it.
  lockWaitMs: 0,
};

export function callersOf(task: Pick<WriterTask, 'seed' | 'prefix' | 'callers'>): CallerWork[] {
  const random = new SeededRandom(task.seed);
  return Array.from(
    { length: task.callers },
    (_, caller) => new CallerWork(random.seed(), `${task.prefix}.${caller}`),
  );
}

/** The run that all callers of a writer share. */
export function sharedRunOf(prefix: string): string {
  return `${prefix}.shared`;
}
