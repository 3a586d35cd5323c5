import type { Context } from '../../model/decision.ts';
import type { EventRow } from '../../model/entities.ts';
import type { RunState } from '../../model/runState.ts';
import { type Batch, newBatch, TouchedRun } from './batch.ts';
import { type Job, MOVED } from './job.ts';
import { Groups } from './groups.ts';
import type { BatchOutcome } from './log.ts';
import { commitData, type WrittenCommit, writtenCommit } from './logText.ts';
import { refuseTooLarge, rowBytes, rowKey } from './rowBytes.ts';
import type { CachedRun } from './runCache.ts';

const NO_COMMIT: WrittenCommit = { changes: [], length: 0 };

interface Decided {
  readonly job: Job;
  readonly commit: WrittenCommit;
  /** Counted from 0 among those that changed something; -1 for the others. */
  readonly c: number;
  /** Once it is known. */
  tell?: () => void;
}

/** The jobs of one batch, decided one after the other, each on what those before it left. */
export class Gathering {
  readonly #runOf: (runId: string) => CachedRun;
  readonly #touched = new Map<string, TouchedRun>();
  readonly #groups = new Groups();
  readonly #decided: Decided[] = [];
  /** The last job of each run that was decided. */
  readonly #last = new Map<string, Decided>();
  readonly #moved: Job[] = [];
  readonly #bytesMax: number;
  readonly #commitBytesMax: number;
  #commits = 0;
  #bytes = 0;

  /**
   * `bytesMax`: it is full when its changes and the rows that they write have this much; a larger commit
   * is the last one. `commitBytesMax`: a commit that would write more is refused: `LIMIT_EXCEEDED`.
   */
  constructor(runOf: (runId: string) => CachedRun, bytesMax = Infinity, commitBytesMax = Infinity) {
    this.#runOf = runOf;
    this.#bytesMax = bytesMax;
    this.#commitBytesMax = commitBytesMax;
  }

  get isFull(): boolean {
    return this.#decided.length > 0 && this.#bytes >= this.#bytesMax;
  }

  /** Whether a job of it has deleted that run, whatever came after. */
  deletes(runId: string): boolean {
    return this.#touched.get(runId)?.isDeleted === true;
  }

  add(job: Job, context: Context): void {
    if (this.#hasMoved(job)) {
      this.#moved.push(job);
      return;
    }
    this.#groups.bind(job.runIds);
    for (const id of job.runIds) this.#answer(this.#last.get(id));
    this.#decide(job, context);
  }

  #decide(job: Job, context: Context): void {
    try {
      const commit = writtenCommit(job.decide(this.#stateOf, context));
      this.#refuseTooLarge(commit);
      const c = commit.changes.length === 0 ? -1 : this.#commits++;
      this.#bytes += commit.length;
      for (const written of commit.changes) {
        const run = this.#runToTouch(written.change.runId);
        const before = run.rowBytes;
        run.apply(written, c);
        this.#bytes += run.rowBytes - before;
      }
      const decided = { job, commit, c };
      this.#decided.push(decided);
      for (const id of job.runIds) this.#last.set(id, decided);
    } catch (refusal) {
      // It rests on what was loaded: it holds only if that is still so.
      this.#decided.push({ job, commit: NO_COMMIT, c: -1, tell: () => job.reject(refusal) });
    }
  }

  readonly #stateOf = (runId: string): RunState =>
    this.#touched.get(runId)?.state ?? this.#runOf(runId).state;

  /**
   * What the callers will be told. It is taken from the state after their own changes, and so before
   * those of the next job of the run; the others can wait until the batch is on its way.
   */
  answer(): void {
    for (const decided of this.#decided) this.#answer(decided);
  }

  #answer(decided: Decided | undefined): void {
    if (decided === undefined || decided.tell !== undefined) return;
    const { job } = decided;
    try {
      const answer = job.answer(this.#stateOf);
      decided.tell = () => job.resolve(answer);
    } catch (error) {
      decided.tell = () => job.reject(error);
    }
  }

  /** Before anything of it is done. The text of a change is about what it adds to its row. */
  #refuseTooLarge(commit: WrittenCommit): void {
    if (this.#commitBytesMax === Infinity) return;
    let bytes = commit.length;
    const counted = new Set<string>();
    for (const { change, text } of commit.changes) {
      const key = rowKey(change);
      if (key === undefined) continue;
      const isNew = counted.size < counted.add(`${change.runId} ${key}`).size;
      const added = text.length + (isNew ? rowBytes(this.#stateOf(change.runId), change) : 0);
      // Steps go as they are, the others inside of JSON, where a text may be twice as long.
      bytes += key.startsWith('step ') ? added : 2 * added;
    }
    refuseTooLarge(bytes, this.#commitBytesMax);
  }

  /**
   * Tells those whose runs have moved. Not before the batch is there that has moved them: told earlier,
   * they would read what was before it, and be turned away again for the same commit.
   */
  tellMoved(): void {
    for (const job of this.#moved) job.resolve(MOVED);
  }

  /** Heads only move forward: one that differs by now will never be the same again. */
  #hasMoved({ heads }: Job): boolean {
    return [...(heads ?? [])].some(
      ([id, head]) => this.#touched.has(id) || this.#runOf(id).head !== head,
    );
  }

  #runToTouch(runId: string): TouchedRun {
    let run = this.#touched.get(runId);
    if (run === undefined) {
      const base = this.#runOf(runId);
      run = new TouchedRun({ ...base, row: base.state.run }, base.state.fork());
      this.#touched.set(runId, run);
    }
    return run;
  }

  /** The rows of all of it. */
  get batch(): Batch {
    const batch = newBatch();
    for (const [run, g] of this.#groups.members()) {
      batch.guards.push({ g, run, head: this.#runOf(run).head });
    }
    const isKept = (runId: string, event: EventRow) =>
      this.#touched.get(runId)?.keeps(event) === true;
    for (const { job, c, commit } of this.#decided) {
      if (c < 0) continue;
      batch.commits.push({ g: this.#groupOf(job), c, data: commitData(commit, isKept) });
    }
    for (const [runId, run] of this.#touched) run.write(batch, runId, this.#groups.of(runId));
    return batch;
  }

  #groupOf({ runIds }: Job): number {
    return this.#groups.of(runIds[0] as string);
  }

  /** Tells what the outcome means: which jobs are done, and what the runs now are. */
  settle({ before, passed }: BatchOutcome) {
    this.answer();
    const tell: (() => void)[] = [];
    const failed: Job[] = [];
    const positions = new Map<number, number>();
    let bytes = 0;
    for (const { job, c, commit, tell: told } of this.#decided) {
      if (!passed.has(this.#groupOf(job))) {
        failed.push(job);
        continue;
      }
      if (c >= 0) positions.set(c, before + positions.size + 1);
      bytes += commit.length;
      tell.push(told as () => void);
    }
    return { tell, failed, bytes, commits: positions.size, runs: this.#runsAt(positions, passed) };
  }

  #runsAt(
    positions: ReadonlyMap<number, number>,
    passed: ReadonlySet<number>,
  ): ReadonlyMap<string, CachedRun> {
    const runs = new Map<string, CachedRun>();
    for (const [id, run] of this.#touched) {
      const head = positions.get(run.lastCommit);
      if (head === undefined) continue;
      const { state } = this.#runOf(id);
      const bytes = holdsEvents(state) ? undefined : run.bytes;
      for (const change of run.changes) state.apply(change);
      // From here on the database answers for the keys of its events.
      state.eventByKey.clear();
      const isThere = state.run !== undefined;
      const createdPosition = positions.get(run.createdIn) ?? run.base.createdPosition;
      runs.set(id, { state, head: isThere ? head : 0, createdPosition, bytes });
    }
    // Those of which a key was looked up: their events are kept until the next commit, and count.
    for (const [id, g] of this.#groups.members()) {
      if (this.#touched.has(id) || !passed.has(g)) continue;
      const { state, head, createdPosition } = this.#runOf(id);
      if (holdsEvents(state)) runs.set(id, { state, head, createdPosition });
    }
    return runs;
  }
}

function holdsEvents({ eventByKey }: RunState): boolean {
  return eventByKey.values().next().done !== true;
}
