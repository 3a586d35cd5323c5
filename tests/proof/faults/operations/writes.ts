import type { Store } from '../../../../src/index.ts';
import { collect } from '../../../fixtures/collect.ts';
import { busy, ended, type Operation, type Scene, storeOf } from '../operation.ts';
import { type Outcome, outcomeOf } from '../outcome.ts';

/** The first write after opening: it makes the first segment too. */
function first(
  name: string,
  act: (store: Store, runId: string, scene: Scene) => Promise<unknown>,
): Operation {
  return { name, start: 'closed', act: (scene) => act(storeOf(scene), busy(scene), scene) };
}

const append = (store: Store, runId: string, bytes: number) =>
  store.events.append(runId, { type: 'new', payload: 'n'.repeat(bytes) });

const withPin = async (scene: Scene): Promise<void> => {
  await storeOf(scene).pins.create({ name: `pin-${scene.round}` });
};

/** Every operation that writes. */
export const WRITES: readonly Operation[] = [
  first('runs.create', (store, _runId, { round }) =>
    store.runs.create({ id: `new-${round}`, workflow: 'w', input: [1], tags: { a: 'b' } }),
  ),
  first('runs.update', (store, runId) => store.runs.update(runId, { tags: { updated: 'yes' } })),
  first('runs.reset', (store, _runId, scene) => store.runs.reset(ended(scene))),
  first('runs.retry', (store, _runId, scene) => store.runs.retry(ended(scene))),
  first('runs.delete', (store, runId) => store.runs.delete(runId)),
  first('steps.create', (store, runId) => store.steps.create(runId, { id: 'new', name: 'new' })),
  first('steps.update', (store, runId) =>
    store.steps.update(runId, 'ready', { status: 'running', worker: 'me' }),
  ),
  first('steps.reset', (store, runId) => store.steps.reset(runId, 'failed')),
  first('steps.retry', (store, runId) => store.steps.retry(runId, 'failed')),
  first('events.append', (store, runId) => append(store, runId, 100)),
  {
    name: 'events.append into a segment that is there',
    start: 'closed',
    arrange: async (scene) => void (await append(storeOf(scene), ended(scene), 10)),
    act: (scene) => append(storeOf(scene), busy(scene), 900),
    reached: (calls) => calls.some(({ op, path }) => op === 'write' && /\d\.ndjson$/.test(path)),
  },
  {
    name: 'events.append that needs another segment',
    start: 'closed',
    arrange: async (scene) => void (await append(storeOf(scene), ended(scene), 900)),
    act: (scene) => append(storeOf(scene), busy(scene), 900),
    reached: (calls) => calls.some(({ op, path }) => op === 'close' && /\d\.ndjson$/.test(path)),
  },
  first('artifacts.put', (store, runId) =>
    store.artifacts.put(runId, { name: 'new', body: `new ${'a'.repeat(300)}` }).then(nameless),
  ),
  first('artifacts.put of bytes that are stored', (store, runId) =>
    store.artifacts.put(runId, { name: 'same', body: 'small' }).then(nameless),
  ),
  first('transaction over one run', (store, runId) =>
    store.transaction(runId, async (tx) => {
      await tx.artifacts.put(runId, { name: 'of tx', body: 'bytes of tx' });
      await tx.events.append(runId, { type: 'of tx' });
      return tx.runs.update(runId, { metadata: { tx: true } });
    }),
  ),
  first('transaction over two runs', (store, runId, scene) =>
    store.transaction([runId, ended(scene)], async (tx) => {
      await tx.runs.update(runId, { tags: { both: 'yes' } });
      await tx.runs.update(ended(scene), { tags: { both: 'yes' } });
    }),
  ),
  first('watch, of a commit that comes', async (store, runId) => {
    const end = new AbortController();
    const seen = outcomeOf(() => collect(store.watch({ signal: end.signal })));
    const appended = await outcomeOf(() => append(store, runId, 100));
    // It has seen by then what it was woken for, and would wait for ever.
    setImmediate(() => end.abort());
    checkSeen(await seen, 'value' in appended ? 1 : 0);
    if ('refusal' in appended) throw appended.refusal;
    return appended.value;
  }),
  first('pins.create', (store, _runId, { round }) => store.pins.create({ name: `pin-${round}` })),
  {
    name: 'pins.advance',
    start: 'closed',
    arrange: async (scene) => {
      await withPin(scene);
      await append(storeOf(scene), busy(scene), 10);
    },
    act: ({ store, round }) => store!.pins.advance(`pin-${round}`, store!.position()),
  },
  {
    name: 'pins.release',
    start: 'closed',
    arrange: withPin,
    act: (scene) => storeOf(scene).pins.release(`pin-${scene.round}`),
  },
];

/** A watcher whose read failed was told so; any other has the commits that were acknowledged. */
function checkSeen(seen: Outcome, count: number): void {
  if ('refusal' in seen || (Array.isArray(seen.value) && seen.value.length === count)) return;
  throw new Error(`of ${count} commits the watcher saw ${JSON.stringify(seen.value)}`);
}

/** Its id is drawn anew whenever it is tried again. */
function nameless<T extends { readonly id: string }>({ id: _drawn, ...rest }: T): Omit<T, 'id'> {
  return rest;
}
