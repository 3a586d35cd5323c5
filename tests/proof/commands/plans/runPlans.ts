import fc from 'fast-check';
import type { NewRun, RunFilter, RunPatch, RunStatus } from '../../../../src/index.ts';
import { call, pagesOf, type Plan, RUN_IDS, STEP_IDS, type StoreCalls } from '../calls.ts';
import {
  type Arb,
  ERROR,
  INPUT,
  KEY,
  maybe,
  METADATA,
  NUMBER,
  oneOf,
  options,
  PAYLOAD,
  RUN,
  TAGS,
  TIME,
  WORKER,
} from './values.ts';

const WHO: Arb<Pick<NewRun, 'id' | 'idempotencyKey'>> = fc.oneof(
  { weight: 3, arbitrary: oneOf(...RUN_IDS).map((id) => ({ id })) },
  KEY.map((idempotencyKey) => ({ idempotencyKey })),
  fc.constant({}),
);

export const createRun: Arb<Plan> = fc
  .record({
    who: WHO,
    workflow: oneOf('w', 'v'),
    project: maybe(oneOf('p', 'q')),
    parent: maybe(NUMBER),
    parentStepId: maybe(oneOf(...STEP_IDS)),
    input: INPUT,
    tags: maybe(TAGS),
    metadata: maybe(METADATA),
    priority: maybe(fc.integer({ min: -2, max: 2 })),
    availableAt: maybe(TIME),
  })
  .map(({ who, parent, ...rest }) => (picks) => {
    const parentRunId = parent === undefined ? undefined : picks.run(parent);
    const run = { ...who, ...rest, parentRunId };
    return call('runs.create', [run], ({ runs }) => runs.create(run));
  });

/** With the id of a run that is there, or, in a transaction, was. */
export const createAgain: Arb<Plan> = fc
  .record({ run: NUMBER, workflow: oneOf('w', 'v'), input: INPUT })
  .map(({ run, ...rest }) => (picks) => {
    const again = { id: picks.run(run), ...rest };
    return call('runs.create', [again], ({ runs }) => runs.create(again));
  });

const STATUS: Arb<RunPatch & { readonly status: RunStatus }> = fc.oneof(
  WORKER.map((worker) => ({ status: 'running' as const, worker })),
  maybe(fc.constant('later')).map((reason) => ({ status: 'blocked' as const, reason })),
  maybe(TIME).map((availableAt) => ({ status: 'queued' as const, availableAt })),
  PAYLOAD.map((output) => ({ status: 'succeeded' as const, output })),
  fc.record({ error: ERROR, output: INPUT }).map((how) => ({ status: 'failed' as const, ...how })),
  maybe(fc.constant('enough')).map((reason) => ({ status: 'cancelled' as const, reason })),
);

const FIELDS = fc.record({
  tags: maybe(TAGS),
  metadata: maybe(METADATA),
  priority: maybe(fc.integer({ min: -2, max: 2 })),
  trace: maybe(oneOf('t', null)),
});

/** Any patch: most of its statuses are refused. */
export const updateRun: Arb<Plan> = fc
  .record({ ...RUN, status: maybe(STATUS), fields: maybe(FIELDS) })
  .map(({ run, condition, status, fields }) => (picks) => {
    const runId = picks.run(run);
    const patch: RunPatch = { ...fields, ...status };
    const how = options(condition, () => picks.runVersion(runId));
    return call('runs.update', [runId, patch, how], ({ runs }) => runs.update(runId, patch, how));
  });

const NEXT: Readonly<Record<string, readonly RunStatus[]>> = {
  queued: ['running', 'running', 'running', 'failed'],
  running: ['blocked', 'queued', 'succeeded', 'failed', 'cancelled'],
  blocked: ['running', 'running', 'queued', 'cancelled'],
};

/** A step on the way of a run; what has ended begins again. */
export const moveRun: Arb<Plan> = fc
  .record({
    run: NUMBER,
    choice: NUMBER,
    patches: fc.array(STATUS, { minLength: 12, maxLength: 12 }),
  })
  .map(({ run, choice, patches }) => (picks) => {
    const runId = picks.run(run);
    const next = NEXT[picks.statuses(runId, '').run ?? ''];
    const patch = patches.find(({ status }) => status === next?.[choice % next.length]);
    if (patch === undefined) {
      return call('runs.reset', [runId], ({ runs }) => runs.reset(runId));
    }
    return call('runs.update', [runId, patch], ({ runs }) => runs.update(runId, patch));
  });

export const againRun: Arb<Plan> = fc
  .record({ ...RUN, verb: oneOf('reset', 'retry'), availableAt: maybe(TIME) })
  .map(({ run, condition, verb, availableAt }) => (picks) => {
    const runId = picks.run(run);
    const how = options(condition, () => picks.runVersion(runId), { availableAt });
    return call(`runs.${verb}`, [runId, how], ({ runs }) => runs[verb](runId, how));
  });

export const deleteRun: Arb<Plan> = fc.record(RUN).map(({ run, condition }) => (picks) => {
  const runId = picks.run(run);
  const how = options(condition, () => picks.runVersion(runId));
  return call('runs.delete', [runId, how], ({ runs }) => runs.delete(runId, how));
});

export const getRun: Arb<Plan> = NUMBER.map((run) => (picks) => {
  const runId = picks.run(run);
  return call('runs.get', [runId], ({ runs }) => runs.get(runId));
});

export const listRuns: Arb<Plan<StoreCalls>> = fc
  .record({
    limit: fc.integer({ min: 1, max: 4 }),
    status: maybe(oneOf<RunFilter['status']>('queued', 'blocked', ['running', 'failed'])),
    workflow: maybe(oneOf('w', 'v')),
    project: maybe(oneOf('p', 'q')),
    tags: maybe(TAGS),
    parent: maybe(NUMBER),
    createdAfter: maybe(TIME),
    createdBefore: maybe(TIME),
    endedAfter: maybe(TIME),
    endedBefore: maybe(TIME),
    uses: fc.subarray(['status', 'workflow', 'project', 'tags', 'parent', 'createdAfter'], {
      maxLength: 2,
    }),
  })
  .map(({ limit, uses, parent, ...rest }) => (picks) => {
    const parentRunId = parent === undefined ? undefined : picks.run(parent);
    const all: RunFilter = { ...rest, parentRunId };
    const wanted = Object.entries(all).filter(([name]) => uses.includes(name));
    const filter: RunFilter = { ...Object.fromEntries(wanted), limit };
    return call('all of runs.list', [filter], ({ runs }) =>
      pagesOf((cursor) => runs.list({ ...filter, cursor })),
    );
  });
