import { ReferenceArtifacts } from './referenceStore/artifacts.ts';
import { ReferenceEvents } from './referenceStore/events.ts';
import { Records, type ReferenceWorld } from './referenceStore/records.ts';
import { refusal } from './referenceStore/refusals.ts';
import { ReferenceRuns } from './referenceStore/runs.ts';
import { ReferenceSteps } from './referenceStore/steps.ts';

export type { ReferenceWorld };

/** The calls of a store, or of one of its transactions. */
class ReferenceCalls {
  readonly runs: ReferenceRuns;
  readonly steps: ReferenceSteps;
  readonly events: ReferenceEvents;
  readonly artifacts: ReferenceArtifacts;

  constructor(records: Records) {
    this.runs = new ReferenceRuns(records);
    this.steps = new ReferenceSteps(records);
    this.events = new ReferenceEvents(records);
    this.artifacts = new ReferenceArtifacts(records);
  }
}

/** Copies of some runs: it sees its own writes, and nobody else does before `commit`. */
export class ReferenceTransaction extends ReferenceCalls {
  readonly #staged: Records;

  constructor(staged: Records) {
    super(staged);
    this.#staged = staged;
  }

  /** Makes all of it true at once: one commit, or none if nothing was written. */
  commit(): void {
    this.#staged.commit();
  }
}

/**
 * What a store must answer: a model of the contract in memory, one call after the other, written from
 * the documentation and not from the code that it judges. Every call gives what the same call of a
 * store resolves to, or throws the `StoreError` with whose code and id that rejects; of a list,
 * one page. Fresh ids and times come from its world: a test hands in those that the store chose. What
 * the types of the contract forbid, and its limits, it does not look at.
 */
export class ReferenceStore extends ReferenceCalls {
  readonly #records: Records;

  constructor(world: ReferenceWorld) {
    const records = new Records(world);
    super(records);
    this.#records = records;
  }

  /** How many commits the log of the store has. */
  get commits(): number {
    return this.#records.commits;
  }

  /** A transaction over these runs. It is rolled back by being forgotten. */
  begin(runIds: readonly string[]): ReferenceTransaction {
    if (runIds.length === 0) throw refusal('INVALID_ARGUMENT', 'name at least one run');
    return new ReferenceTransaction(this.#records.fork(new Set(runIds)));
  }
}
