import { checkList, checkObject, checkOneOf } from '../../model/check.ts';
import type { NewStep, ResetOptions, StepPatch, WriteOptions } from '../../model/commands.ts';
import { requireRun, requireStep } from '../../model/decision.ts';
import { type Step, STEP_STATUSES, type StepRow } from '../../model/entities.ts';
import { toStep } from '../../model/represent.ts';
import type { RunState } from '../../model/runState.ts';
import { decideCreateStep, decideResetStep, decideUpdateStep } from '../../model/step.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Listing, Page, StepFilter, Steps } from '../contract.ts';
import {
  checkLimit,
  numberFromListCursor,
  PagedListing,
  toListCursor,
} from '../commands/listing.ts';
import type { RunWriter } from '../commands/writer.ts';

const STEP_FILTER: ReadonlySet<string> = new Set<keyof StepFilter>([
  'status',
  'parentStepId',
  'limit',
  'cursor',
]);

/** `store.steps`, and `tx.steps` over a transaction's staging. */
export class StepManagementService implements Steps {
  readonly #writer: RunWriter;
  readonly #clock: Clock;

  constructor(writer: RunWriter, clock: Clock) {
    this.#writer = writer;
    this.#clock = clock;
  }

  async create(runId: string, step: NewStep): Promise<Step> {
    let stepId: string | undefined;
    return this.#writer.write(
      runId,
      (state, context) => {
        const changes = decideCreateStep(state, runId, step, context);
        const [created] = changes;
        stepId =
          created?.type === 'step.created'
            ? created.step.id
            : state.stepIdByKey.get(step.idempotencyKey ?? '');
        return changes;
      },
      (state) => answer(state, runId, stepId ?? ''),
    );
  }

  async get(runId: string, stepId: string): Promise<Step> {
    return this.#writer.read(runId, (state) => {
      requireRun(state, runId);
      return answer(state, runId, stepId);
    });
  }

  list(runId: string, filter: StepFilter = {}): Listing<Step> {
    return new PagedListing(filter, (asked) =>
      this.#writer.read(runId, (state) => page(state, runId, asked)),
    );
  }

  async ready(runId: string): Promise<readonly Step[]> {
    const now = new Date(this.#clock.now()).toISOString();
    return this.#writer.read(runId, (state) => {
      requireRun(state, runId);
      return [...state.steps.values()]
        .filter(({ status, availableAt }) => status === 'queued' && (availableAt ?? '') <= now)
        .filter((step) => state.remaining(step) === 0)
        .map((step) => toStep(runId, step, 0));
    });
  }

  async update(
    runId: string,
    stepId: string,
    patch: StepPatch,
    options?: WriteOptions,
  ): Promise<Step> {
    return this.#writer.write(
      runId,
      (state, context) => decideUpdateStep(state, runId, stepId, patch, options, context),
      (state) => answer(state, runId, stepId),
    );
  }

  async reset(runId: string, stepId: string, options?: ResetOptions): Promise<Step> {
    return this.#again(runId, stepId, 'reset', options);
  }

  async retry(runId: string, stepId: string, options?: ResetOptions): Promise<Step> {
    return this.#again(runId, stepId, 'retry', options);
  }

  #again(
    runId: string,
    stepId: string,
    verb: 'reset' | 'retry',
    options?: ResetOptions,
  ): Promise<Step> {
    return this.#writer.write(
      runId,
      (state, context) => decideResetStep(state, runId, stepId, verb, options, context),
      (state) => answer(state, runId, stepId),
    );
  }
}

function answer(state: RunState, runId: string, stepId: string): Step {
  const step = requireStep(state, runId, stepId);
  return toStep(runId, step, state.remaining(step));
}

/** Steps are never removed, so a place in their order of creation stays good. */
function page(state: RunState, runId: string, filter: StepFilter): Page<Step> {
  checkObject(filter, 'filter', STEP_FILTER);
  requireRun(state, runId);
  const limit = checkLimit(filter.limit);
  const from = numberFromListCursor('steps', filter.cursor);
  const matches = matcher(filter);
  const items: Step[] = [];
  let place = 0;
  for (const step of state.steps.values()) {
    if (place++ < from || !matches(step)) continue;
    if (items.length === limit) return { items, next: toListCursor('steps', place - 1) };
    items.push(toStep(runId, step, state.remaining(step)));
  }
  return { items, next: null };
}

function matcher({ status, parentStepId }: StepFilter): (step: StepRow) => boolean {
  const wanted = typeof status === 'string' ? [status] : status;
  if (wanted !== undefined) {
    for (const [i, one] of checkList(wanted, 'filter.status', STEP_STATUSES.length).entries()) {
      checkOneOf(one, `filter.status[${i}]`, STEP_STATUSES);
    }
  }
  return (step) =>
    (wanted === undefined || wanted.includes(step.status)) &&
    (parentStepId === undefined || step.parentStepId === parentStepId);
}
