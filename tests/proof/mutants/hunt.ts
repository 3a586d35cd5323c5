// A plain process that looks for crash states in which the store of this copy breaks a promise: the
// order comes as JSON in the first argument, the report goes to standard output as JSON.
import { type BrokenState, exploreCrashes, WORKLOADS } from '../../../src/testkit.ts';
import { RealIndex } from '../crashes/realIndex.ts';
import { openFileStore } from '../crashes/subject.ts';
import type { Hunt } from './mutant.ts';

export interface HuntOrder extends Hunt {
  readonly seed: number;
}

export interface HuntReport {
  /** Crash states that were examined. */
  readonly states: number;
  /** The first one found, if any. */
  readonly broken: BrokenState | undefined;
}

const ROUNDS = 6;
const TEARS_MAX = 2;

// A watcher that fails is told of by whoever waits for it.
process.on('unhandledRejection', () => undefined);

const order = JSON.parse(process.argv[2] ?? '{}') as HuntOrder;
const { workloads, rounds = ROUNDS, tearsMax = TEARS_MAX, secondShare = 0, share = 1 } = order;
const index = order.realIndex === true ? new RealIndex() : undefined;
const place = { open: index?.open ?? openFileStore, side: index };
const chosen = workloads.map((name) => {
  const workload = WORKLOADS.find((it) => it.name === name);
  if (workload === undefined) throw new Error(`there is no workload ${name}`);
  return workload;
});
let broken: BrokenState | undefined;
let states = 0;
try {
  for (let seed = order.seed; seed < order.seed + rounds; seed++) {
    for (const workload of chosen) {
      if (broken !== undefined) break;
      const options = { ...place, workload, seed, tearsMax, secondShare, share };
      const explored = await exploreCrashes(options);
      states += explored.states;
      broken = explored.broken[0];
    }
  }
} finally {
  index?.remove();
}
process.stdout.write(JSON.stringify({ states, broken } satisfies HuntReport));
