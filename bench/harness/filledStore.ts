import type { Store } from '../../src/index.ts';
import { payload } from './payload.ts';

const CALLERS = 256;

/** Fills a store with ended runs, each of one step (`only`) and one event. */
export async function fillStore(
  store: Store,
  runs: number,
  onProgress: (done: number) => void,
): Promise<void> {
  let next = 0;
  const call = async (): Promise<void> => {
    while (next < runs) {
      const n = next++;
      await endedRun(store, `run-${String(n).padStart(6, '0')}`, n);
      if (n % 1_000 === 0) onProgress(n);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
}

function endedRun(store: Store, id: string, n: number): Promise<void> {
  return store.transaction(id, async (tx) => {
    await tx.runs.create({ id, workflow: 'stored', tags: { shard: String(n % 16) } });
    await tx.runs.update(id, { status: 'running' });
    await tx.steps.create(id, { id: 'only', name: 'only' });
    await tx.steps.update(id, 'only', { status: 'running' });
    await tx.events.append(id, { type: 'message', stepId: 'only', payload: payload(n) });
    await tx.steps.update(id, 'only', { status: 'succeeded', output: payload(n, 300) });
    await tx.runs.update(id, { status: 'succeeded' });
  });
}
