import { StoreError } from '../errors.ts';
import { begun, ended } from './attempts.ts';
import type { Change } from './change.ts';
import * as check from './check.ts';
import type { NewStep, ResetOptions, StepPatch, WriteOptions } from './commands.ts';
import {
  checkError,
  checkIfVersion,
  checkReason,
  type Context,
  type Decision,
  idempotencyConflict,
  requireOpenRun,
  requireStep,
} from './decision.ts';
import {
  checkDependencies,
  isFailure,
  settleDependents,
  unskipDependents,
  whySkipped,
} from './dependencies.ts';
import { STEP_STATUSES, type StepRow } from './entities.ts';
import { encodePayload, NULL_PAYLOAD, samePayload } from './payload.ts';
import { optional } from './run.ts';
import type { RunState } from './runState.ts';
import { checkStepTransition, isTerminalStep } from './transitions.ts';

const NEW_STEP: ReadonlySet<string> = new Set<keyof NewStep>([
  'id',
  'idempotencyKey',
  'name',
  'kind',
  'input',
  'dependsOn',
  'onDependencyFailure',
  'parentStepId',
  'trace',
  'availableAt',
]);

const STEP_PATCH: ReadonlySet<string> = new Set([
  'status',
  'output',
  'error',
  'reason',
  'worker',
  'availableAt',
  'dependsOn',
  'metrics',
  'trace',
  'progress',
]);

/** The step that a repeated idempotency key gives back, or `undefined` for a new step. */
function existingStep(state: RunState, input: NewStep): StepRow | undefined {
  if (input.idempotencyKey === undefined) return undefined;
  const id = state.stepIdByKey.get(input.idempotencyKey);
  return id === undefined ? undefined : state.steps.get(id);
}

export function decideCreateStep(
  state: RunState,
  runId: string,
  input: NewStep,
  context: Context,
): Decision {
  check.checkGiven(input, 'step', NEW_STEP);
  const existing = existingStep(state, input);
  if (existing !== undefined) {
    if (samePayload(existing.input, encodePayload(input.input, 'step.input'))) return [];
    throw idempotencyConflict('a step', existing.idempotencyKey ?? '', existing.id);
  }
  requireOpenRun(state, runId);
  const step = newStep(state, runId, input, context);
  if (state.steps.get(step.id) !== undefined) {
    const message = `run ${runId} already has a step ${step.id}`;
    throw new StoreError('ALREADY_EXISTS', message, { id: step.id });
  }
  return [{ type: 'step.created', runId, step }];
}

function newStep(state: RunState, runId: string, input: NewStep, context: Context): StepRow {
  const id = input.id === undefined ? context.freshId() : check.checkId(input.id, 'step.id');
  const dependsOn = checkDependencies(state, runId, id, input.dependsOn ?? [], 'step.dependsOn');
  const policy = check.checkOneOf(input.onDependencyFailure ?? 'skip', 'step.onDependencyFailure', [
    'skip',
    'wait',
  ] as const);
  const failed = dependsOn.find((other) => isFailure(state.steps.get(other)));
  const skipped = policy === 'skip' && failed !== undefined;
  return {
    id,
    version: 1,
    name: check.checkName(input.name, 'step.name'),
    kind: input.kind === undefined ? 'task' : check.checkName(input.kind, 'step.kind'),
    status: skipped ? 'skipped' : 'queued',
    input: encodePayload(input.input, 'step.input'),
    output: NULL_PAYLOAD,
    error: null,
    reason: skipped ? whySkipped(state, failed) : null,
    progress: null,
    metrics: {},
    trace: optional(input.trace, 'step.trace', check.checkName),
    dependsOn,
    onDependencyFailure: policy,
    skippedBy: skipped ? failed : null,
    parentStepId: optional(input.parentStepId, 'step.parentStepId', check.checkId),
    idempotencyKey: optional(input.idempotencyKey, 'step.idempotencyKey', check.checkName),
    availableAt: optional(input.availableAt, 'step.availableAt', check.checkTime),
    startedAt: null,
    endedAt: skipped ? context.at : null,
    attempt: 1,
    attempts: [],
    createdAt: context.at,
    updatedAt: context.at,
  };
}

export function decideUpdateStep(
  state: RunState,
  runId: string,
  stepId: string,
  patch: StepPatch,
  options: WriteOptions | undefined,
  context: Context,
): Decision {
  const run = requireOpenRun(state, runId);
  const step = requireStep(state, runId, stepId);
  checkIfVersion(stepId, step.version, options);
  check.checkGiven(patch, 'patch', STEP_PATCH);
  const set = {
    ...fieldsOf(state, runId, step, patch),
    ...statusOf(state, step, patch, context.at),
    ...skipOf(state, step, patch.dependsOn, context.at),
  };
  if (Object.keys(set).length === 0) return [];
  const changes: Change[] = [updatedStep(runId, step, set, context.at)];
  if (set.metrics !== undefined) {
    changes.push({ type: 'run.metered', runId, metrics: summed(run.metrics, step, set.metrics) });
  }
  const after = { ...step, ...set };
  if (isFailure(after) && !isFailure(step))
    changes.push(...settleDependents(state, runId, after, context));
  return changes;
}

/** A step that comes to depend on what has already failed is skipped, as when it is created so. */
function skipOf(
  state: RunState,
  step: StepRow,
  dependsOn: readonly string[] | undefined,
  at: string,
): Partial<StepRow> {
  const failed = dependsOn?.find((other) => isFailure(state.steps.get(other)));
  if (failed === undefined || step.onDependencyFailure === 'wait') return {};
  const reason = whySkipped(state, failed);
  return { status: 'skipped', reason, skippedBy: failed, endedAt: at };
}

function fieldsOf(
  state: RunState,
  runId: string,
  step: StepRow,
  patch: StepPatch,
): Partial<StepRow> {
  if (patch.dependsOn !== undefined && step.status !== 'queued') {
    throw new StoreError(
      'INVALID_TRANSITION',
      `step ${step.id} is ${step.status}: its dependencies can change only while it is queued`,
      { id: step.id },
    );
  }
  return {
    ...(patch.metrics !== undefined && {
      metrics: check.checkMetrics(patch.metrics, 'patch.metrics'),
    }),
    ...(patch.trace !== undefined && {
      trace: optional(patch.trace, 'patch.trace', check.checkName),
    }),
    ...(patch.progress !== undefined && { progress: checkProgress(patch.progress) }),
    ...(patch.availableAt !== undefined && {
      availableAt: optional(patch.availableAt, 'patch.availableAt', check.checkTime),
    }),
    ...(patch.dependsOn !== undefined && {
      dependsOn: checkDependencies(state, runId, step.id, patch.dependsOn, 'patch.dependsOn'),
    }),
  };
}

function statusOf(state: RunState, step: StepRow, patch: StepPatch, at: string): Partial<StepRow> {
  refuseMisplaced(patch);
  if (patch.status === undefined) return {};
  const to = check.checkOneOf(patch.status, 'patch.status', STEP_STATUSES);
  checkStepTransition(step.id, step.status, to);
  if (patch.status === 'running') {
    refuseWaiting(state, step);
    const worker =
      patch.worker === undefined ? null : check.checkName(patch.worker, 'patch.worker');
    return { status: to, startedAt: at, attempts: begun(step, to, worker, at) };
  }
  const error = patch.status === 'failed' ? checkError(patch.error, 'patch.error') : null;
  return {
    status: to,
    error,
    reason: patch.reason === undefined ? null : checkReason(patch.reason, 'patch.reason'),
    output: patch.output === undefined ? step.output : encodePayload(patch.output, 'patch.output'),
    endedAt: at,
    attempts: ended(step, to, error, at),
    ...(to === 'succeeded' && step.progress !== null && { progress: 1 }),
  };
}

function refuseWaiting(state: RunState, step: StepRow): void {
  const remaining = state.remaining(step);
  if (remaining === 0) return;
  const message = `step ${step.id} still waits for ${remaining} of ${step.dependsOn.length} steps`;
  throw new StoreError('INVALID_TRANSITION', message, { id: step.id });
}

/** What the types forbid, refused at run time too: not every caller compiles. */
function refuseMisplaced(patch: StepPatch): void {
  const { status } = patch;
  const terminal = status !== undefined && status !== 'running';
  if (patch.output !== undefined && !terminal) {
    throw check.invalid('patch.output', 'comes with the status that ends the step');
  }
  if (patch.reason !== undefined && (!terminal || status === 'succeeded')) {
    throw check.invalid('patch.reason', "comes with status 'cancelled', 'timed_out' or 'skipped'");
  }
  if (patch.error !== undefined && status !== 'failed') {
    throw check.invalid('patch.error', "comes with status 'failed'");
  }
  if (patch.worker !== undefined && status !== 'running') {
    throw check.invalid('patch.worker', "comes with status 'running'");
  }
  for (const field of ['availableAt', 'dependsOn'] as const) {
    if (patch[field] !== undefined && status !== undefined) {
      throw check.invalid(`patch.${field}`, 'does not come with a status');
    }
  }
}

export function decideResetStep(
  state: RunState,
  runId: string,
  stepId: string,
  verb: 'reset' | 'retry',
  options: ResetOptions | undefined,
  context: Context,
): Decision {
  const run = requireOpenRun(state, runId);
  const step = requireStep(state, runId, stepId);
  checkIfVersion(stepId, step.version, options);
  const kept = step.status === 'succeeded' || step.status === 'skipped';
  if (!isTerminalStep(step.status) || (verb === 'retry' && kept)) {
    const message = `step ${stepId} is ${step.status}: ${verb} takes a step that has ${
      verb === 'retry' ? 'failed, timed out or was cancelled' : 'ended'
    }`;
    throw new StoreError('INVALID_TRANSITION', message, { id: stepId });
  }
  const set: Partial<StepRow> = {
    status: 'queued',
    attempt: step.attempt + 1,
    output: NULL_PAYLOAD,
    error: null,
    reason: null,
    skippedBy: null,
    progress: null,
    metrics: {},
    startedAt: null,
    endedAt: null,
    availableAt: optional(options?.availableAt, 'options.availableAt', check.checkTime),
  };
  const changes: Change[] = [updatedStep(runId, step, set, context.at)];
  if (Object.keys(step.metrics).length > 0) {
    changes.push({ type: 'run.metered', runId, metrics: summed(run.metrics, step, {}) });
  }
  return [...changes, ...unskipDependents(state, runId, step, context)];
}

function updatedStep(runId: string, step: StepRow, set: Partial<StepRow>, at: string): Change {
  return {
    type: 'step.updated',
    runId,
    stepId: step.id,
    version: step.version + 1,
    set: { ...set, updatedAt: at },
  };
}

/** The run's metrics once this step's have changed. A sum that reaches zero keeps its name. */
function summed(
  total: Readonly<Record<string, number>>,
  step: StepRow,
  next: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const sums = new Map(Object.entries(total));
  for (const [name, value] of Object.entries(step.metrics)) {
    sums.set(name, (sums.get(name) ?? 0) - value);
  }
  for (const [name, value] of Object.entries(next)) {
    const sum = (sums.get(name) ?? 0) + value;
    if (!Number.isFinite(sum)) {
      const message = `patch.metrics.${name} takes the sum of the run past what a number holds`;
      throw new StoreError('LIMIT_EXCEEDED', message, { id: step.id });
    }
    sums.set(name, sum);
  }
  return Object.fromEntries(sums);
}

function checkProgress(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value + 0;
  throw check.invalid('patch.progress', 'must be a number from 0 to 1');
}
