import { StoreError } from '../errors.ts';
import { checkId, checkInteger, checkObject, checkText, invalid } from './check.ts';
import type { Change } from './change.ts';
import type { ErrorInput, WriteOptions } from './commands.ts';
import type { ErrorInfo, RunRow, StepRow } from './entities.ts';
import { LIMITS } from '../limits.ts';
import type { RunState } from './runState.ts';
import { isTerminalRun } from './transitions.ts';

/** What is handed to a decision from outside: it has no clock and no randomness of its own. */
export interface Context {
  /** ISO 8601, never earlier than that of the commit before. */
  readonly at: string;
  readonly freshId: () => string;
}

/** No changes mean that what was asked for is already so: an idempotent repetition. */
export type Decision = readonly Change[];

export function requireRun(state: RunState, runId: string): RunRow {
  if (state.run !== undefined) return state.run;
  throw new StoreError('NOT_FOUND', `run ${runId} is not in this store`, { id: runId });
}

/** A run whose steps may be written. */
export function requireOpenRun(state: RunState, runId: string): RunRow {
  const run = requireRun(state, runId);
  if (!isTerminalRun(run.status)) return run;
  const message = `run ${runId} has ended (${run.status}): its steps cannot change any more`;
  throw new StoreError('INVALID_TRANSITION', message, { id: runId });
}

export function requireStep(state: RunState, runId: string, stepId: string): StepRow {
  const step = state.steps.get(stepId);
  if (step !== undefined) return step;
  checkId(stepId, 'stepId');
  throw new StoreError('NOT_FOUND', `run ${runId} has no step ${stepId}`, { id: stepId });
}

const WRITE_OPTIONS: ReadonlySet<string> = new Set(['ifVersion', 'availableAt']);

export function checkIfVersion(id: string, version: number, options?: WriteOptions): void {
  if (options === undefined) return;
  const { ifVersion } = checkObject(options, 'options', WRITE_OPTIONS);
  if (ifVersion === undefined) return;
  checkInteger(ifVersion, 'options.ifVersion', 1, Number.MAX_SAFE_INTEGER);
  if (ifVersion === version) return;
  const message = `${id} has version ${version}, not ${ifVersion}: another writer changed it`;
  throw new StoreError('VERSION_CONFLICT', message, { id });
}

/** An `Error` becomes data; its `code` is kept when it is a string. */
export function checkError(error: ErrorInput | undefined, path: string): ErrorInfo {
  if (typeof error !== 'object' || error === null) {
    throw invalid(path, 'must be an Error or { name, message, code?, stack? }');
  }
  const code: unknown = 'code' in error ? error.code : undefined;
  return {
    name: checkText(error.name, `${path}.name`, LIMITS.textBytesMax),
    message: checkText(error.message, `${path}.message`, LIMITS.messageBytesMax),
    ...(typeof code === 'string' && {
      code: checkText(code, `${path}.code`, LIMITS.textBytesMax),
    }),
    ...(error.stack !== undefined && {
      stack: checkText(error.stack, `${path}.stack`, LIMITS.messageBytesMax),
    }),
  };
}

export function checkReason(reason: unknown, path: string): string {
  return checkText(reason, path, LIMITS.messageBytesMax);
}

export function idempotencyConflict(what: string, key: string, id: string): StoreError {
  const message = `${what} with idempotency key ${key} exists with another input`;
  return new StoreError('IDEMPOTENCY_CONFLICT', message, { id });
}
