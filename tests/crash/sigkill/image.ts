import type { Payload } from '../../../src/index.ts';

/** All that a caller can see of a run, in plain values that can be compared. */
export interface RunImage {
  readonly workflow: string;
  readonly input: Payload;
  readonly tags: Readonly<Record<string, string>>;
  readonly status: string;
  readonly output: Payload;
  readonly attempt: number;
  readonly steps: readonly StepImage[];
  readonly events: readonly EventImage[];
  /** All versions, by name and version. */
  readonly artifacts: readonly ArtifactImage[];
}

interface StepImage {
  readonly id: string;
  readonly input: Payload;
  readonly status: string;
  readonly output: Payload;
}

interface EventImage {
  readonly type: string;
  readonly payload: Payload;
}

interface ArtifactImage {
  readonly name: string;
  readonly version: number;
  readonly body: Uint8Array;
}

export function newRun(input: Payload): RunImage {
  const lists = { steps: [], events: [], artifacts: [] };
  return {
    workflow: 'kill',
    input,
    tags: {},
    status: 'queued',
    output: null,
    attempt: 1,
    ...lists,
  };
}

export function withEvent(run: RunImage, event: EventImage): RunImage {
  return { ...run, events: [...run.events, event] };
}

export function withStep(
  run: RunImage,
  step: Partial<StepImage> & { readonly id: string },
): RunImage {
  const known = run.steps.some(({ id }) => id === step.id);
  if (known)
    return {
      ...run,
      steps: run.steps.map((old) => (old.id === step.id ? { ...old, ...step } : old)),
    };
  const added = { input: null, status: 'queued', output: null, ...step };
  return { ...run, steps: [...run.steps, added] };
}

/** A new version, unless the newest has these bytes. */
export function withArtifact(run: RunImage, name: string, body: Uint8Array): RunImage {
  const newest = run.artifacts.findLast((artifact) => artifact.name === name);
  if (newest !== undefined && Buffer.compare(newest.body, body) === 0) return run;
  const added = { name, version: (newest?.version ?? 0) + 1, body };
  const artifacts = [...run.artifacts, added].toSorted(
    (a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)) || a.version - b.version,
  );
  return { ...run, artifacts };
}
