import {
  isStoreError,
  type Payload,
  type Run,
  type RunEvent,
  type RunPatch,
  type RunStatus,
  type Step,
  type StepPatch,
  type StepStatus,
  type Store,
  type Transaction,
} from '../../../src/index.ts';

/** What may be called on a store and inside a transaction. Numbers stand for payloads. */
export type RunCall =
  | { readonly op: 'create'; readonly run: string; readonly value: number }
  | { readonly op: 'get'; readonly run: string }
  | RunUpdate
  | { readonly op: 'reset'; readonly run: string }
  | { readonly op: 'delete'; readonly run: string; readonly ifVersion?: number }
  | StepCreate
  | { readonly op: 'getStep'; readonly run: string; readonly step: string }
  | StepUpdate
  | { readonly op: 'listSteps'; readonly run: string }
  | Append;

export interface RunUpdate {
  readonly op: 'update';
  readonly run: string;
  /** Without it the priority is set. */
  readonly status?: RunStatus;
  readonly value: number;
  readonly ifVersion?: number;
}

export interface StepCreate {
  readonly op: 'createStep';
  readonly run: string;
  readonly step: string;
  readonly key?: string;
  readonly value: number;
}

export interface StepUpdate {
  readonly op: 'updateStep';
  readonly run: string;
  readonly step: string;
  /** Without it the metric is set. */
  readonly status?: StepStatus;
  readonly value: number;
  readonly ifVersion?: number;
}

export interface Append {
  readonly op: 'append';
  readonly run: string;
  readonly key?: string;
  readonly value: number;
}

export type Call =
  | RunCall
  | { readonly op: 'list' }
  | { readonly op: 'events'; readonly run: string; readonly after: number; readonly limit: number }
  | {
      readonly op: 'transaction';
      readonly runs: readonly string[];
      readonly calls: readonly RunCall[];
    };

/** A payload as the number that it was made of, or as it is when it is no such payload. */
type Value = number | string | null;

export interface RunView {
  readonly id: string;
  readonly version: number;
  readonly status: RunStatus;
  readonly priority: number;
  readonly attempt: number;
  readonly input: Value;
  readonly output: Value;
  /** The sum over the steps. */
  readonly metric: number;
}

export interface StepView {
  readonly id: string;
  readonly version: number;
  readonly status: StepStatus;
  readonly input: Value;
  readonly output: Value;
  readonly metric: number;
}

export interface EventView {
  readonly seq: number;
  readonly key: string | null;
  readonly value: Value;
}

export type Answer =
  | RunView
  | StepView
  | EventView
  | null
  | readonly Answer[]
  | { readonly items: readonly (StepView | EventView)[]; readonly hasMore: boolean }
  | { readonly refused: string; readonly gaveUp?: true };

const TRIES_MAX = 10;

/** Calls and answers, refusals included. It never rejects. */
export async function perform(store: Store, call: Call): Promise<Answer> {
  let tries = 0;
  try {
    if (call.op !== 'transaction') return await performOne(store, call);
    return await store.transaction(call.runs, async (tx) => {
      tries++;
      const answers: Answer[] = [];
      for (const one of call.calls) answers.push(await performIn(tx, one));
      return answers;
    });
  } catch (error) {
    const refused = isStoreError(error) ? error.code : String(error);
    // What its last try met may be a mixture of before and after what others wrote.
    return tries >= TRIES_MAX ? { refused, gaveUp: true } : { refused };
  }
}

async function performOne(
  store: Store,
  call: Exclude<Call, { op: 'transaction' }>,
): Promise<Answer> {
  if (call.op === 'list') {
    const { items } = await store.runs.list();
    return items.map(viewOfRun).toSorted((a, b) => a.id.localeCompare(b.id));
  }
  if (call.op === 'events') {
    const { after, limit } = call;
    const { items, next } = await store.events.list(call.run, { after, limit });
    return { items: items.map(viewOfEvent), hasMore: next !== null };
  }
  return performIn(store, call);
}

async function performIn(tx: Transaction, call: RunCall): Promise<Answer> {
  const { run } = call;
  switch (call.op) {
    case 'create':
      return viewOfRun(
        await tx.runs.create({ id: run, workflow: 'w', input: payloadOf(call.value) }),
      );
    case 'get':
      return viewOfRun(await tx.runs.get(run));
    case 'update':
      return viewOfRun(await tx.runs.update(run, runPatch(call), { ifVersion: call.ifVersion }));
    case 'reset':
      return viewOfRun(await tx.runs.reset(run));
    case 'delete':
      await tx.runs.delete(run, { ifVersion: call.ifVersion });
      return null;
    case 'createStep': {
      const { step: id, key: idempotencyKey, value } = call;
      const input = payloadOf(value);
      return viewOfStep(await tx.steps.create(run, { id, name: 's', idempotencyKey, input }));
    }
    case 'getStep':
      return viewOfStep(await tx.steps.get(run, call.step));
    case 'updateStep': {
      const { step, ifVersion } = call;
      return viewOfStep(await tx.steps.update(run, step, stepPatch(call), { ifVersion }));
    }
    case 'listSteps': {
      const { items, next } = await tx.steps.list(run);
      return { items: items.map(viewOfStep), hasMore: next !== null };
    }
    case 'append': {
      const { key: idempotencyKey, value } = call;
      const event = { type: 'e', idempotencyKey, payload: payloadOf(value) };
      return viewOfEvent(await tx.events.append(run, event));
    }
  }
}

function runPatch({ status, value }: RunUpdate): RunPatch {
  if (status === undefined) return { priority: value };
  switch (status) {
    case 'running':
      return { status };
    case 'queued':
    case 'blocked':
      return { status, reason: 'r' };
    case 'succeeded':
    case 'cancelled':
      return { status, output: payloadOf(value) };
    case 'failed':
      return { status, output: payloadOf(value), error: { name: 'E', message: 'm' } };
  }
}

function stepPatch({ status, value }: StepUpdate): StepPatch {
  if (status === undefined) return { metrics: { m: value } };
  switch (status) {
    case 'queued':
      throw new RangeError('a step goes back to queued only by reset');
    case 'running':
      return { status };
    case 'succeeded':
    case 'cancelled':
    case 'timed_out':
    case 'skipped':
      return { status, output: payloadOf(value) };
    case 'failed':
      return { status, output: payloadOf(value), error: { name: 'E', message: 'm' } };
  }
}

/** Of many lengths, so that frames lie everywhere in a segment. */
function payloadOf(value: number): string {
  return `${value} `.padEnd(10 + ((value * 53) % 290), '.');
}

function valueOf(payload: Payload): Value {
  if (payload === null) return null;
  const value = typeof payload === 'string' ? Number.parseInt(payload, 10) : Number.NaN;
  return payload === payloadOf(value) ? value : JSON.stringify(payload);
}

function viewOfRun(run: Run): RunView {
  const { id, version, status, priority, attempt } = run;
  const [input, output] = [valueOf(run.input), valueOf(run.output)];
  return { id, version, status, priority, attempt, input, output, metric: run.metrics['m'] ?? 0 };
}

function viewOfStep(step: Step): StepView {
  const { id, version, status } = step;
  const [input, output] = [valueOf(step.input), valueOf(step.output)];
  return { id, version, status, input, output, metric: step.metrics['m'] ?? 0 };
}

function viewOfEvent({ seq, idempotencyKey: key, payload }: RunEvent): EventView {
  return { seq, key, value: valueOf(payload) };
}
