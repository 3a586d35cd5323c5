import type { RunState } from '../../model/runState.ts';
import {
  checkRunIds,
  movedRuns,
  type Outcome,
  Staging,
  untilUndisturbed,
} from '../commands/staging.ts';
import type { RunWriter } from '../commands/writer.ts';
import type { DatabaseCommitter } from './committer.ts';
import { MOVED } from './job.ts';
import type { CachedRun } from './runCache.ts';

/**
 * Optimistic: the callback works on forks while others may write. What it staged rests on the heads
 * of its runs; where one has moved when it is to be committed, the callback runs again.
 */
export async function runTransaction<T>(
  committer: DatabaseCommitter,
  runIds: string | readonly string[],
  work: (writer: RunWriter) => Promise<T>,
): Promise<T> {
  const ids = checkRunIds(runIds);
  committer.transactions.refuseNested(ids);
  return untilUndisturbed(() => tryTransaction(committer, ids, work));
}

async function tryTransaction<T>(
  committer: DatabaseCommitter,
  ids: readonly string[],
  work: (writer: RunWriter) => Promise<T>,
): Promise<Outcome<T>> {
  committer.refuseUnwritable();
  const current = await committer.current(ids);
  const forks = new Map<string, { readonly state: RunState }>();
  const heads = new Map<string, number>();
  for (const [n, id] of ids.entries()) {
    const { state, head } = current[n] as CachedRun;
    forks.set(id, { state: state.fork() });
    heads.set(id, head);
  }
  const staging = new Staging(committer, forks);
  const outcome = await committer.transactions.callBack(ids, staging, work);
  committer.refuseUnwritable();
  // Also where nothing was changed, or the callback threw: it holds only if nothing has moved.
  const changes = 'error' in outcome ? [] : staging.changes;
  const answer = await committer.submit({
    runIds: ids,
    heads,
    decide: () => changes,
    answer: () => undefined,
  });
  if (answer === MOVED) return { conflict: 'error' in outcome ? outcome.error : movedRuns() };
  if ('error' in outcome) throw outcome.error;
  return outcome;
}
