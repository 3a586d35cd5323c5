import type { RunIndex } from '../index/RunIndex.ts';
import type { RunFiles } from './runFiles.ts';
import { indexedRun, indexRun } from './committer.ts';
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
  const place = journal.log.placeAfter(after);
  for await (const { position, changes } of journal.log.frames(place, after, upTo)) {
    count++;
    for (const runId of new Set(changes.map((change) => change.runId))) {
      const live = runs.peek(runId) ?? (await restore(parts, runId));
      if (position <= live.position) continue;
      const before = live.durable.run;
      for (const change of changes) {
        const isKnown = live.durable.run !== undefined || change.type === 'run.created';
        if (change.runId === runId && isKnown) live.apply(change, position);
      }
      if (live.firstUnsaved > 0) runs.hold(live);
      indexRun(index, live, before, changes);
      // A crash may have set the index back to before the deletion.
      if (live.durable.run === undefined) index.delete(runId);
    }
  }
  index.stamp(upTo);
  return count;
}

/** The run as its newest file has it, or as one that is not there yet. */
async function restore({ runs, runFiles, index }: ReplayParts, runId: string): Promise<LiveRun> {
  const live = new LiveRun(runId);
  const parts = (await runFiles.inspect(runId))?.parts ?? [];
  if (parts.length > 0) {
    const { state, position, createdPosition } = await runFiles.readRows(runId, parts);
    live.restore(state, position, createdPosition, parts);
    if (state.run !== undefined) index.put(indexedRun(live, state.run));
  }
  runs.keep(live);
  return live;
}
