import { type ArtifactRef, isStoreError, type Store, StoreError } from '../../index.ts';
import type { Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { findRun } from '../findRun.ts';

export const cat: Verb = {
  name: 'cat',
  summary: 'the bytes of an artifact, untouched, on standard output',
  define: (command) =>
    command
      .argument('<run>', 'its id, a unique beginning or end of it, or `last`')
      .argument('<artifact>', 'its name; name@2 is its second version'),
  run: (call) =>
    call.withStore('read', async (store) => {
      const [given = '', name = ''] = call.args;
      const run = await findRun(store, given);
      const ref = await refOf(store, run.id, name);
      if (call.json) {
        await call.object(await store.artifacts.get(run.id, ref));
        return EXIT.ok;
      }
      for await (const chunk of store.artifacts.open(run.id, ref)) {
        await call.context.stdout.write(chunk);
      }
      return EXIT.ok;
    }),
};

/** A name may hold an `@` itself: it is taken as it stands first, and as name@version then. */
async function refOf(store: Store, runId: string, given: string): Promise<ArtifactRef> {
  const at = /^(.+)@(\d+)$/.exec(given);
  try {
    const { name, version } = await store.artifacts.get(runId, given);
    return { name, version };
  } catch (error) {
    if (at === null || !isStoreError(error, 'NOT_FOUND')) throw error;
  }
  const [, name = '', digits] = at;
  const version = Number(digits);
  if (Number.isSafeInteger(version) && version > 0) return { name, version };
  throw new StoreError('INVALID_ARGUMENT', `${given}: versions count from 1`);
}
