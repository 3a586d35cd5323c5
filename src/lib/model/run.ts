import { StoreError } from '../errors.ts';
import { begun, ended } from './attempts.ts';
import * as check from './check.ts';
import type { NewRun, ResetOptions, RunPatch, WriteOptions } from './commands.ts';
import {
  checkError,
  checkIfVersion,
  checkReason,
  type Context,
  type Decision,
  idempotencyConflict,
  requireRun,
} from './decision.ts';
import { RUN_STATUSES, type RunRow } from './entities.ts';
import { refuseHeldRun } from './hold.ts';
import { encodePayload, NULL_PAYLOAD, samePayload } from './payload.ts';
import type { RunState } from './runState.ts';
import { checkRunTransition, isTerminalRun } from './transitions.ts';

const NEW_RUN: ReadonlySet<string> = new Set<keyof NewRun>([
  'id',
  'idempotencyKey',
  'workflow',
  'project',
  'definition',
  'parentRunId',
  'parentStepId',
  'input',
  'tags',
  'metadata',
  'trace',
  'priority',
  'availableAt',
]);

const RUN_PATCH: ReadonlySet<string> = new Set([
  'status',
  'output',
  'error',
  'reason',
  'worker',
  'availableAt',
  'tags',
  'metadata',
  'trace',
  'priority',
]);

const PRIORITY_MAX = 1_000_000;

export function decideCreateRun(
  state: RunState,
  runId: string,
  input: NewRun,
  context: Context,
): Decision {
  check.checkGiven(input, 'run', NEW_RUN);
  const run = newRun(runId, input, context.at);
  const existing = state.run;
  if (existing === undefined) return [{ type: 'run.created', runId, run }];
  if (input.idempotencyKey === undefined) {
    throw new StoreError('ALREADY_EXISTS', `run ${runId} is already in this store`, { id: runId });
  }
  if (samePayload(existing.input, run.input)) return [];
  throw idempotencyConflict('a run', input.idempotencyKey, runId);
}

function newRun(id: string, input: NewRun, at: string): RunRow {
  return {
    id,
    version: 1,
    workflow: check.checkName(input.workflow, 'run.workflow'),
    project: optional(input.project, 'run.project', check.checkName),
    definition: optional(input.definition, 'run.definition', check.checkName),
    parentRunId: optional(input.parentRunId, 'run.parentRunId', check.checkId),
    parentStepId: optional(input.parentStepId, 'run.parentStepId', check.checkId),
    status: 'queued',
    input: encodePayload(input.input, 'run.input'),
    output: NULL_PAYLOAD,
    error: null,
    reason: null,
    tags: input.tags === undefined ? {} : check.checkTags(input.tags, 'run.tags'),
    metadata: encodeMetadata(input.metadata, 'run.metadata'),
    metrics: {},
    trace: optional(input.trace, 'run.trace', check.checkName),
    priority: input.priority === undefined ? 0 : checkPriority(input.priority, 'run.priority'),
    availableAt: optional(input.availableAt, 'run.availableAt', check.checkTime),
    startedAt: null,
    endedAt: null,
    attempt: 1,
    attempts: [],
    createdAt: at,
    updatedAt: at,
  };
}

export function decideUpdateRun(
  state: RunState,
  runId: string,
  patch: RunPatch,
  options: WriteOptions | undefined,
  context: Context,
): Decision {
  const run = requireRun(state, runId);
  checkIfVersion(runId, run.version, options);
  check.checkGiven(patch, 'patch', RUN_PATCH);
  const set = { ...fieldsOf(patch), ...statusOf(run, patch, context.at) };
  if (Object.keys(set).length === 0) return [];
  return [updated(run, set, context.at)];
}

/** The part of a patch that is allowed whatever the status. */
function fieldsOf(patch: RunPatch): Partial<RunRow> {
  return {
    ...(patch.tags !== undefined && { tags: check.checkTags(patch.tags, 'patch.tags') }),
    ...(patch.metadata !== undefined && {
      metadata: encodeMetadata(patch.metadata, 'patch.metadata'),
    }),
    ...(patch.trace !== undefined && {
      trace: patch.trace === null ? null : check.checkName(patch.trace, 'patch.trace'),
    }),
    ...(patch.priority !== undefined && {
      priority: checkPriority(patch.priority, 'patch.priority'),
    }),
    ...(patch.availableAt !== undefined && {
      availableAt:
        patch.availableAt === null ? null : check.checkTime(patch.availableAt, 'patch.availableAt'),
    }),
  };
}

function statusOf(run: RunRow, patch: RunPatch, at: string): Partial<RunRow> {
  refuseMisplaced(patch);
  if (patch.status === undefined) return {};
  const to = check.checkOneOf(patch.status, 'patch.status', RUN_STATUSES);
  checkRunTransition(run.id, run.status, to);
  const reason = patch.reason === undefined ? null : checkReason(patch.reason, 'patch.reason');
  if (patch.status === 'running') {
    const worker =
      patch.worker === undefined ? null : check.checkName(patch.worker, 'patch.worker');
    const attempts = begun(run, to, worker, at);
    return { status: to, reason, startedAt: run.startedAt ?? at, attempts };
  }
  if (to === 'blocked') return { status: to, reason };
  if (to === 'queued') return { status: to, reason, attempts: ended(run, to, null, at) };
  const error = patch.status === 'failed' ? checkError(patch.error, 'patch.error') : null;
  const attempts = ended(run, to, error, at);
  const output =
    patch.output === undefined ? run.output : encodePayload(patch.output, 'patch.output');
  return { status: to, reason, error, output, endedAt: at, attempts };
}

/** What the types forbid, refused at run time too: not every caller compiles. */
function refuseMisplaced(patch: RunPatch): void {
  const { status } = patch;
  const terminal = status === 'succeeded' || status === 'failed' || status === 'cancelled';
  if (patch.output !== undefined && !terminal) {
    throw check.invalid('patch.output', 'comes with the status that ends the run');
  }
  if (patch.error !== undefined && status !== 'failed') {
    throw check.invalid('patch.error', "comes with status 'failed'");
  }
  if (patch.worker !== undefined && status !== 'running') {
    throw check.invalid('patch.worker', "comes with status 'running'");
  }
  const waiting = status === 'queued' || status === 'blocked';
  if (patch.reason !== undefined && !waiting && status !== 'cancelled') {
    throw check.invalid('patch.reason', "comes with status 'queued', 'blocked' or 'cancelled'");
  }
  if (patch.availableAt !== undefined && !waiting && status !== undefined) {
    throw check.invalid('patch.availableAt', `does not come with status '${status}'`);
  }
}

export function decideResetRun(
  state: RunState,
  runId: string,
  verb: 'reset' | 'retry',
  options: ResetOptions | undefined,
  context: Context,
): Decision {
  const run = requireRun(state, runId);
  checkIfVersion(runId, run.version, options);
  if (!isTerminalRun(run.status) || (verb === 'retry' && run.status === 'succeeded')) {
    const message = `run ${runId} is ${run.status}: ${verb} takes a run that has ${
      verb === 'retry' ? 'failed or was cancelled' : 'ended'
    }`;
    throw new StoreError('INVALID_TRANSITION', message, { id: runId });
  }
  const set: Partial<RunRow> = {
    status: 'queued',
    attempt: run.attempt + 1,
    output: NULL_PAYLOAD,
    error: null,
    reason: null,
    startedAt: null,
    endedAt: null,
    availableAt: optional(options?.availableAt, 'options.availableAt', check.checkTime),
  };
  return [updated(run, set, context.at)];
}

export function decideDeleteRun(
  state: RunState,
  runId: string,
  options: WriteOptions | undefined,
): Decision {
  const run = requireRun(state, runId);
  checkIfVersion(runId, run.version, options);
  refuseHeldRun(state);
  return [{ type: 'run.deleted', runId, version: run.version + 1 }];
}

function updated(run: RunRow, set: Partial<RunRow>, at: string): Decision[number] {
  const version = run.version + 1;
  return { type: 'run.updated', runId: run.id, version, set: { ...set, updatedAt: at } };
}

export function encodeMetadata(value: unknown, path: string): string {
  if (value === undefined) return '{}';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw check.invalid(path, 'must be an object');
  }
  if (value instanceof Uint8Array) throw check.invalid(path, 'must be JSON, not bytes');
  return encodePayload(value as Record<string, never>, path);
}

export function optional<T, U>(
  value: T | undefined | null,
  path: string,
  checked: (value: T, path: string) => U,
): U | null {
  return value === undefined || value === null ? null : checked(value, path);
}

function checkPriority(value: unknown, path: string): number {
  return check.checkInteger(value, path, -PRIORITY_MAX, PRIORITY_MAX);
}
