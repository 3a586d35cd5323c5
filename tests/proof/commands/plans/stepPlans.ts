import fc from 'fast-check';
import type { StepFilter, StepPatch, StepStatus } from '../../../../src/index.ts';
import { call, pagesOf, type Plan, STEP_IDS } from '../calls.ts';
import {
  type Arb,
  ERROR,
  INPUT,
  KEY,
  maybe,
  NUMBER,
  oneOf,
  options,
  PAYLOAD,
  STEP,
  TIME,
  WORKER,
} from './values.ts';

const BEFORE = fc.array(NUMBER, { maxLength: 3 });

export const createStep: Arb<Plan> = fc
  .record({
    run: NUMBER,
    id: maybe(oneOf(...STEP_IDS)),
    idempotencyKey: maybe(KEY),
    input: INPUT,
    before: BEFORE,
    onDependencyFailure: oneOf(undefined, undefined, 'skip', 'wait'),
    parentStepId: maybe(oneOf(...STEP_IDS)),
    kind: maybe(fc.constant('http')),
    availableAt: maybe(TIME),
    takes: oneOf('no id', 'no key', 'neither', 'neither', 'both'),
  })
  .map(({ run, id, idempotencyKey, before, takes, ...rest }) => (picks) => {
    const runId = picks.run(run);
    const step = {
      ...rest,
      ...((takes === 'no key' || takes === 'both') && { id }),
      ...((takes === 'no id' || takes === 'both') && { idempotencyKey }),
      name: `step ${before.length}`,
      dependsOn: picks.steps(runId, before),
    };
    return call('steps.create', [runId, step], ({ steps }) => steps.create(runId, step));
  });

const STATUS: Arb<StepPatch & { readonly status: StepStatus }> = fc.oneof(
  WORKER.map((worker) => ({ status: 'running' as const, worker })),
  PAYLOAD.map((output) => ({ status: 'succeeded' as const, output })),
  fc.record({ error: ERROR, output: INPUT }).map((how) => ({ status: 'failed' as const, ...how })),
  oneOf('timed_out', 'cancelled', 'skipped').map((status) => ({ status, reason: 'because' })),
);

const FIELDS = fc.record({
  metrics: maybe(oneOf({}, { tokens: 3 }, { tokens: 5, ms: -1 })),
  progress: maybe(oneOf(0, 0.5, 1)),
  trace: maybe(oneOf('t', null)),
});

/** Any patch: most of its statuses are refused. */
export const updateStep: Arb<Plan> = fc
  .record({ ...STEP, status: maybe(STATUS), fields: maybe(FIELDS) })
  .map(({ run, condition, step, status, fields }) => (picks) => {
    const runId = picks.run(run);
    const stepId = picks.step(runId, step);
    const patch: StepPatch = { ...fields, ...status };
    const how = options(condition, () => picks.stepVersion(runId, stepId));
    return call('steps.update', [runId, stepId, patch, how], ({ steps }) =>
      steps.update(runId, stepId, patch, how),
    );
  });

const NEXT: Readonly<Record<string, readonly StepStatus[]>> = {
  queued: ['running', 'running', 'running', 'cancelled', 'skipped'],
  running: ['succeeded', 'succeeded', 'failed', 'timed_out', 'cancelled'],
};

/** A step's way; what has ended begins again. */
export const moveStep: Arb<Plan> = fc
  .record({
    run: NUMBER,
    step: NUMBER,
    choice: NUMBER,
    patches: fc.array(STATUS, { minLength: 12, maxLength: 12 }),
  })
  .map(({ run, step, choice, patches }) => (picks) => {
    const runId = picks.run(run);
    const stepId = picks.step(runId, step);
    const next = NEXT[picks.statuses(runId, stepId).step ?? ''];
    const patch = patches.find(({ status }) => status === next?.[choice % next.length]);
    if (patch === undefined) {
      return call('steps.reset', [runId, stepId], ({ steps }) => steps.reset(runId, stepId));
    }
    return call('steps.update', [runId, stepId, patch], ({ steps }) =>
      steps.update(runId, stepId, patch),
    );
  });

export const dependStep: Arb<Plan> = fc
  .record({ run: NUMBER, step: NUMBER, before: BEFORE })
  .map(({ run, step, before }) => (picks) => {
    const runId = picks.run(run);
    const stepId = picks.step(runId, step);
    const patch = { dependsOn: picks.steps(runId, before) };
    return call('steps.update', [runId, stepId, patch], ({ steps }) =>
      steps.update(runId, stepId, patch),
    );
  });

export const againStep: Arb<Plan> = fc
  .record({ ...STEP, verb: oneOf('reset', 'retry'), availableAt: maybe(TIME) })
  .map(({ run, condition, step, verb, availableAt }) => (picks) => {
    const runId = picks.run(run);
    const stepId = picks.step(runId, step);
    const how = options(condition, () => picks.stepVersion(runId, stepId), { availableAt });
    return call(`steps.${verb}`, [runId, stepId, how], ({ steps }) =>
      steps[verb](runId, stepId, how),
    );
  });

export const readSteps: Arb<Plan> = fc
  .record({
    run: NUMBER,
    step: NUMBER,
    verb: oneOf('get', 'ready', 'list'),
    limit: fc.integer({ min: 1, max: 3 }),
    status: maybe(oneOf<StepFilter['status']>('queued', ['skipped', 'failed'])),
    parentStepId: maybe(oneOf(...STEP_IDS)),
  })
  .map(({ run, step, verb, ...filter }) => (picks) => {
    const runId = picks.run(run);
    const stepId = picks.step(runId, step);
    if (verb === 'get') {
      return call('steps.get', [runId, stepId], ({ steps }) => steps.get(runId, stepId));
    }
    if (verb === 'ready') return call('steps.ready', [runId], ({ steps }) => steps.ready(runId));
    return call('all of steps.list', [runId, filter], ({ steps }) =>
      pagesOf((cursor) => steps.list(runId, { ...filter, cursor })),
    );
  });
