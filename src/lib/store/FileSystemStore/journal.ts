import { StoreError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FileStoreTuning } from '../options.ts';
import { storageError } from './FileOperationService.ts';
import { commitBody, LineBuffer } from './frame.ts';
import { LogReader } from './journal/log.ts';
import type { RecoveredJournal } from './journal/recover.ts';
import type { SegmentInfo } from './journal/segment.ts';
import { SegmentWriter, type SegmentWriterParts } from './journal/segmentWriter.ts';
import { Signal } from '../commands/signal.ts';

export { LogReader } from './journal/log.ts';
export {
  EMPTY_JOURNAL,
  type RecoveredJournal,
  recoverJournal,
  segmentNumbers,
} from './journal/recover.ts';
export { corrupt, type SegmentInfo } from './journal/segment.ts';
export { SegmentWriter } from './journal/segmentWriter.ts';

/** A commit on its way to the disk. */
export interface QueuedCommit {
  /** ISO 8601, from `Journal.now` in the same tick. */
  readonly at: string;
  /** Its changes as JSON texts, separated by commas. */
  readonly text: string;
  /** It is durable: called in the order of positions, before anybody is told. */
  readonly settle: (position: number) => void;
  readonly fail: (error: StoreError) => void;
}

export interface JournalParts extends SegmentWriterParts {
  readonly clock: Clock;
  readonly tuning: FileStoreTuning;
  /** Whether this process still owns the store (W11). */
  readonly isOwner: () => Promise<boolean>;
  /** Awaited once before the first byte is written. */
  readonly beforeFirstWrite: () => Promise<void>;
}

export interface JournalStats {
  readonly commits: number;
  readonly batches: number;
  readonly bytes: number;
}

/** A write that took longer than this may have been a pause of the whole process. */
const PAUSE_MS = 1_000;

/** Commits whose callers are told in one turn of the event loop. */
const SETTLED_TOGETHER = 64;

/**
 * The log on disk. Queued commits are written together, made durable once, then acknowledged; while
 * that happens the next batch gathers.
 *
 *     open ──► (write or sync failed) poisoned ──► closed
 *       └───────────────────────────────────────────┘
 */
export class Journal {
  /** Notified when a batch is durable, when room was made, and when the journal fails. */
  readonly changed = new Signal();
  readonly log: LogReader;
  readonly #parts: JournalParts;
  readonly #writer: SegmentWriter;
  /** The batch that is being written; one is in flight at a time. */
  readonly #lines = new LineBuffer();
  #queue: QueuedCommit[] = [];
  #queuedBytes = 0;
  #draining: Promise<void> | undefined;
  /** The last position whose bytes are durable. */
  #durable: number;
  /** The last position that was settled: what everybody else is told to be durable. */
  #settled: number;
  /** Durable commits whose callers have not been told yet, in order. */
  #settling: QueuedCommit[] = [];
  #poison: StoreError | undefined;
  #closed = false;
  #written = false;
  #excusedBytes = 0;
  /** How many of the oldest segments are being removed: nobody begins to read them. */
  #leaving = 0;
  #lastMs: number;
  #lastAt: string;
  #stats = { commits: 0, batches: 0, bytes: 0 };

  constructor(parts: JournalParts) {
    const { recovered } = parts;
    this.#parts = parts;
    this.#writer = new SegmentWriter(parts);
    this.#durable = recovered.position;
    this.#settled = recovered.position;
    this.#lastMs = recovered.lastAt === null ? 0 : Date.parse(recovered.lastAt);
    this.#lastAt = new Date(this.#lastMs).toISOString();
    this.log = new LogReader(parts.files, parts.layout, () => this.#readable);
  }

  get #readable(): readonly SegmentInfo[] {
    const { segments } = this.#writer;
    return this.#leaving === 0 ? segments : segments.slice(this.#leaving);
  }

  /** The position of the last durable commit. */
  get durable(): number {
    return this.#settled;
  }

  get poison(): StoreError | undefined {
    return this.#poison;
  }

  get stats(): JournalStats {
    return this.#stats;
  }

  /** Whether anything was written since it was opened. */
  get isWritten(): boolean {
    return this.#written;
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#writer.bytes;
  }

  /** The number of the segment that is written, or was last. */
  get newestSegment(): number {
    return this.#writer.segments.at(-1)?.number ?? 0;
  }

  get segmentCount(): number {
    return this.#writer.segments.length;
  }

  /** Oldest first; the newest is never among them. */
  get removableSegments(): readonly SegmentInfo[] {
    return this.#writer.removable;
  }

  get isQueueFull(): boolean {
    return this.#queuedBytes > this.#parts.tuning.queueBytesMax;
  }

  /** Whether the checkpointer has to catch up before more is written. */
  get isOverfull(): boolean {
    const { bytes, newestBytes } = this.#writer;
    return bytes - newestBytes - this.#excusedBytes > this.#parts.tuning.journalBytesMax;
  }

  /** Bytes of segments that no run needs and a pin holds: to wait for them would be for ever. */
  excuse(bytes: number): void {
    this.#excusedBytes = bytes;
    this.changed.notify();
  }

  /** The time of a commit, ISO 8601: it never goes backwards, whatever the wall clock does. */
  now(): string {
    const ms = this.#parts.clock.now();
    if (ms > this.#lastMs) {
      this.#lastMs = ms;
      this.#lastAt = new Date(ms).toISOString();
    }
    return this.#lastAt;
  }

  /** After an unclean end: copies what was not proven durable, before anything is served (W4). */
  async recover(recovered: RecoveredJournal): Promise<void> {
    if (recovered.sealed) return;
    await this.#firstWrite();
    // A process that was killed may have seen to the newest segment's name and not to its durability:
    // without it, a power cut could keep the next name and lose this one.
    const { files, layout } = this.#parts;
    await files.syncFolder(layout.journal);
    await this.#writer.begin(recovered.unproven, this.now());
  }

  /** Why nothing can be written, if so. */
  refusal(): StoreError | undefined {
    if (this.#closed) return new StoreError('STORE_CLOSED', 'the store has been closed');
    return this.#poison;
  }

  /** Queues a commit; the caller has asked for `refusal` in the same tick. */
  append(commit: QueuedCommit): void {
    this.#queue.push(commit);
    this.#queuedBytes += commit.text.length;
    // A microtask later: all calls of one tick share the first batch.
    this.#draining ??= Promise.resolve().then(() => this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 && this.#poison === undefined) {
      const batch = this.#takeBatch();
      const bytes = this.#encode(batch);
      if (!(await this.#hasRoom(bytes.length, batch))) continue;
      if (this.#poison === undefined) await this.#write(bytes, batch);
      else this.#failAll(batch, this.#poison);
    }
    // In the same tick as the last look at the queue: who comes later starts anew.
    this.#draining = undefined;
  }

  #takeBatch(): QueuedCommit[] {
    const { batchBytesMax } = this.#parts.tuning;
    let bytes = 0;
    let count = 0;
    for (const commit of this.#queue) {
      bytes += commit.text.length;
      if (count > 0 && bytes > batchBytesMax) break;
      count++;
    }
    const batch = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    for (const commit of batch) this.#queuedBytes -= commit.text.length;
    return batch;
  }

  #encode(batch: readonly QueuedCommit[]): Buffer {
    const durable = this.#durable;
    this.#lines.clear();
    for (const [i, { at, text }] of batch.entries()) {
      this.#lines.add(commitBody({ position: durable + i + 1, at, durable }, text));
    }
    return this.#lines.bytes;
  }

  /** Without room nothing was touched: the commits are refused, and the journal goes on (W3). */
  async #hasRoom(bytes: number, batch: readonly QueuedCommit[]): Promise<boolean> {
    try {
      await this.#firstWrite();
      await this.#writer.reserve(bytes, this.#lastAt);
      return true;
    } catch (error) {
      // What is queued behind was decided on top of it.
      this.#failAll([...batch, ...this.#takeQueue()], storageError(error, 'extending the journal'));
      return false;
    }
  }

  async #firstWrite(): Promise<void> {
    if (this.#written) return;
    await this.#parts.beforeFirstWrite();
    this.#written = true;
  }

  async #write(bytes: Buffer, batch: readonly QueuedCommit[]): Promise<void> {
    const last = this.#durable + batch.length;
    const began = this.#parts.clock.now();
    try {
      await this.#writer.write(bytes, last, () => this.#refusePoisoned());
      await this.#checkOwnership(began);
      this.#refusePoisoned();
    } catch (error) {
      return this.#poisonWith(error, batch);
    }
    this.#durable = last;
    this.#stats.commits += batch.length;
    this.#stats.batches += 1;
    this.#stats.bytes += bytes.length;
    const isSettling = this.#settling.length > 0;
    this.#settling.push(...batch);
    if (!isSettling) this.#settleSome();
  }

  /**
   * Some at a time: each caller goes on at once, and the event loop shall not stand still for all of
   * them. Meanwhile the next batch is on its way to the disk.
   */
  #settleSome(): void {
    this.#settle(SETTLED_TOGETHER);
    if (this.#settling.length > 0) setImmediate(() => this.#settleSome());
  }

  #settle(count: number): void {
    for (const commit of this.#settling.splice(0, count)) commit.settle(++this.#settled);
    this.changed.notify();
  }

  /** What a write rests on, a name in the journal's folder, may have gone with a failed sync (W3). */
  #refusePoisoned(): void {
    if (this.#poison !== undefined) throw this.#poison;
  }

  /** W11: who was paused asks whether the store is still its own before it acknowledges. */
  async #checkOwnership(began: number): Promise<void> {
    if (this.#parts.clock.now() - began < PAUSE_MS || (await this.#parts.isOwner())) return;
    throw new StoreError('STORE_LOCKED', 'another process took the store during a pause');
  }

  /** W3: nothing is retried, and nothing more is acknowledged until the store is reopened. */
  #poisonWith(cause: unknown, batch: readonly QueuedCommit[]): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#poison ??= new StoreError('STORE_POISONED', `a write failed (${why})`, { cause });
    const unknown = `the write failed (${why}): whether it is durable cannot be known`;
    this.#failAll(batch, new StoreError('OUTCOME_UNKNOWN', unknown, { cause }));
    this.#failAll(this.#takeQueue(), this.#poison);
  }

  #takeQueue(): QueuedCommit[] {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return queue;
  }

  #failAll(commits: readonly QueuedCommit[], error: StoreError): void {
    // What fails falls back to what is durable: all of that must have been applied.
    this.#settle(Infinity);
    for (const commit of commits) commit.fail(error);
    this.changed.notify();
  }

  /** Waits for what was accepted; refuses what comes later. */
  async drain(): Promise<void> {
    this.#closed = true;
    await this.#draining;
    this.#settle(Infinity);
  }

  /** Lets go without another write: for an opening that failed. */
  abandon(): Promise<void> {
    return this.#writer.abandon();
  }

  /** Ends the newest segment in order and lets go. Call `drain` before. May be called twice. */
  async close(): Promise<void> {
    try {
      if (this.#poison === undefined) await this.#writer.seal();
    } finally {
      this.changed.notify();
      await this.abandon();
    }
  }

  /**
   * Removes the oldest segments' files (W7 is the caller's to prove), oldest first, each durably: a
   * power cut may keep any of several removals, and one without those before it were a gap. A sync
   * that fails poisons: the name of a new segment may have been lost with it (W3).
   */
  async removeOldest(count: number): Promise<void> {
    const { files, layout } = this.#parts;
    this.#leaving = count;
    try {
      for (const { number } of this.#writer.segments.slice(0, count)) {
        if (this.#poison !== undefined) break;
        const isGone = await files.remove(layout.segment(number));
        // Not there: perhaps the whole storage has gone, and comes back with this segment in it.
        if (!isGone) await this.#syncFolder();
        this.#writer.forget(1);
        this.#leaving--;
        if (isGone) await this.#syncFolder();
      }
    } finally {
      this.#leaving = 0;
    }
    this.changed.notify();
  }

  async #syncFolder(): Promise<void> {
    const { files, layout } = this.#parts;
    try {
      await files.syncFolder(layout.journal);
    } catch (error) {
      this.#poisonWith(error, []);
      throw error;
    }
  }
}
