// A plain process that explores crash states, without instrumentation: its order comes as JSON in the
// first argument, its report goes to standard output as JSON.
import { type BrokenState, exploreCrashes, WORKLOADS } from '../../../src/testkit.ts';
import { named } from '../../fixtures/named.ts';
import { RealIndex } from './realIndex.ts';
import { Progress } from './progress.ts';
import { openFileStore } from './subject.ts';

export interface Order {
  /** Where it begins; rounds take the following seeds, `stride` apart. */
  readonly seed: number;
  readonly stride?: number;
  /** Explores round after round, all workloads in each, until so many states were seen. */
  readonly statesMin: number;
  /** With the index in a real SQLite file, as it was, older, torn, or missing. */
  readonly realIndex?: boolean;
  /** How many of the states of a round are examined. Default: all in the first, then some. */
  readonly share?: number;
  /** Default: all. */
  readonly workloads?: readonly string[];
  /** Stops after so many broken states. Default: 1. */
  readonly brokenMax?: number;
  /** Where it keeps what it has seen, to go on there. Default: nowhere. */
  readonly progress?: string;
}

export interface Report {
  /** Different images of the disk, whatever workload and seed they came from. */
  readonly states: number;
  /** Of them, those that were examined to the end: the others had become the same as one of these. */
  readonly whole: number;
  readonly crashes: number;
  /** Rounds that were played. */
  readonly rounds: number;
  readonly broken: readonly (BrokenState & { readonly replay: string })[];
}

/** Rounds after the first: more seeds instead of more of the same. */
const LATER_SHARE = 0.3;
/** A real file costs more: less is tried of each workload, and all of them are reached. */
const REAL_INDEX_SHARE = 0.04;

// Files that are not there are asked for at every opening: nobody reads where each of those came from.
Error.stackTraceLimit = 0;

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const { statesMin, realIndex = false, brokenMax = 1 } = order;
const index = realIndex ? new RealIndex() : undefined;
const subject = index === undefined ? { open: openFileStore } : { open: index.open, side: index };
const byName = Object.fromEntries(WORKLOADS.map((workload) => [workload.name, workload]));
const chosen = order.workloads?.map((name) => named(byName, name)) ?? WORKLOADS;
const broken: Report['broken'][number][] = [];
const progress = new Progress(order.progress);
const { states: distinct } = progress;
const isDone = () => distinct.size >= statesMin || broken.length >= brokenMax;
try {
  while (!isDone()) {
    const { rounds } = progress.totals;
    const seed = order.seed + rounds * (order.stride ?? 1);
    const usual = realIndex ? REAL_INDEX_SHARE : rounds === 0 ? 1 : LATER_SHARE;
    const share = order.share ?? usual;
    const round = { whole: 0, crashes: 0 };
    for (const workload of chosen) {
      if (isDone()) break;
      const options = { seed, share, workload, brokenMax, distinct };
      const explored = await exploreCrashes({ ...subject, ...options });
      round.whole += explored.whole;
      round.crashes += explored.crashes;
      const alone = { seed, statesMin: 1, share, realIndex, workloads: [workload.name] };
      const replay = `node tests/proof/crashes/explore.ts '${JSON.stringify(alone)}'`;
      broken.push(...explored.broken.map((state) => ({ ...state, replay })));
    }
    // What was found is found again, by the same seed, until it is mended.
    if (broken.length === 0) progress.add(round);
  }
} finally {
  index?.remove();
}
const report: Report = { states: distinct.size, ...progress.totals, broken };
process.stdout.write(JSON.stringify(report));
