import type { Change } from '../../model/change.ts';
import type { RunState } from '../../model/runState.ts';
import {
  checkRunIds,
  movedRuns,
  type Outcome,
  Staging,
  untilUndisturbed,
} from '../commands/staging.ts';
import type { RunWriter } from '../commands/writer.ts';
import type { Committer } from './committer.ts';
import type { LiveRun } from './liveRun.ts';

interface StagedRun {
  readonly live: LiveRun;
  /** The run's head when it was forked: if it has moved, another writer came in between. */
  readonly head: number;
  readonly state: RunState;
}

/**
 * Optimistic: the callback works on forks while others may write. If the head of one of the runs
 * has moved when it returns, what it saw is no longer so, and it runs again on fresh forks.
 */
export async function runTransaction<T>(
  committer: Committer,
  runIds: string | readonly string[],
  work: (writer: RunWriter) => Promise<T>,
): Promise<T> {
  const ids = checkRunIds(runIds);
  committer.transactions.refuseNested(ids);
  return untilUndisturbed(() => tryTransaction(committer, ids, work));
}

async function tryTransaction<T>(
  committer: Committer,
  ids: readonly string[],
  work: (writer: RunWriter) => Promise<T>,
): Promise<Outcome<T>> {
  const runs = new Map<string, StagedRun>();
  try {
    await stage(committer, ids, runs);
    const staging = new Staging(committer, runs);
    const outcome = await committer.transactions.callBack(ids, staging, work);
    const lives = [...runs.values()].map(({ live }) => live);
    if ('error' in outcome) {
      // An error may rest on a mixture of before and after what another writer did.
      if (hasMoved(runs)) return { conflict: outcome.error };
      // What the callback saw may rest on queued commits: it fails as they fail.
      await settled(lives);
      throw outcome.error;
    }
    if (hasMoved(runs)) return { conflict: movedRuns() };
    committer.refuseUnwritable();
    await commitStaged(committer, lives, staging.changes);
    return outcome;
  } finally {
    for (const { live } of runs.values()) {
      live.staging--;
      committer.runs.release(live);
    }
  }
}

/** Runs that were only read are not part of the commit; what was seen of them may be queued. */
async function commitStaged(
  committer: Committer,
  lives: readonly LiveRun[],
  changes: readonly Change[],
): Promise<void> {
  const touched = lives.filter(({ id }) => changes.some(({ runId }) => runId === id));
  const durability = changes.length > 0 ? committer.enqueue(touched, changes) : undefined;
  await Promise.all([durability, ...lives.map((live) => live.settled())]);
}

/** Forks the runs, one after the other; what was forked stays in `runs` if a later one fails. */
async function stage(
  committer: Committer,
  ids: readonly string[],
  runs: Map<string, StagedRun>,
): Promise<void> {
  await committer.admit();
  for (const id of ids) {
    let live;
    while ((live = committer.ready(id)) === undefined) await committer.makeReady(id);
    live.staging++;
    committer.runs.hold(live);
    runs.set(id, { live, head: live.head, state: live.decided.fork() });
  }
}

function hasMoved(runs: ReadonlyMap<string, StagedRun>): boolean {
  return [...runs.values()].some(({ live, head }) => live.head !== head);
}

async function settled(lives: readonly LiveRun[]): Promise<void> {
  await Promise.all(lives.map((live) => live.settled()));
}
