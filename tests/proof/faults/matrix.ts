/**
 * Makes every call of the port fail, one after the other, in every operation, and prints what became
 * of it as one line of JSON.
 */
import type { PortCall } from '../../../src/testkit/faultyDisk.ts';
import type { DiskImage } from '../../../src/testkit/simulatedDisk.ts';
import { named } from '../../fixtures/named.ts';
import { type Healthy, healthyLife, type Setting, type Trouble, troubledLife } from './life.ts';
import { MUTANTS } from './mutants.ts';
import type { Operation, Round } from './operation.ts';
import { BACKGROUND, IN_FOLDERS, LIVES } from './operations/lives.ts';
import { READS } from './operations/reads.ts';
import { WRITES } from './operations/writes.ts';
import { FAULTS } from './outcome.ts';
import { makeStarts, type Starts } from './starts.ts';
import type { Mutant, PlaceName } from './world.ts';

export interface MatrixTask {
  readonly seed: number;
  readonly place: PlaceName;
  readonly faults: readonly string[];
  /** How often a store lives through the fault. */
  readonly rounds: readonly Round[];
  /** Default: all. */
  readonly operations?: readonly string[];
  readonly mutant?: string;
}

export interface MatrixReport {
  readonly operations: readonly string[];
  /** Calls that were made to fail. */
  readonly cases: number;
  readonly broken: number;
  /** The first ones, in words. */
  readonly what: readonly string[];
}

const OPERATIONS: Readonly<Record<PlaceName, readonly Operation[]>> = {
  memory: [...WRITES, ...READS, ...BACKGROUND, ...LIVES],
  folder: IN_FOLDERS,
};

const BROKEN_SHOWN = 10;

/** In folders, the lock, the owner and the index, which memory has not: the rest is the same there. */
const COUNTS: Readonly<Record<PlaceName, (call: PortCall) => boolean>> = {
  memory: () => true,
  folder: ({ path, to = '' }) => [path, to].some((name) => OF_FOLDERS.test(name)),
};
const OF_FOLDERS = /data.(lock\.db|owner\.json|index|\.holdfast-)/;

class Matrix {
  readonly #task: MatrixTask;
  readonly #mutant: Mutant;
  #cases = 0;
  #broken = 0;
  readonly #what: string[] = [];

  constructor(task: MatrixTask) {
    this.#task = task;
    this.#mutant = task.mutant === undefined ? {} : named(MUTANTS, task.mutant);
    for (const fault of task.faults) named(FAULTS, fault);
  }

  async run(): Promise<MatrixReport> {
    const { place, rounds, seed, operations: wanted } = this.#task;
    const starts = await makeStarts(place, rounds, seed);
    const all = Object.fromEntries(OPERATIONS[place].map((it) => [it.name, it] as const));
    const operations = (wanted ?? Object.keys(all)).map((name) => named(all, name));
    for (const operation of operations) await this.#fail(operation, starts);
    const names = operations.map(({ name }) => name);
    return { operations: names, cases: this.#cases, broken: this.#broken, what: this.#what };
  }

  async #fail(operation: Operation, starts: Starts): Promise<void> {
    const setting = this.#setting(operation, 1, starts[operation.start]);
    const healthy = await healthyLife(setting);
    for (const fault of this.#task.faults) {
      for (const persistent of [false, true]) {
        for (let nth = 1; await this.#case(setting, { fault, persistent, nth }, healthy); nth++);
      }
    }
  }

  /** Whether there was a call to fail. */
  async #case(setting: Setting, trouble: Trouble, healthy: Healthy): Promise<boolean> {
    try {
      const { struck, image } = await troubledLife(setting, trouble, healthy);
      if (struck) this.#cases++;
      if (image !== undefined && this.#task.rounds.includes(2)) {
        const again = this.#setting(setting.operation, 2, image);
        const second = await troubledLife(again, trouble, await healthyLife(again));
        if (second.struck) this.#cases++;
      }
      return struck;
    } catch (error) {
      this.#cases++;
      this.#broken++;
      if (this.#what.length < BROKEN_SHOWN) this.#what.push(describe(setting, trouble, error));
      // What breaks where no call was left to fail would break for ever.
      return trouble.nth <= healthy.calls.length;
    }
  }

  #setting(operation: Operation, round: Round, image: DiskImage): Setting {
    const { place, seed } = this.#task;
    const counts = COUNTS[place];
    const shared = { place, seed: seed + round, mutant: this.#mutant, counts };
    const known = this.#task.rounds.includes(2) ? undefined : new Set<string>();
    return { ...shared, operation, image, round, known };
  }
}

function describe({ operation }: Setting, { fault, persistent, nth }: Trouble, error: unknown) {
  const when = persistent ? `from call ${nth} on` : `at call ${nth}`;
  const causes: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) causes.push(at.message);
  return `${operation.name}, ${fault} ${when}: ${causes.join(' < ')}`;
}

const task = JSON.parse(process.argv[2] ?? '{}') as MatrixTask;
console.log(JSON.stringify(await new Matrix(task).run()));
