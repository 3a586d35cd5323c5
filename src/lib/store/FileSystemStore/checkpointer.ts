import type { StoreError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RunIndex } from '../index/RunIndex.ts';
import type { FileStoreTuning } from '../options.ts';
import { indexedRun } from './committer.ts';
import { storageError } from './FileOperationService.ts';
import type { IndexFlusher } from './indexFlusher.ts';
import type { Journal } from './journal.ts';
import type { LiveRun } from './liveRun.ts';
import type { LiveRuns } from './liveRuns.ts';
import type { PinFile } from './pins.ts';
import type { RunFiles, RunPart, WrittenPart } from './runFiles.ts';

export interface CheckpointerParts {
  readonly journal: Journal;
  readonly runs: LiveRuns;
  readonly runFiles: RunFiles;
  readonly index: RunIndex;
  readonly flusher: IndexFlusher;
  readonly pins: PinFile;
  readonly clock: Clock;
  readonly tuning: FileStoreTuning;
}

/** Rows of the index that a power cut may take back before they are synced under load. */
const UNSYNCED_ROWS_MAX = 20_000;

/** Short sessions leave small segments; opening reads the header of each. */
const SEGMENTS_KEEP = 64;

/** Run files written at a time: few, for they share the disk with the journal. */
const SAVED_TOGETHER = 4;

/** A run whose file is written; it is saved once the folder is synced and `finish` is called. */
interface Saving {
  readonly live: LiveRun;
  /** `undefined` for a run that was deleted. */
  readonly written: WrittenPart | undefined;
  readonly finish: () => void;
}

interface Garbage {
  readonly runId: string;
  readonly parts: readonly RunPart[];
}

/**
 * Moves runs from the log into run files, off the write path, so that old segments can go. A run is
 * due when it has gone quiet, when its events in memory are many, or when it holds an old segment.
 */
export class Checkpointer {
  /** Why the last pass failed; it is tried again. */
  failure: StoreError | undefined;
  readonly #parts: CheckpointerParts;
  readonly #urgent = new Set<LiveRun>();
  /** Replaced parts: removed once the index names what replaced them. */
  #garbage: Garbage[] = [];
  #pass: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  /** Something was touched during a pass, which may have looked at it already. */
  #again = false;
  #seenSegment = 0;
  #stopped = false;

  constructor(parts: CheckpointerParts) {
    this.#parts = parts;
  }

  /** A durable commit touched this run. */
  touched(live: LiveRun): void {
    if (live.tail.bytes > this.#parts.tuning.tailBytesMax) this.#urgent.add(live);
    if (this.#urgent.size > 0 || this.#hasOutgrown()) this.#begin();
    this.#beginLater();
  }

  #begin(): void {
    if (this.#stopped || this.failure !== undefined) return;
    this.#again = this.#pass !== undefined;
    this.#pass ??= this.#run().finally(() => {
      this.#pass = undefined;
      if (this.#again) this.#begin();
    });
  }

  /** After a failure this is what tries again. */
  #beginLater(): void {
    const { clock, tuning } = this.#parts;
    this.#cancel ??= clock.after(tuning.quietMs, () => {
      this.#cancel = undefined;
      this.failure = undefined;
      this.#begin();
    });
  }

  async #run(): Promise<void> {
    this.#seenSegment = this.#parts.journal.newestSegment;
    try {
      await this.#saveAll(this.#due());
      await this.#trim();
      // Syncing the index stands in everybody's way: better while there is nobody.
      if (this.#firstUnsaved() === Infinity) this.#parts.index.checkpointToDisk();
    } catch (error) {
      this.#failed(storageError(error, 'writing run files'));
    }
    if (this.#stopped) return;
    if (this.failure !== undefined || this.#firstUnsaved() !== Infinity) this.#beginLater();
  }

  /** The journal is too large: makes it smaller, or finds out that it may be so large. */
  relieve(): void {
    if (this.#pass === undefined) this.#begin();
  }

  /** Nothing is lost: the log still has it. Writers that wait for room are told. */
  #failed(error: StoreError): void {
    this.failure = error;
    this.#parts.journal.changed.notify();
  }

  #due(): LiveRun[] {
    const { runs, clock, tuning } = this.#parts;
    const quietSince = clock.now() - tuning.quietMs;
    // A pass under load takes everything: the next one then is far off, and its files are larger.
    const oldEnd = this.#isOutgrown() ? Infinity : this.#endOfOldSegments();
    const due = [...runs.busy].filter(
      (live) =>
        live.firstUnsaved > 0 &&
        (this.#urgent.has(live) ||
          live.firstUnsaved <= oldEnd ||
          (live.pending === 0 && live.touchedAt <= quietSince)),
    );
    this.#urgent.clear();
    return due;
  }

  /** Too large, and by a segment that no pass has seen: the same pass again would find nothing. */
  #hasOutgrown(): boolean {
    const isSeen = this.#parts.journal.newestSegment === this.#seenSegment;
    return !isSeen && this.#isOutgrown();
  }

  /** Twice what is kept: what a pass removes is then as much as it leaves. */
  #isOutgrown(): boolean {
    const { journal, tuning } = this.#parts;
    if (journal.segmentCount < 2) return false;
    const bytesMax = Math.min(2 * tuning.journalBytesKeep, tuning.journalBytesMax);
    return journal.bytes > bytesMax || journal.segmentCount > SEGMENTS_KEEP;
  }

  #isTooMuch(bytes: number, segments: number): boolean {
    const { journalBytesKeep, journalBytesMax } = this.#parts.tuning;
    return bytes > Math.min(journalBytesKeep, journalBytesMax) || segments > SEGMENTS_KEEP;
  }

  /** The last position of the segments that should go. */
  #endOfOldSegments(): number {
    const { journal } = this.#parts;
    let end = 0;
    let [bytes, count] = [journal.bytes, journal.segmentCount];
    for (const segment of journal.removableSegments) {
      if (!this.#isTooMuch(bytes, count--)) break;
      bytes -= segment.fileBytes;
      end = segment.lastPosition;
    }
    return end;
  }

  /** Throws the first failure at the end: one run that fails holds up no other. */
  async #saveAll(due: readonly LiveRun[]): Promise<void> {
    const failures: unknown[] = [];
    for (let i = 0; i < due.length; i += SAVED_TOGETHER) {
      failures.push(...(await this.#saveTogether(due.slice(i, i + SAVED_TOGETHER))));
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Waits for every write, failed ones too: a run must never be written twice at a time. */
  async #saveTogether(lives: readonly LiveRun[]): Promise<readonly unknown[]> {
    const { runs } = this.#parts;
    const results = await Promise.allSettled(lives.map((live) => this.#write(live)));
    const saving = results.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
    await this.#syncNames(saving);
    for (const { live, finish } of saving) {
      finish();
      runs.release(live);
    }
    return results.flatMap((it) => (it.status === 'rejected' ? [it.reason as unknown] : []));
  }

  /** One sync for all that was renamed in a folder; only then is it said to be saved. */
  async #syncNames(saving: readonly Saving[]): Promise<void> {
    const { runFiles } = this.#parts;
    try {
      await runFiles.syncParts(saving.flatMap(({ written }) => written ?? []));
    } catch (error) {
      // W3: no later sync says anything of these names, and the next process must not believe them.
      const removals = saving.map(({ live, written }) =>
        runFiles.removeParts(live.id, written?.parts.slice(-1) ?? []),
      );
      await Promise.allSettled(removals);
      throw error;
    }
  }

  async #write(live: LiveRun): Promise<Saving> {
    const { runFiles, index } = this.#parts;
    // Again, if it was deleted once more meanwhile: what is written next must stay.
    while (live.hasDoomedFiles) {
      const { generation } = live;
      await runFiles.removeRun(live.id);
      // The next life begins with part 1 again: what was to go of this one has gone.
      this.#garbage = this.#garbage.filter(({ runId }) => runId !== live.id);
      if (live.generation === generation) live.hasDoomedFiles = false;
    }
    const { id: runId, generation, position, createdPosition, parts, durable: state } = live;
    if (state.run === undefined) {
      const finish = () => {
        if (live.generation === generation) live.saved(position, []);
      };
      return { live, written: undefined, finish };
    }
    const events = live.tail.taken();
    const ended = state.run.endedAt !== null;
    const written = await runFiles.writePart({
      runId,
      state,
      position,
      createdPosition,
      parts,
      events,
      ended,
    });
    const finish = () => {
      if (live.generation !== generation || live.durable.run === undefined) return;
      live.saved(position, written.parts);
      index.put(indexedRun(live, live.durable.run));
      if (written.obsolete.length > 0) {
        this.#garbage.push({ runId: live.id, parts: written.obsolete });
      }
    };
    return { live, written, finish };
  }

  /** Removes the oldest segments that nothing needs any more (W7). */
  async #trim(): Promise<void> {
    const { journal, pins, index } = this.#parts;
    await pins.breakOverfull((position) => this.#bytesAfter(position));
    const count = this.#removableCount();
    if (count > 0 || this.#garbage.length >= 1_000) {
      await this.#bringIndexUp();
      if (index.unsyncedRows > UNSYNCED_ROWS_MAX) index.checkpointToDisk();
      // A pin may have come meanwhile.
      await journal.removeOldest(Math.min(count, this.#removableCount()));
    }
    journal.excuse(this.#bytesUpTo(Math.min(this.#firstUnsaved() - 1, journal.durable)));
  }

  #removableCount(): number {
    const { journal, pins } = this.#parts;
    // Commits whose callers were not told yet have touched no run so far.
    const firstNeeded = Math.min(this.#firstUnfiled(), pins.lowest + 1, journal.durable + 1);
    let bytes = journal.bytes;
    let count = 0;
    for (const segment of journal.removableSegments) {
      if (!this.#isTooMuch(bytes, journal.segmentCount - count)) break;
      if (segment.lastPosition >= firstNeeded) break;
      bytes -= segment.fileBytes;
      count++;
    }
    return count;
  }

  #bytesUpTo(position: number): number {
    return this.#parts.journal.removableSegments
      .filter(({ lastPosition }) => lastPosition <= position)
      .reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  }

  #bytesAfter(position: number): number {
    return this.#parts.journal.removableSegments
      .filter(({ lastPosition }) => lastPosition > position)
      .reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  }

  #firstUnsaved(): number {
    let first = Infinity;
    for (const live of this.#parts.runs.busy) {
      if (live.firstUnsaved > 0) first = Math.min(first, live.firstUnsaved);
    }
    return first;
  }

  /** The first commit that is in no run file for sure: those of damaged runs are in none (W7). */
  #firstUnfiled(): number {
    return Math.min(this.#firstUnsaved(), this.#parts.runs.firstWithheld);
  }

  /**
   * The index learns of the new parts; what they replaced goes (W8: the new ones are durable). It may
   * forget again in a power cut: a run whose parts it then names wrongly has commits in the log, and
   * replay looks at the disk; or the log is too short for the index, and it is built anew.
   */
  async #bringIndexUp(): Promise<void> {
    const { index, flusher, runFiles, journal } = this.#parts;
    const garbage = [...this.#garbage];
    index.stamp(journal.durable, Math.min(this.#firstUnfiled() - 1, journal.durable));
    await flusher.flush();
    for (const { runId, parts } of garbage) await runFiles.removeParts(runId, parts);
    this.#garbage = this.#garbage.slice(garbage.length);
  }

  /** Saves everything and makes the index durable: for a close after which nothing is replayed. */
  async finish(): Promise<void> {
    await this.stop();
    while (this.#firstUnsaved() !== Infinity) {
      await this.#saveAll(
        [...this.#parts.runs.busy].filter(({ firstUnsaved }) => firstUnsaved > 0),
      );
    }
    await this.#bringIndexUp();
    await this.#trim();
    this.#parts.index.checkpointToDisk();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#pass;
  }
}
