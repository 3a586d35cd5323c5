import type { Context, Decision } from '../../model/decision.ts';
import type { RunRow } from '../../model/entities.ts';
import type { RunState } from '../../model/runState.ts';

export type Decide = (state: RunState, context: Context) => Decision;

/**
 * What the services stand on. The committer writes to the log; a transaction stages. The same
 * service classes serve both, so no command is written twice.
 */
export interface RunWriter {
  /**
   * Decides on the run as it stands, makes the changes durable, and answers from the state after.
   * `eventKey`: of the event that is to be appended, for who has to ask whether it is in use.
   */
  write<T>(
    runId: string,
    decide: Decide,
    answer: (state: RunState) => T,
    eventKey?: string,
  ): Promise<T>;
  /** `write` for the deletion of the run, which may be damaged. */
  delete(runId: string, decide: Decide): Promise<void>;
  /** Answers from what reads may see. */
  read<T>(runId: string, answer: (state: RunState) => T): Promise<T>;
  /** The run's own row, which costs less than its whole state. */
  readRun(runId: string): Promise<RunRow | undefined>;
  /** Throws when nothing can be written: closed, poisoned, read-only, or ended. */
  refuseUnwritable(): void;
  freshId(): string;
}
