import type { Change } from './change.ts';
import type {
  Artifact,
  ArtifactRow,
  Attempt,
  AttemptShape,
  EventRow,
  Run,
  RunEvent,
  RunRow,
  Step,
  StepRow,
  Stored,
} from './entities.ts';
import { decodePayload, type JsonObject } from './payload.ts';
import type { PublicChange } from './publicChange.ts';

/** From rows as they are kept to entities as callers see them: every one a fresh copy. */

export function toRun(row: RunRow): Run {
  return {
    ...row,
    input: decodePayload(row.input),
    output: decodePayload(row.output),
    error: row.error && { ...row.error },
    tags: { ...row.tags },
    metadata: decodePayload(row.metadata) as JsonObject,
    metrics: { ...row.metrics },
    availableAt: toDate(row.availableAt),
    startedAt: toDate(row.startedAt),
    endedAt: toDate(row.endedAt),
    attempts: row.attempts.map(toAttempt),
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
  };
}

export function toStep(runId: string, row: StepRow, remaining: number): Step {
  return { ...toStepWithoutRemaining(runId, row), remaining };
}

function toStepWithoutRemaining(runId: string, row: StepRow): Omit<Step, 'remaining'> {
  return {
    ...row,
    runId,
    input: decodePayload(row.input),
    output: decodePayload(row.output),
    error: row.error && { ...row.error },
    metrics: { ...row.metrics },
    dependsOn: [...row.dependsOn],
    availableAt: toDate(row.availableAt),
    startedAt: toDate(row.startedAt),
    endedAt: toDate(row.endedAt),
    attempts: row.attempts.map(toAttempt),
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
  };
}

export function toEvent(runId: string, row: EventRow): RunEvent {
  return {
    ...row,
    runId,
    payload: decodePayload(row.payload),
    occurredAt: new Date(row.occurredAt),
    recordedAt: new Date(row.recordedAt),
  };
}

export function toArtifact(runId: string, row: ArtifactRow): Artifact {
  return { ...toArtifactFields(row), runId };
}

function toArtifactFields(row: ArtifactRow): Omit<Artifact, 'runId'> {
  return {
    ...row,
    tags: { ...row.tags },
    metadata: decodePayload(row.metadata) as JsonObject,
    aliases: [...row.aliases],
    parents: row.parents.map((parent) => ({ ...parent })),
    expiresAt: toDate(row.expiresAt),
    deletedAt: toDate(row.deletedAt),
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
  };
}

function toAttempt<Status extends string>(row: AttemptShape<Stored, Status>): Attempt<Status> {
  return {
    ...row,
    error: row.error && { ...row.error },
    startedAt: new Date(row.startedAt),
    endedAt: toDate(row.endedAt),
  };
}

function toDate(time: string | null): Date | null {
  return time === null ? null : new Date(time);
}

/** `reference` rows lend the fields that a partial one lacks; only those it has are kept. */
function toSet<Row extends object, Entity extends object>(
  set: Partial<Row>,
  reference: Row,
  convert: (row: Row) => Entity,
): Partial<Entity> {
  const entity = convert({ ...reference, ...set });
  const wanted = Object.keys(set) as (keyof Entity)[];
  return Object.fromEntries(wanted.map((key) => [key, entity[key]])) as Partial<Entity>;
}

export function toPublicChange(change: Change): PublicChange {
  const { runId } = change;
  switch (change.type) {
    case 'run.created':
      return { ...change, run: toRun(change.run) };
    case 'run.updated':
      return { ...change, set: toSet(change.set, EMPTY_RUN, toRun) };
    case 'run.metered':
      return { ...change, metrics: { ...change.metrics } };
    case 'run.deleted':
      return change;
    case 'step.created':
      return { ...change, step: toStepWithoutRemaining(runId, change.step) };
    case 'step.updated': {
      const convert = (row: StepRow) => toStepWithoutRemaining(runId, row);
      return { ...change, set: toSet(change.set, EMPTY_STEP, convert) };
    }
    case 'event.appended':
      return { ...change, event: toEvent(runId, change.event) };
    case 'artifact.put':
      return { ...change, artifact: toArtifact(runId, change.artifact) };
    case 'artifact.updated':
      return { ...change, set: toSet(change.set, EMPTY_ARTIFACT, toArtifactFields) };
  }
}

const EMPTY_WORK = {
  id: '',
  version: 0,
  input: 'null',
  output: 'null',
  error: null,
  reason: null,
  metrics: {},
  trace: null,
  availableAt: null,
  startedAt: null,
  endedAt: null,
  attempt: 1,
  attempts: [],
  createdAt: '',
  updatedAt: '',
} as const;

/** What a field has when the stored text does not name it: see `encodeRow`. */
export const EMPTY_RUN: RunRow = {
  ...EMPTY_WORK,
  workflow: '',
  project: null,
  definition: null,
  parentRunId: null,
  parentStepId: null,
  status: 'queued',
  tags: {},
  metadata: '{}',
  priority: 0,
};

export const EMPTY_STEP: StepRow = {
  ...EMPTY_WORK,
  name: '',
  kind: 'task',
  status: 'queued',
  progress: null,
  dependsOn: [],
  onDependencyFailure: 'skip',
  skippedBy: null,
  parentStepId: null,
  idempotencyKey: null,
};

export const EMPTY_EVENT: EventRow = {
  seq: 0,
  type: '',
  stepId: null,
  payload: 'null',
  idempotencyKey: null,
  occurredAt: '',
  recordedAt: '',
};

export const EMPTY_ARTIFACT: ArtifactRow = {
  id: '',
  name: '',
  version: 0,
  revision: 1,
  digest: '',
  size: 0,
  mediaType: 'application/octet-stream',
  stepId: null,
  tags: {},
  metadata: '{}',
  aliases: [],
  parents: [],
  expiresAt: null,
  hold: null,
  deletedAt: null,
  createdAt: '',
  updatedAt: '',
};
