import type { Invariant } from '../../../src/testkit.ts';

/** Where the fault of a mutant shows: crash states of these workloads. */
export interface Hunt {
  /** Names of workloads. */
  readonly workloads: readonly string[];
  /** How often, each time with the next seed, before a mutant has survived. Default: 6. */
  readonly rounds?: number;
  /** As for `exploreCrashes`. Default: 2. */
  readonly tearsMax?: number;
  /** As for `exploreCrashes`. Default: 0. */
  readonly secondShare?: number;
  /** How many of the states are examined; of a fault that shows in many. Default: 1, all. */
  readonly share?: number;
  /** With the index in a real SQLite file. Default: false. */
  readonly realIndex?: boolean;
}

/** Text of a source file that a mutant has otherwise; it must be there exactly once. */
export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** The store, broken on purpose in one way that must be noticed. */
export interface Mutant {
  /** What it does, after "a store that". */
  readonly name: string;
  /** What of docs/architecture.md it does not keep: a rule, or that the index is derived. */
  readonly rule: `W${number}` | 'index';
  /** What it breaks: one of these. */
  readonly breaks: readonly Invariant[];
  readonly edits: readonly Edit[];
  /** `damage`: where bytes of acknowledged frames change, which no crash does. */
  readonly hunt: Hunt | 'damage';
}

const STORE = 'src/lib/store/FileSystemStore';

/** In a file of the store. */
export function edit(file: string, find: string, replace: string): Edit {
  return { file: `${STORE}/${file}`, find, replace };
}

/** A line of a file of the store that is not there. */
export function without(file: string, line: string): Edit {
  return edit(file, `${line}\n`, '');
}
