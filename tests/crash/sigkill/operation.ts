import type { Payload, Store, Transaction } from '../../../src/index.ts';
import { newRun, type RunImage, withArtifact, withEvent, withStep } from './image.ts';

/** One call of a store. */
export type Operation =
  | { readonly kind: 'create'; readonly runId: string; readonly input: Payload }
  | { readonly kind: 'append'; readonly runId: string; readonly payload: Payload }
  | {
      readonly kind: 'put';
      readonly runId: string;
      readonly name: string;
      readonly body: Uint8Array;
      readonly streamed: boolean;
    }
  | {
      readonly kind: 'addStep';
      readonly runId: string;
      readonly id: string;
      readonly input: Payload;
    }
  | { readonly kind: 'startStep'; readonly runId: string; readonly id: string }
  | {
      readonly kind: 'endStep';
      readonly runId: string;
      readonly id: string;
      readonly output: Payload;
    }
  | { readonly kind: 'end'; readonly runId: string; readonly output: Payload }
  | { readonly kind: 'start' | 'reset' | 'delete'; readonly runId: string }
  /** One transaction over two runs: a tag and an event in each. */
  | { readonly kind: 'pair'; readonly runIds: readonly [string, string]; readonly mark: string }
  /** An event in the run that all callers write to. */
  | { readonly kind: 'share'; readonly payload: Payload };

/** The run that it is about as it is afterwards; `undefined` when it is deleted. */
export function outcome(operation: Operation, run: RunImage): RunImage | undefined {
  switch (operation.kind) {
    case 'append':
      return withEvent(run, { type: 'said', payload: operation.payload });
    case 'put':
      return withArtifact(run, operation.name, operation.body);
    case 'addStep':
      return withStep(run, { id: operation.id, input: operation.input });
    case 'startStep':
      return withStep(run, { id: operation.id, status: 'running' });
    case 'endStep':
      return withStep(run, { id: operation.id, status: 'succeeded', output: operation.output });
    case 'start':
      return { ...run, status: 'running' };
    case 'end':
      return { ...run, status: 'succeeded', output: operation.output };
    case 'reset':
      return { ...run, status: 'queued', output: null, attempt: run.attempt + 1 };
    case 'pair':
      return withEvent(
        { ...run, tags: { mark: operation.mark } },
        { type: 'paired', payload: operation.mark },
      );
    case 'create':
      return newRun(operation.input);
    case 'delete':
      return undefined;
    case 'share':
    default:
      return run;
  }
}

/** Resolves when the store has acknowledged it; with the event's number for `share`. */
export async function perform(
  store: Store,
  operation: Operation,
  sharedRunId: string,
): Promise<number | undefined> {
  switch (operation.kind) {
    case 'share':
      return (
        await store.events.append(sharedRunId, { type: 'shared', payload: operation.payload })
      ).seq;
    case 'pair':
      await store.transaction(operation.runIds, async (tx) => {
        for (const id of operation.runIds) await pairOne(tx, id, operation.mark);
      });
      return undefined;
    default:
      await performOne(store, operation);
      return undefined;
  }
}

/** One half of a pair. */
export async function pairOne(
  to: Pick<Transaction, 'runs' | 'events'>,
  runId: string,
  mark: string,
): Promise<void> {
  await to.runs.update(runId, { tags: { mark } });
  await to.events.append(runId, { type: 'paired', payload: mark });
}

type OfOneRun = Exclude<Operation, { readonly kind: 'pair' | 'share' }>;

function performOne(store: Store, operation: OfOneRun): Promise<unknown> {
  const { runId } = operation;
  switch (operation.kind) {
    case 'create':
      return store.runs.create({ id: runId, workflow: 'kill', input: operation.input });
    case 'append':
      return store.events.append(runId, { type: 'said', payload: operation.payload });
    case 'put': {
      const { name, body } = operation;
      return store.artifacts.put(runId, { name, body: operation.streamed ? halves(body) : body });
    }
    case 'addStep': {
      const { id, input } = operation;
      return store.steps.create(runId, { id, name: id, input });
    }
    case 'startStep':
      return store.steps.update(runId, operation.id, { status: 'running' });
    case 'endStep': {
      const { id, output } = operation;
      return store.steps.update(runId, id, { status: 'succeeded', output });
    }
    case 'start':
      return store.runs.update(runId, { status: 'running' });
    case 'end':
      return store.runs.update(runId, { status: 'succeeded', output: operation.output });
    case 'reset':
      return store.runs.reset(runId);
    case 'delete':
    default:
      return store.runs.delete(runId);
  }
}

async function* halves(body: Uint8Array): AsyncGenerator<Uint8Array> {
  const middle = body.length >> 1;
  yield body.subarray(0, middle);
  yield body.subarray(middle);
}
