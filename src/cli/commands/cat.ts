import { type Artifact, isStoreError, type Store, StoreError } from '../../index.ts';
import type { Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { findRun } from '../findRun.ts';

export const cat: Verb = {
  name: 'cat',
  summary: 'the bytes of an artifact, untouched, on standard output',
  define: (command) =>
    command
      .argument('<run>', 'its id, a unique beginning or end of it, or `last`')
      .argument(
        '<artifact>',
        'its name; name@2 is its second version, name@best the one with that alias',
      ),
  run: (call) =>
    call.withStore('read', async (store) => {
      const [given = '', wanted = ''] = call.args;
      const run = await findRun(store, given);
      const { name, version } = await findVersion(store, run.id, wanted);
      if (call.json) {
        await call.object(await store.artifacts.get(run.id, name, { version }));
        return EXIT.ok;
      }
      for await (const chunk of store.artifacts.open(run.id, name, { version })) {
        await call.context.stdout.write(chunk);
      }
      return EXIT.ok;
    }),
};

/** A name may hold an `@` itself: it is taken as it stands first, and as name@version or name@alias then. */
async function findVersion(store: Store, runId: string, given: string): Promise<Artifact> {
  const at = /^(.+)@([^@]+)$/.exec(given);
  try {
    return await store.artifacts.get(runId, given);
  } catch (error) {
    if (at === null || !isStoreError(error, 'NOT_FOUND')) throw error;
  }
  const [, name = '', which = ''] = at;
  if (!/^\d+$/.test(which)) return store.artifacts.get(runId, name, { alias: which });
  const version = Number(which);
  if (Number.isSafeInteger(version) && version > 0)
    return store.artifacts.get(runId, name, { version });
  throw new StoreError('INVALID_ARGUMENT', `${given}: versions count from 1`);
}
