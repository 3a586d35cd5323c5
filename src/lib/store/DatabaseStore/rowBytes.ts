import { StoreError } from '../../errors.ts';
import type { Change } from '../../model/change.ts';
import type {
  ArtifactRow,
  AttemptShape,
  ErrorInfo,
  EventRow,
  RunRow,
  StepRow,
  Stored,
} from '../../model/entities.ts';
import type { RunState } from '../../model/runState.ts';

/** Of an object with its ids and times; of a smaller one inside of it; of an entry of a list or map. */
const ROW_BYTES = 600;
const PART_BYTES = 200;
const ENTRY_BYTES = 50;

/** Roughly what a run takes, in memory, and hardly less than its rows do as text. */
export function stateBytes(state: RunState): number {
  let bytes = ROW_BYTES + runBytes(state.run);
  for (const step of state.steps.values()) bytes += stepBytes(step);
  for (const versions of state.artifacts.values()) {
    for (const artifact of versions) bytes += artifactBytes(artifact);
  }
  for (const event of state.eventByKey.values()) bytes += eventBytes(event);
  return bytes;
}

/** Which row a change is about; `undefined` for an event, which its own text counts. */
export function rowKey(change: Change): string | undefined {
  switch (change.type) {
    case 'event.appended':
      return undefined;
    case 'step.created':
      return `step ${change.step.id}`;
    case 'step.updated':
      return `step ${change.stepId}`;
    case 'artifact.put':
      return artifactKey(change.artifact);
    case 'artifact.updated':
      return artifactKey(change);
    default:
      return 'run';
  }
}

function artifactKey({ name, version }: Pick<ArtifactRow, 'name' | 'version'>): string {
  return `artifact ${version} ${name}`;
}

/** What the row that a change is about takes in this state; 0 where it is not there. */
export function rowBytes(state: RunState, change: Change): number {
  switch (change.type) {
    case 'event.appended':
      return 0;
    case 'step.created':
      return stepBytes(state.steps.get(change.step.id));
    case 'step.updated':
      return stepBytes(state.steps.get(change.stepId));
    case 'artifact.put':
      return artifactBytes(state.artifact(change.artifact.name, change.artifact.version));
    case 'artifact.updated':
      return artifactBytes(state.artifact(change.name, change.version));
    default:
      return runBytes(state.run);
  }
}

/** `LIMIT_EXCEEDED` for rows of one commit that are more than can be sent together. */
export function refuseTooLarge(bytes: number, bytesMax: number): void {
  if (bytes <= bytesMax) return;
  const message = `the rows that one commit writes hold ${bytesMax} bytes at most; these have ${bytes}`;
  throw new StoreError(
    'LIMIT_EXCEEDED',
    `${message}: change fewer large runs and steps at once, or keep large bytes in artifacts`,
  );
}

function runBytes(row: RunRow | undefined): number {
  if (row === undefined) return 0;
  let bytes = workBytes(row) + row.metadata.length;
  for (const key in row.tags) bytes += ENTRY_BYTES + key.length + (row.tags[key] ?? '').length;
  return bytes;
}

function stepBytes(row: StepRow | undefined): number {
  if (row === undefined) return 0;
  let bytes = workBytes(row) + row.name.length + (row.idempotencyKey?.length ?? 0);
  for (const id of row.dependsOn) bytes += ENTRY_BYTES + id.length;
  return bytes;
}

function workBytes(row: RunRow | StepRow): number {
  let bytes = ROW_BYTES + row.input.length + row.output.length + (row.reason?.length ?? 0);
  bytes += errorBytes(row.error);
  for (const key in row.metrics) bytes += ENTRY_BYTES + key.length;
  for (const attempt of row.attempts) bytes += attemptBytes(attempt);
  return bytes;
}

function attemptBytes({ worker, error }: AttemptShape<Stored, string>): number {
  return PART_BYTES + (worker?.length ?? 0) + errorBytes(error);
}

function errorBytes(error: ErrorInfo | null): number {
  if (error === null) return 0;
  const { name, message, code = '', stack = '' } = error;
  return PART_BYTES + name.length + message.length + code.length + stack.length;
}

function artifactBytes(row: ArtifactRow | undefined): number {
  if (row === undefined) return 0;
  let bytes = ROW_BYTES + row.name.length + row.mediaType.length + row.metadata.length;
  for (const key in row.tags) bytes += ENTRY_BYTES + key.length + (row.tags[key] ?? '').length;
  for (const alias of row.aliases) bytes += ENTRY_BYTES + alias.length;
  for (const { runId, name } of row.parents) bytes += PART_BYTES + runId.length + name.length;
  return bytes + (row.hold?.length ?? 0);
}

function eventBytes({ type, payload, idempotencyKey }: EventRow): number {
  return ROW_BYTES + type.length + payload.length + (idempotencyKey?.length ?? 0);
}
