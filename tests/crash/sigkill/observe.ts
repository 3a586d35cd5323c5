import { isStoreError, type Payload, type Store } from '../../../src/index.ts';
import { collect } from '../../fixtures/collect.ts';
import type { RunImage } from './image.ts';

/** A run as a store gives it through every read there is; `undefined` when it is not there. */
export async function observe(store: Store, runId: string): Promise<RunImage | undefined> {
  const run = await store.runs.get(runId).catch((error: unknown) => {
    if (isStoreError(error, 'NOT_FOUND')) return undefined;
    throw error;
  });
  if (run === undefined) return undefined;
  const { workflow, input, tags, status, output, attempt } = run;
  return {
    workflow,
    input: plain(input),
    tags: { ...tags },
    status,
    output: plain(output),
    attempt,
    steps: await stepsOf(store, runId),
    events: await eventsOf(store, runId),
    artifacts: await artifactsOf(store, runId),
  };
}

async function stepsOf(store: Store, runId: string): Promise<RunImage['steps']> {
  const steps = await collect(store.steps.list(runId, { limit: 1_000 }));
  return steps.map(({ id, input, status, output }) => {
    return { id, input: plain(input), status, output: plain(output) };
  });
}

async function eventsOf(store: Store, runId: string): Promise<RunImage['events']> {
  const events = await collect(store.events.list(runId, { limit: 1_000 }));
  return events.map(({ seq, type, payload }, i) => {
    if (seq !== i + 1) throw new Error(`run ${runId}: event ${seq} where ${i + 1} was due`);
    return { type, payload: plain(payload) };
  });
}

async function artifactsOf(store: Store, runId: string): Promise<RunImage['artifacts']> {
  const artifacts = await collect(store.artifacts.list(runId, { allVersions: true }));
  return Promise.all(
    artifacts.map(async ({ name, version }) => {
      const chunks = await collect(store.artifacts.open(runId, name, { version }));
      return { name, version, body: new Uint8Array(Buffer.concat(chunks)) };
    }),
  );
}

/** Bytes compare as bytes, whichever class they came in. */
function plain(payload: Payload): Payload {
  return payload instanceof Uint8Array ? new Uint8Array(payload) : payload;
}
