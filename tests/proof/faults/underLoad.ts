/**
 * Makes one call after the other fail in a store under concurrent callers, and counts what is
 * acknowledged after a failed sync, and what is tried again; prints one line of JSON.
 */
import { isSync, NthCall, type PortCall, triesAfter } from '../../../src/testkit/faultyDisk.ts';
import { named } from '../../fixtures/named.ts';
import { isOfJournal, Load } from './load.ts';
import { MUTANTS } from './mutants.ts';
import { FAULTS } from './outcome.ts';
import { refuseUnhandled, within } from './watchdog.ts';
import type { Mutant } from './world.ts';

export interface LoadTask {
  readonly seed: number;
  readonly callers: number;
  readonly rounds: number;
  /** `sync`: those that promise durability, each once. */
  readonly calls: 'sync' | 'any';
  readonly faults: readonly string[];
  readonly persistent: boolean;
  /** Every how many calls one is made to fail. */
  readonly stride: number;
  readonly mutant?: string;
}

export interface LoadReport {
  /** Calls that were made to fail, each in a life of its own. */
  readonly cases: number;
  /** Of them, syncs of the journal or of its folder, and writes of it on `O_DSYNC`. */
  readonly ofJournal: number;
  /** Commits acknowledged after one of those, and not durable before. */
  readonly acknowledged: number;
  /** Calls after a failed sync that wrote or synced the same file again, or gave it its name. */
  readonly retried: number;
  /** What else was wrong: an acknowledged commit that is not there, a raw error… */
  readonly broken: number;
  /** The first of all these, in words. */
  readonly what: readonly string[];
}

const SHOWN = 10;
const isFolder = ({ op, path }: PortCall): boolean => op === 'sync' && !path.includes('.');

class Survey {
  readonly #task: LoadTask;
  readonly #mutant: Mutant;
  readonly #report = { cases: 0, ofJournal: 0, acknowledged: 0, retried: 0, broken: 0 };
  readonly #what: string[] = [];

  constructor(task: LoadTask) {
    this.#task = task;
    for (const fault of task.faults) named(FAULTS, fault);
    this.#mutant = task.mutant === undefined ? {} : named(MUTANTS, task.mutant);
  }

  async run(): Promise<LoadReport> {
    const { faults, stride } = this.#task;
    for (const fault of faults) {
      for (let nth = 1; await this.#life(nth, fault);) nth += stride;
    }
    return { ...this.#report, what: this.#what };
  }

  /** Whether there was a call to fail. */
  async #life(nth: number, fault: string): Promise<boolean> {
    const { calls, persistent, ...rest } = this.#task;
    const counts = calls === 'sync' ? isSync : undefined;
    const trouble = new NthCall({ nth, fault, persistent, counts });
    const load = new Load({ ...rest, mutant: this.#mutant, fault: trouble.decide });
    const note = (text: string) =>
      this.#what.push(`${fault} at ${load.struck?.op} ${load.struck?.path} (${nth}): ${text}`);
    try {
      await within('the load', load.run());
      refuseUnhandled();
      if (load.struck !== undefined && isSync(load.struck)) this.#count(load, load.struck, note);
      for (const wrong of await within('looking at it', load.broken())) {
        this.#report.broken++;
        note(wrong);
      }
    } catch (error) {
      this.#report.broken++;
      note(String(error));
    }
    this.#what.splice(SHOWN);
    if (load.struck !== undefined) this.#report.cases++;
    return load.struck !== undefined;
  }

  #count({ late, disk }: Load, struck: PortCall, note: (text: string) => void): void {
    if (isOfJournal(struck)) {
      this.#report.ofJournal++;
      this.#report.acknowledged += late.size;
      if (late.size > 0) note(`acknowledged after it: ${[...late].join(', ')}`);
    } else if (isFolder(struck)) {
      // A name there is given anew before the next sync counts; the simulated disk proves it.
      return;
    }
    const tries = triesAfter(struck, disk.calls);
    this.#report.retried += tries.length;
    if (tries.length > 0) note(`tried again: ${tries.map(({ op }) => op).join(', ')}`);
  }
}

const task = JSON.parse(process.argv[2] ?? '{}') as LoadTask;
console.log(JSON.stringify(await new Survey(task).run()));
