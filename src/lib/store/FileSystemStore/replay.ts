import type { Change } from '../../model/change.ts';
import type { RunIndex } from '../index/RunIndex.ts';
import type { RunFiles } from './runFiles.ts';
import { indexedRun, indexKeys, indexRun } from './committer.ts';
import type { Journal } from './journal.ts';
import { LiveRun } from './liveRun.ts';
import type { LiveRuns } from './liveRuns.ts';

export interface ReplayParts {
  readonly journal: Journal;
  readonly index: RunIndex;
  readonly runs: LiveRuns;
  readonly runFiles: RunFiles;
}

/**
 * Brings memory and index from one position to a later one: for each run its file, then the commits
 * after it. The files are looked up on the disk, not in the index, which a crash may have set back
 * behind them.
 */
export async function replay(parts: ReplayParts, after: number, upTo: number): Promise<number> {
  const { journal, index, runs } = parts;
  let count = 0;
  const absent = new Map<string, LiveRun>();
  const place = journal.log.placeAfter(after);
  for await (const { position, changes } of journal.log.frames(place, after, upTo)) {
    count++;
    for (const runId of new Set(changes.map((change) => change.runId))) {
      const live = runs.peek(runId) ?? absent.get(runId) ?? (await restore(parts, runId, absent));
      if (position <= live.position) {
        catchUpIndex(index, live, changes);
        continue;
      }
      const before = live.durable.run;
      for (const change of changes) {
        const isKnown = live.durable.run !== undefined || change.type === 'run.created';
        if (change.runId === runId && isKnown) live.apply(change, position);
      }
      if (live.firstUnsaved > 0) runs.hold(live);
      indexRun(index, live, before, changes);
    }
  }
  index.stamp(upTo);
  return count;
}

/** The run file has this commit; an index that a crash set back may lack its event keys. */
function catchUpIndex(index: RunIndex, live: LiveRun, changes: readonly Change[]): void {
  indexKeys(index, live.id, changes);
  const { run } = live.durable;
  const wasDeleted = changes.some(({ type, runId }) => type === 'run.deleted' && runId === live.id);
  if (wasDeleted && run !== undefined) index.put(indexedRun(live, run));
}

/** The run as its newest file has it, or as one that is not there yet. */
async function restore(
  { runs, runFiles, index }: ReplayParts,
  runId: string,
  absent: Map<string, LiveRun>,
): Promise<LiveRun> {
  const live = new LiveRun(runId);
  const parts = (await runFiles.inspect(runId))?.parts ?? [];
  if (parts.length > 0) {
    const { state, position, createdPosition } = await runFiles.readRows(runId, parts);
    live.restore(state, position, createdPosition, parts);
    if (state.run !== undefined) index.put(indexedRun(live, state.run));
    runs.keep(live);
  } else absent.set(runId, live);
  return live;
}
