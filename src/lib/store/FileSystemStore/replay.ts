import type { Change } from '../../model/change.ts';
import type { Finding } from '../contract.ts';
import type { RunIndex } from '../index/RunIndex.ts';
import { indexedRun, indexParts, indexRun } from './committer.ts';
import type { Journal } from './journal.ts';
import { LiveRun } from './liveRun.ts';
import type { LiveRuns } from './liveRuns.ts';
import { asDamage, type RunFiles, type StoredRun } from './runFiles.ts';

export interface ReplayParts {
  readonly journal: Journal;
  readonly index: RunIndex;
  readonly runs: LiveRuns;
  readonly runFiles: RunFiles;
  /** Leave the files as they are. */
  readonly readOnly: boolean;
}

/**
 * Brings memory and index from one position to a later one: for each run its file, then the commits
 * after it. The files are looked up on the disk, not in the index, which a crash may have set back
 * behind them.
 */
export async function replay(parts: ReplayParts, after: number, upTo: number): Promise<number> {
  const { journal, index, runs, runFiles, readOnly } = parts;
  let count = 0;
  const restored = new RestoredRuns(parts);
  const place = journal.log.placeAfter(after);
  for await (const { position, changes } of journal.log.frames(place, after, upTo)) {
    count++;
    for (const runId of new Set(changes.map((change) => change.runId))) {
      const live = await restored.get(runId);
      if (!restored.settle(live, changes)) {
        runs.withhold(runId, position);
        continue;
      }
      if (position <= live.position) {
        catchUpIndex(index, live, changes);
        continue;
      }
      const before = live.durable.run;
      for (const change of changes) {
        const isKnown =
          live.durable.run !== undefined || live.hasDoomedFiles || change.type === 'run.created';
        if (change.runId === runId && isKnown) live.apply(change, position);
      }
      if (live.firstUnsaved > 0) runs.hold(live);
      indexRun(index, live, before, changes);
    }
  }
  restored.report();
  if (!readOnly) {
    await runFiles.syncFound(restored.folders);
    await runFiles.removeObsolete(restored.untidy);
  }
  index.stamp(upTo);
  return count;
}

/** The run file has this commit; an index that a crash set back may lack its parts. */
function catchUpIndex(index: RunIndex, live: LiveRun, changes: readonly Change[]): void {
  indexParts(index, live, changes);
  const { run } = live.durable;
  const wasDeleted = changes.some(({ type, runId }) => type === 'run.deleted' && runId === live.id);
  if (wasDeleted && run !== undefined) index.put(indexedRun(live, run));
}

/** The runs that the log speaks of, as their files have them. */
class RestoredRuns {
  /** Where files are, or were, of the runs that the log speaks of. */
  readonly folders = new Set<string>();
  /** With parts that newer ones have replaced. */
  readonly untidy: StoredRun[] = [];
  readonly #parts: ReplayParts;
  readonly #absent = new Map<string, LiveRun>();
  readonly #damaged = new Map<LiveRun, Finding>();

  constructor(parts: ReplayParts) {
    this.#parts = parts;
  }

  /** The run as its newest file has it, or as one that is not there yet. */
  async get(runId: string): Promise<LiveRun> {
    const { runs } = this.#parts;
    return runs.peek(runId) ?? this.#absent.get(runId) ?? (await this.#restore(runId));
  }

  /**
   * Whether these changes can be applied: not those of a damaged run, until the log says that it was
   * deleted or created. From there on the log has all of it, and the files are not needed any more.
   */
  settle(live: LiveRun, changes: readonly Change[]): boolean {
    if (!this.#damaged.has(live)) return true;
    const isBeginning = changes.some(
      ({ type, runId }) => runId === live.id && (type === 'run.created' || type === 'run.deleted'),
    );
    if (!isBeginning) return false;
    this.#damaged.delete(live);
    this.#parts.index.delete(live.id);
    live.hasDoomedFiles = true;
    return true;
  }

  /** What is still damaged at the end of the log is not served. */
  report(): void {
    for (const [{ id }, finding] of this.#damaged) this.#parts.index.putDamage(id, finding);
  }

  async #restore(runId: string): Promise<LiveRun> {
    const { runs, index, runFiles } = this.#parts;
    const live = new LiveRun(runId);
    this.folders.add(runFiles.folderOf(runId));
    const damage = await this.#load(live);
    if (damage !== undefined) this.#damaged.set(live, damage);
    const { run } = live.durable;
    if (run === undefined) this.#absent.set(runId, live);
    else {
      index.put(indexedRun(live, run));
      runs.keep(live);
    }
    return live;
  }

  /** Returns what is wrong with its files, if anything. */
  async #load(live: LiveRun): Promise<Finding | undefined> {
    const { runFiles, index } = this.#parts;
    // Once it is known to be damaged, commits of it may be gone: its files alone do not heal it.
    const known = index.damages.get(live.id);
    if (known !== undefined) return known;
    const findings: Finding[] = [];
    const stored = await runFiles.inspect(live.id, (finding) => findings.push(finding));
    if (findings.length > 0 || stored === undefined) return findings[0];
    try {
      const rows = await runFiles.readRows(live.id, stored.parts);
      live.restore(rows.state, rows.position, rows.createdPosition, stored.parts);
      if (stored.obsolete.length > 0) this.untidy.push(stored);
      return undefined;
    } catch (error) {
      const damage = asDamage(error, runFiles.folderOf(live.id));
      if (damage === undefined) throw error;
      return damage.finding;
    }
  }
}
