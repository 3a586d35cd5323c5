import { openStore, type OpenOptions, type Store } from '../../src/index.ts';
import type { Contender } from '../harness/measure.ts';
import { payload } from '../harness/payload.ts';

export function openAt(folder: string, options?: OpenOptions): Promise<Store> {
  return openStore(`file:${folder}`, options);
}

/** Events of 600 B, appended in turn to `runs` runs of an open store. Closing leaves it open. */
export async function appending(store: Store, runs: number): Promise<Contender> {
  const ids = await Promise.all(
    Array.from({ length: runs }, async () => {
      const run = await store.runs.create({ workflow: 'bench' });
      return run.id;
    }),
  );
  return {
    name: 'Holdfast',
    write: (n) => append(store, ids[n % runs] ?? '', n),
    close: () => {},
  };
}

export function append(store: Store, runId: string, n: number): Promise<unknown> {
  return store.events.append(runId, { type: 'http.response', payload: payload(n) });
}
