import type { Artifact, Run, RunEvent, Step } from '../../index.ts';
import { missing, refusal } from './refusals.ts';

/** What a reference store cannot know by itself. */
export interface ReferenceWorld {
  /** Wall clock, milliseconds since 1970. */
  readonly now: () => number;
  /** The time of the write that is being done. */
  readonly at: () => Date;
  /** The id of what is being made, where the caller brought none. */
  readonly freshId: () => string;
}

/** A step as it is kept: how many others it waits for depends on those. */
export type KeptStep = Omit<Step, 'remaining'>;

export interface KeptArtifact {
  readonly artifact: Artifact;
  readonly bytes: Uint8Array;
}

/** A run with all that belongs to it. It is replaced as a whole and never changed. */
export interface RunRecord {
  readonly run: Run;
  /** By id, in order of creation. */
  readonly steps: ReadonlyMap<string, KeptStep>;
  readonly events: readonly RunEvent[];
  /** In order of their being put. */
  readonly artifacts: readonly KeptArtifact[];
  /** The number of the commit that created it. */
  readonly createdIn: number;
}

/** The runs of a store, or a transaction's own view of them. */
export class Records {
  readonly world: ReferenceWorld;
  /** How many commits led here. */
  commits = 0;
  #runs: Map<string, RunRecord>;
  /** Workflow and idempotency key → the id that is derived from both, for ever. */
  readonly #derivedIds: Map<string, string>;
  readonly #base: Records | undefined;
  readonly #named: ReadonlySet<string> | undefined;
  #isChanged = false;

  constructor(world: ReferenceWorld, base?: Records, named?: ReadonlySet<string>) {
    this.world = world;
    this.commits = base?.commits ?? 0;
    this.#runs = new Map(base?.all());
    this.#derivedIds = base === undefined ? new Map<string, string>() : base.#derivedIds;
    this.#base = base;
    this.#named = named;
  }

  all(): ReadonlyMap<string, RunRecord> {
    return this.#runs;
  }

  find(runId: string): RunRecord | undefined {
    if (this.#named?.has(runId) === false) throw notNamed(runId);
    return this.#runs.get(runId);
  }

  get(runId: string): RunRecord {
    const record = this.find(runId);
    if (record === undefined) throw missing('run', runId);
    return record;
  }

  /** One call has written: a commit of its own, or a part of the transaction's. */
  put(runId: string, record: RunRecord | undefined): void {
    if (record === undefined) this.#runs.delete(runId);
    else this.#runs.set(runId, record);
    this.#isChanged = true;
    if (this.#base === undefined) this.commits++;
  }

  get nextCommit(): number {
    return this.commits + 1;
  }

  /** The id of a new run without one. A transaction can know none that is new. */
  freshRunId(): string {
    if (this.#named !== undefined) throw notNamed('a new id');
    return this.world.freshId();
  }

  derivedRunId(workflow: string, key: string): string {
    const from = JSON.stringify([workflow, key]);
    const id = this.#derivedIds.get(from) ?? this.freshRunId();
    this.#derivedIds.set(from, id);
    return id;
  }

  fork(named: ReadonlySet<string>): Records {
    return new Records(this.world, this, named);
  }

  /** Makes what a fork has written true at once. */
  commit(): void {
    if (this.#base === undefined || !this.#isChanged) return;
    this.#base.#runs = new Map(this.#runs);
    this.#base.commits++;
  }
}

function notNamed(runId: string): Error {
  return refusal('INVALID_ARGUMENT', `${runId} is not among the runs of this transaction`);
}
