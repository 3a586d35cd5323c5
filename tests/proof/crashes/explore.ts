// A plain process that explores crash states, without instrumentation: its order comes as JSON in the
// first argument, its report goes to standard output as JSON.
import { type BrokenState, exploreCrashes, WORKLOADS } from '../../../src/testkit.ts';
import { openFileStore } from './subject.ts';

export interface Order {
  /** Where it begins; rounds take the following seeds, `stride` apart. */
  readonly seed: number;
  readonly stride?: number;
  /** Explores round after round, all workloads in each, until so many states were seen. */
  readonly statesMin: number;
  /** Default: all. */
  readonly workloads?: readonly string[];
  /** Stops after so many broken states. Default: 1. */
  readonly brokenMax?: number;
}

export interface Report {
  readonly states: number;
  readonly crashes: number;
  /** Rounds that were begun. */
  readonly rounds: number;
  readonly broken: readonly BrokenState[];
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const { seed, stride = 1, statesMin, workloads, brokenMax = 1 } = order;
const chosen = WORKLOADS.filter(({ name }) => workloads?.includes(name) ?? true);
const broken: BrokenState[] = [];
let [states, crashes, rounds] = [0, 0, 0];
while (states < statesMin && broken.length < brokenMax) {
  const options = { open: openFileStore, seed: seed + rounds * stride };
  for (const workload of chosen) {
    if (states >= statesMin || broken.length >= brokenMax) break;
    const explored = await exploreCrashes({ ...options, workload, brokenMax });
    states += explored.states;
    crashes += explored.crashes;
    broken.push(...explored.broken);
  }
  rounds++;
}
process.stdout.write(JSON.stringify({ states, crashes, rounds, broken } satisfies Report));
