import { type Store, StoreError } from '../../../../src/index.ts';
import { collect, take } from '../../../fixtures/collect.ts';
import { UNREADABLE } from '../contents.ts';
import { busy, type Operation, type Scene, storeOf } from '../operation.ts';

/** A read of what only files hold: the store was just opened. */
function read(
  name: string,
  act: (store: Store, runId: string, scene: Scene) => Promise<unknown>,
): Operation {
  return {
    name,
    start: 'closed',
    onlyReads: true,
    act: (scene) => act(storeOf(scene), busy(scene), scene),
  };
}

/** Every operation that only reads. */
export const READS: readonly Operation[] = [
  read('runs.get', (store, runId) => store.runs.get(runId)),
  read('runs.list', async (store) => (await store.runs.list({ workflow: 'w' })).items),
  read('steps.get', (store, runId) => store.steps.get(runId, 'failed')),
  read('steps.list', async (store, runId) => (await store.steps.list(runId)).items),
  read('steps.ready', (store, runId) => store.steps.ready(runId)),
  read('events.list', (store, runId) => collect(store.events.list(runId, { limit: 3 }))),
  read('events.tail', (store, runId) => take(store.events.tail(runId), 4)),
  read('artifacts.get', async (store, runId) => store.artifacts.get(runId, 'page')),
  read('artifacts.open', (store, runId) => collect(store.artifacts.open(runId, 'page'))),
  read('artifacts.list', (store, runId) => collect(store.artifacts.list(runId))),
  read('pins.list', (store) => store.pins.list()),
  read('stats', async (store) => (await store.stats()).runs),
  read('verify', verify),
  {
    name: 'watch, from an old cursor',
    start: 'closed',
    onlyReads: true,
    arrange: async (scene) => {
      const store = storeOf(scene);
      await store.pins.create({ name: `holds the log ${scene.round}` });
      cursors.set(scene, store.position());
      for (let n = 0; n < 4; n++) {
        await store.events.append(busy(scene), { type: 'watched', payload: 'w'.repeat(500) });
      }
    },
    act: (scene) => take(storeOf(scene).watch({ after: cursors.get(scene) }), 4),
    reached: (calls) =>
      new Set(calls.flatMap(({ op, file }) => (op === 'read' ? [file] : []))).size > 1,
  },
];

/** A file that cannot be read is a finding; here it counts as the failure that it is. */
async function verify(store: Store): Promise<unknown> {
  const report = await store.verify();
  const unread = report.findings.find(({ message }) => message.includes(UNREADABLE));
  if (unread !== undefined) throw new StoreError('STORAGE_FAILED', unread.message);
  return report;
}

const cursors = new WeakMap<Scene, string>();
