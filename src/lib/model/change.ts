import type { ArtifactRow, EventRow, RunRow, StepRow } from './entities.ts';

/**
 * One thing that became true. A change names its run, carries absolute values and the entity's new
 * version, so that applying it twice is harmless.
 */
export type Change =
  | { readonly type: 'run.created'; readonly runId: string; readonly run: RunRow }
  | {
      readonly type: 'run.updated';
      readonly runId: string;
      readonly version: number;
      readonly set: Partial<RunRow>;
    }
  /** The sum of the steps' metrics. It does not move the run's version: no writer of the run set it. */
  | {
      readonly type: 'run.metered';
      readonly runId: string;
      readonly metrics: Readonly<Record<string, number>>;
    }
  | { readonly type: 'run.deleted'; readonly runId: string; readonly version: number }
  | { readonly type: 'step.created'; readonly runId: string; readonly step: StepRow }
  | {
      readonly type: 'step.updated';
      readonly runId: string;
      readonly stepId: string;
      readonly version: number;
      readonly set: Partial<StepRow>;
    }
  | { readonly type: 'event.appended'; readonly runId: string; readonly event: EventRow }
  | { readonly type: 'artifact.put'; readonly runId: string; readonly artifact: ArtifactRow }
  | {
      readonly type: 'artifact.updated';
      readonly runId: string;
      readonly name: string;
      /** Which one of its versions; `revision` is what moves. */
      readonly version: number;
      readonly revision: number;
      readonly set: Partial<ArtifactRow>;
    };
