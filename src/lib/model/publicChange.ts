import type { Artifact, Live, Run, RunEvent, RunShape, Step, StepShape } from './entities.ts';

/** A change as `watch` gives it: like a stored one, with dates and values. */
export type PublicChange =
  | { readonly type: 'run.created'; readonly runId: string; readonly run: Run }
  | {
      readonly type: 'run.updated';
      readonly runId: string;
      readonly version: number;
      readonly set: Partial<RunShape<Live>>;
    }
  | {
      readonly type: 'run.metered';
      readonly runId: string;
      readonly metrics: Readonly<Record<string, number>>;
    }
  | { readonly type: 'run.deleted'; readonly runId: string; readonly version: number }
  | { readonly type: 'step.created'; readonly runId: string; readonly step: CreatedStep }
  | {
      readonly type: 'step.updated';
      readonly runId: string;
      readonly stepId: string;
      readonly version: number;
      readonly set: Partial<StepShape<Live>>;
    }
  | { readonly type: 'event.appended'; readonly runId: string; readonly event: RunEvent }
  | { readonly type: 'artifact.put'; readonly runId: string; readonly artifact: Artifact }
  | {
      readonly type: 'artifact.updated';
      readonly runId: string;
      readonly name: string;
      readonly version: number;
      readonly revision: number;
      readonly set: Partial<Omit<Artifact, 'runId'>>;
    };

/** A step without `remaining`, which depends on its siblings at the time of reading. */
export type CreatedStep = Omit<Step, 'remaining'>;
