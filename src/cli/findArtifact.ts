import { type Artifact, isStoreError, type Store, StoreError } from '../index.ts';

/** A name may hold an `@` itself: it is taken as it stands first, and as name@version or name@alias then. */
export async function findArtifact(store: Store, runId: string, given: string): Promise<Artifact> {
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
