import type { ErrorCode, RunStatus, StepStatus } from '../../../src/index.ts';
import type {
  Answer,
  Append,
  EventView,
  RunCall,
  RunUpdate,
  RunView,
  StepCreate,
  StepUpdate,
  StepView,
} from './calls.ts';

interface ModelStep extends StepView {
  readonly key: string | undefined;
}

/** A run as the model has it. */
export interface ModelRun extends RunView {
  readonly steps: readonly ModelStep[];
  readonly events: readonly EventView[];
}

/** What a call does to its run, and what it answers. */
type Effect = readonly [run: ModelRun | null, answer: Answer];

/** Why a call does nothing. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode) {
    super(code);
    this.code = code;
  }
}

/** One of each code: to note a stack every time would take as long as the search. */
const refusals = new Map<ErrorCode, Refusal>();

function refusal(code: ErrorCode): Refusal {
  const known = refusals.get(code) ?? new Refusal(code);
  refusals.set(code, known);
  return known;
}

/** What a call of one run does. Throws a `Refusal`. */
export function effectOf(before: ModelRun | null, call: RunCall): Effect {
  if (call.op === 'create') {
    if (before !== null) throw refusal('ALREADY_EXISTS');
    const run = newRun(call.run, call.value);
    return [run, viewOf(run)];
  }
  const run = required(before);
  switch (call.op) {
    case 'get':
      return [run, viewOf(run)];
    case 'update':
      return updated(run, call);
    case 'reset': {
      if (!isEnded(run)) throw refusal('INVALID_TRANSITION');
      const attempt = run.attempt + 1;
      const next = {
        ...run,
        version: run.version + 1,
        status: 'queued' as const,
        attempt,
        output: null,
      };
      return [next, viewOf(next)];
    }
    case 'delete':
      checkVersion(run, call);
      return [null, null];
    case 'createStep':
      return createdStep(run, call);
    case 'getStep':
      return [run, viewOfStep(stepOf(run, call.step))];
    case 'updateStep':
      return updatedStep(run, call);
    case 'listSteps':
      return [run, { items: run.steps.map(viewOfStep), hasMore: false }];
    case 'append':
      return appended(run, call);
  }
}

function newRun(id: string, input: number): ModelRun {
  const version = 1;
  const none = { output: null, metric: 0, steps: [], events: [] };
  return { id, version, status: 'queued', priority: 0, attempt: 1, input, ...none };
}

const RUN_WAYS: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  queued: ['running', 'failed', 'cancelled'],
  running: ['queued', 'blocked', 'succeeded', 'failed', 'cancelled'],
  blocked: ['queued', 'running', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

const STEP_WAYS: Readonly<Record<StepStatus, readonly StepStatus[]>> = {
  queued: ['running', 'skipped', 'cancelled'],
  running: ['succeeded', 'failed', 'cancelled', 'timed_out'],
  succeeded: [],
  failed: [],
  cancelled: [],
  timed_out: [],
  skipped: [],
};

function updated(run: ModelRun, call: RunUpdate): Effect {
  checkVersion(run, call);
  const { status, value } = call;
  const version = run.version + 1;
  if (status === undefined) {
    const next = { ...run, version, priority: value };
    return [next, viewOf(next)];
  }
  if (!RUN_WAYS[run.status].includes(status)) throw refusal('INVALID_TRANSITION');
  const output = RUN_WAYS[status].length === 0 ? value : run.output;
  const next = { ...run, version, status, output };
  return [next, viewOf(next)];
}

function createdStep(run: ModelRun, { step: id, key, value }: StepCreate): Effect {
  const known = key === undefined ? undefined : run.steps.find((step) => step.key === key);
  if (known !== undefined) {
    if (known.input !== value) throw refusal('IDEMPOTENCY_CONFLICT');
    return [run, viewOfStep(known)];
  }
  if (isEnded(run)) throw refusal('INVALID_TRANSITION');
  if (run.steps.some((step) => step.id === id)) throw refusal('ALREADY_EXISTS');
  const none = { output: null, metric: 0, key };
  const step: ModelStep = { id, version: 1, status: 'queued', input: value, ...none };
  return [{ ...run, steps: [...run.steps, step] }, viewOfStep(step)];
}

function updatedStep(run: ModelRun, call: StepUpdate): Effect {
  if (isEnded(run)) throw refusal('INVALID_TRANSITION');
  const step = stepOf(run, call.step);
  checkVersion(step, call);
  const { status, value } = call;
  const version = step.version + 1;
  if (status === undefined) {
    const next = { ...step, version, metric: value };
    const metric = run.metric - step.metric + value;
    return [{ ...withStep(run, next), metric }, viewOfStep(next)];
  }
  if (!STEP_WAYS[step.status].includes(status)) throw refusal('INVALID_TRANSITION');
  const output = STEP_WAYS[status].length === 0 ? value : step.output;
  const next = { ...step, version, status, output };
  return [withStep(run, next), viewOfStep(next)];
}

function appended(run: ModelRun, { key, value }: Append): Effect {
  const known = key === undefined ? undefined : run.events.find((event) => event.key === key);
  if (known !== undefined) {
    if (known.value !== value) throw refusal('IDEMPOTENCY_CONFLICT');
    return [run, known];
  }
  const event = { seq: run.events.length + 1, key: key ?? null, value };
  return [{ ...run, events: [...run.events, event] }, event];
}

export function required(run: ModelRun | null): ModelRun {
  if (run === null) throw refusal('NOT_FOUND');
  return run;
}

function stepOf(run: ModelRun, id: string): ModelStep {
  const step = run.steps.find((one) => one.id === id);
  if (step === undefined) throw refusal('NOT_FOUND');
  return step;
}

function checkVersion(of: { version: number }, { ifVersion }: { ifVersion?: number }): void {
  if (ifVersion !== undefined && ifVersion !== of.version) throw refusal('VERSION_CONFLICT');
}

function isEnded({ status }: ModelRun): boolean {
  return RUN_WAYS[status].length === 0;
}

function withStep(run: ModelRun, step: ModelStep): ModelRun {
  return { ...run, steps: run.steps.map((one) => (one.id === step.id ? step : one)) };
}

export function viewOf(run: ModelRun): RunView {
  const { id, version, status, priority, attempt, input, output, metric } = run;
  return { id, version, status, priority, attempt, input, output, metric };
}

function viewOfStep({ id, version, status, input, output, metric }: ModelStep): StepView {
  return { id, version, status, input, output, metric };
}
