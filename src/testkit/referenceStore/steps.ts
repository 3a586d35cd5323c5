import type {
  NewStep,
  Page,
  ResetOptions,
  Run,
  Step,
  StepFilter,
  StepPatch,
  StepStatus,
  WriteOptions,
} from '../../index.ts';
import { begun, ended } from './attempts.ts';
import {
  changed,
  checkDependencies,
  hasFailed,
  queueDependents,
  skipDependents,
  skippedFor,
  withRemaining,
} from './dependencies.ts';
import { pageOf } from './pages.ts';
import type { KeptStep, Records, RunRecord } from './records.ts';
import { checkVersion, missing, refusal } from './refusals.ts';
import { hasEnded } from './runs.ts';
import { errorInfo, given, isSame, kept } from './values.ts';

const NEXT: Readonly<Record<StepStatus, readonly StepStatus[]>> = {
  queued: ['running', 'skipped', 'cancelled'],
  running: ['succeeded', 'failed', 'cancelled', 'timed_out'],
  succeeded: [],
  failed: [],
  cancelled: [],
  timed_out: [],
  skipped: [],
};

/** Of several mistakes in one call the first is told: missing, run ended, outdated, not allowed. */
export class ReferenceSteps {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  create(runId: string, input: NewStep): Step {
    const record = this.#records.get(runId);
    const { idempotencyKey: key } = input;
    const known = [...record.steps.values()].find(
      (step) => key !== undefined && step.idempotencyKey === key,
    );
    if (known !== undefined) {
      if (isSame(known.input, kept(input.input))) return withRemaining(record.steps, known);
      throw refusal('IDEMPOTENCY_CONFLICT', `${key} has another input`, known.id);
    }
    refuseEnded(record.run);
    const id = input.id ?? this.#records.world.freshId();
    checkDependencies(record.steps, id, input.dependsOn ?? []);
    if (record.steps.has(id)) throw refusal('ALREADY_EXISTS', `there is a step ${id}`, id);
    const at = this.#records.world.at();
    const step = newStep(runId, id, input, at);
    const skipped = skippedFor(record.steps, step, at);
    return this.#keep(record, record.steps, { ...step, ...skipped });
  }

  get(runId: string, stepId: string): Step {
    const { steps } = this.#records.get(runId);
    return withRemaining(steps, find(steps, stepId));
  }

  list(runId: string, { status, parentStepId, ...page }: StepFilter = {}): Page<Step> {
    const { steps } = this.#records.get(runId);
    const order = [...steps.keys()];
    const found = [...steps.values()].filter(
      (step) =>
        (status === undefined || [status].flat().includes(step.status)) &&
        (parentStepId === undefined || step.parentStepId === parentStepId),
    );
    const { items, next } = pageOf(found, ({ id }) => [order.indexOf(id)], page);
    return { items: items.map((step) => withRemaining(steps, step)), next };
  }

  ready(runId: string): readonly Step[] {
    const { steps } = this.#records.get(runId);
    const now = this.#records.world.now();
    return [...steps.values()]
      .map((step) => withRemaining(steps, step))
      .filter(({ status, remaining }) => status === 'queued' && remaining === 0)
      .filter(({ availableAt }) => availableAt === null || availableAt.getTime() <= now);
  }

  update(runId: string, stepId: string, patch: StepPatch, options?: WriteOptions): Step {
    const { record, step } = this.#open(runId, stepId, options);
    const { metrics, trace, progress, availableAt, dependsOn } = patch;
    if (dependsOn !== undefined) {
      if (step.status !== 'queued') throw notFrom(step);
      checkDependencies(record.steps, stepId, dependsOn);
    }
    const fields = given({ metrics, trace, progress, availableAt, dependsOn });
    if (patch.status === undefined && Object.keys(fields).length === 0) {
      return withRemaining(record.steps, step);
    }
    if (patch.status !== undefined) refuseStatus(record, step, patch.status);
    const at = this.#records.world.at();
    const skipped =
      dependsOn === undefined ? {} : skippedFor(record.steps, { ...step, dependsOn }, at);
    const after = changed(step, { ...fields, ...statusOf(step, patch, at), ...skipped }, at);
    const steps = new Map(record.steps).set(stepId, after);
    const others = hasFailed(steps, stepId) && !hasFailed(record.steps, stepId);
    return this.#keep(record, others ? skipDependents(steps, stepId, at) : steps, after);
  }

  reset(runId: string, stepId: string, options?: ResetOptions): Step {
    return this.#again(runId, stepId, options, []);
  }

  retry(runId: string, stepId: string, options?: ResetOptions): Step {
    return this.#again(runId, stepId, options, ['succeeded', 'skipped']);
  }

  #again(
    runId: string,
    stepId: string,
    options: ResetOptions = {},
    refused: readonly StepStatus[],
  ): Step {
    const { record, step } = this.#open(runId, stepId, options);
    if (NEXT[step.status].length > 0 || refused.includes(step.status)) throw notFrom(step);
    const at = this.#records.world.at();
    const set: Partial<KeptStep> = {
      status: 'queued',
      attempt: step.attempt + 1,
      output: null,
      error: null,
      reason: null,
      skippedBy: null,
      progress: null,
      metrics: {},
      startedAt: null,
      endedAt: null,
      availableAt: options.availableAt ?? null,
    };
    return this.#keep(record, queueDependents(record.steps, stepId, at), changed(step, set, at));
  }

  #open(runId: string, stepId: string, options: WriteOptions | undefined) {
    const record = this.#records.get(runId);
    refuseEnded(record.run);
    const step = find(record.steps, stepId);
    checkVersion(step, options);
    return { record, step };
  }

  /** The run's metrics are the sums over its steps; a name once summed stays. */
  #keep(record: RunRecord, others: RunRecord['steps'], step: KeptStep): Step {
    const steps = new Map(others).set(step.id, step);
    const sums = new Map(Object.keys(record.run.metrics).map((name) => [name, 0]));
    for (const { metrics } of steps.values()) {
      for (const [name, value] of Object.entries(metrics)) {
        sums.set(name, (sums.get(name) ?? 0) + value);
      }
    }
    const run = { ...record.run, metrics: Object.fromEntries(sums) };
    this.#records.put(run.id, { ...record, run, steps });
    return withRemaining(steps, step);
  }
}

function newStep(runId: string, id: string, input: NewStep, at: Date): KeptStep {
  return {
    id,
    runId,
    version: 1,
    name: input.name,
    kind: input.kind ?? 'task',
    status: 'queued',
    input: kept(input.input),
    output: null,
    error: null,
    reason: null,
    progress: null,
    metrics: {},
    trace: input.trace ?? null,
    dependsOn: [...(input.dependsOn ?? [])],
    onDependencyFailure: input.onDependencyFailure ?? 'skip',
    skippedBy: null,
    parentStepId: input.parentStepId ?? null,
    idempotencyKey: input.idempotencyKey ?? null,
    availableAt: input.availableAt ?? null,
    startedAt: null,
    endedAt: null,
    attempt: 1,
    attempts: [],
    createdAt: at,
    updatedAt: at,
  };
}

function refuseStatus({ steps }: RunRecord, step: KeptStep, to: StepStatus): void {
  const waits = to === 'running' && withRemaining(steps, step).remaining > 0;
  if (waits || !NEXT[step.status].includes(to)) throw notFrom(step);
}

function statusOf(step: KeptStep, patch: StepPatch, at: Date): Partial<KeptStep> {
  const { status } = patch;
  if (status === undefined) return {};
  if (status === 'running') {
    return { status, startedAt: at, attempts: begun(step, status, patch.worker ?? null, at) };
  }
  const error = patch.error === undefined ? null : errorInfo(patch.error);
  const isComplete = status === 'succeeded' && step.progress !== null;
  return {
    status,
    error,
    reason: patch.reason ?? null,
    output: patch.output === undefined ? step.output : kept(patch.output),
    endedAt: at,
    attempts: ended(step, status, error, at),
    ...(isComplete && { progress: 1 }),
  };
}

function find(steps: RunRecord['steps'], stepId: string): KeptStep {
  const step = steps.get(stepId);
  if (step === undefined) throw missing('step', stepId);
  return step;
}

function refuseEnded(run: Run): void {
  if (!hasEnded(run)) return;
  throw refusal('INVALID_TRANSITION', `run ${run.id} has ended`, run.id);
}

function notFrom({ id, status }: KeptStep): Error {
  return refusal('INVALID_TRANSITION', `step ${id} is ${status}, or waits for others`, id);
}
