import type { Change } from '../../model/change.ts';
import type { Context } from '../../model/decision.ts';
import type { RunState } from '../../model/runState.ts';

/** One call's part in a batch: decided there, and again when another writer was faster. */
export interface Job {
  readonly runIds: readonly string[];
  /** The heads on which it rests; it has failed for good when they have moved. */
  readonly heads?: ReadonlyMap<string, number>;
  /** Of the event that it wants to append. */
  readonly eventKey?: string | undefined;
  /** It deletes its run, which may be damaged. */
  readonly isDeletion?: true;
  readonly decide: (states: States, context: Context) => readonly Change[];
  /** Taken from the state right after its own changes. */
  readonly answer: (states: States) => unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type States = (runId: string) => RunState;

/** Another writer came in between the heads of a job and its commit. */
export const MOVED = Symbol('moved');
