import type { Change } from '../../model/change.ts';
import type { EventRow } from '../../model/entities.ts';
import { RunState } from '../../model/runState.ts';
import { EventTail } from './eventTail.ts';
import type { RunPart } from './runFiles.ts';

/** What a row costs in memory besides its payloads, roughly. */
const ROW_BYTES = 600;

/**
 * A run in memory, in two states: `durable`, which reads see, and `decided`, which counts what is
 * queued and on which the next command is decided. They are one object while nothing is queued.
 */
export class LiveRun {
  readonly id: string;
  durable = new RunState();
  decided = this.durable;
  /** Moves with every commit that touches the run: what a transaction guards itself with. */
  head = 0;
  /** Commits that are queued or being written. */
  pending = 0;
  /** Transactions that are staging changes of it. */
  staging = 0;
  /** The last durable commit that touched it. */
  position = 0;
  /** The first durable commit that its run file lacks; 0: none. */
  firstUnsaved = 0;
  createdPosition = 0;
  parts: readonly RunPart[] = [];
  /** Whether files of a deleted predecessor have to go first. */
  hasDoomedFiles = false;
  /** Moves when the run is deleted: what was being written of it then is not its state any more. */
  generation = 0;
  /** Durable events that are in no run file yet. */
  tail = new EventTail();
  rowBytes = ROW_BYTES;
  /** Milliseconds; for finding out who has gone quiet. */
  touchedAt = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(id: string) {
    this.id = id;
  }

  get isBusy(): boolean {
    return this.pending > 0 || this.staging > 0 || this.firstUnsaved > 0;
  }

  restore(
    state: RunState,
    position: number,
    createdPosition: number,
    parts: readonly RunPart[],
  ): void {
    this.durable = state;
    this.decided = state;
    this.position = position;
    this.createdPosition = createdPosition;
    this.parts = parts;
    this.rowBytes = ROW_BYTES + (parts.at(-1)?.rowsBytes ?? 0);
  }

  /** Counts a commit as decided. `durability` settles when it is durable, or has failed. */
  queue(changes: readonly Change[], durability: Promise<unknown>): void {
    if (this.pending === 0) this.decided = this.durable.fork();
    for (const change of changes) if (change.runId === this.id) this.decided.apply(change);
    this.pending++;
    this.head++;
    this.#last = durability;
  }

  /** Resolves when all that was queued until now is durable, and fails as that fails. */
  async settled(): Promise<void> {
    if (this.pending > 0) await this.#last;
  }

  /** The oldest queued commit became durable. */
  settle(changes: readonly Change[], position: number): void {
    for (const change of changes) if (change.runId === this.id) this.apply(change, position);
    this.pending--;
    if (this.pending === 0) this.decided = this.durable;
  }

  /** The queued commits failed: what was decided on them is forgotten. */
  fallBack(): void {
    this.pending--;
    this.head++;
    this.decided = this.durable;
  }

  /** Makes a durable change visible to reads. */
  apply(change: Change, position: number): void {
    this.durable.apply(change);
    if (change.type === 'run.created') this.createdPosition = position;
    if (change.type === 'run.deleted') this.#forget();
    if (change.type === 'event.appended') this.#append(change.event);
    if (change.type.startsWith('step.')) this.rowBytes += ROW_BYTES;
    this.position = position;
    if (this.firstUnsaved === 0) this.firstUnsaved = position;
  }

  #append(event: EventRow): void {
    this.tail.add(event);
    const { idempotencyKey: key } = event;
    if (key === null) return;
    // From here on the index answers for its idempotency key.
    this.durable.eventByKey.forget(key);
    if (this.decided.eventByKey.get(key) === event) this.decided.eventByKey.forget(key);
  }

  #forget(): void {
    this.hasDoomedFiles = true;
    this.generation++;
    this.parts = [];
    this.tail = new EventTail();
  }

  /** What was written into a run file up to `position` is no longer kept for writing. */
  saved(position: number, parts: readonly RunPart[]): void {
    this.parts = parts;
    this.tail.drop(parts.at(-1)?.lastSeq ?? 0);
    this.firstUnsaved = this.position > position ? position + 1 : 0;
    this.rowBytes = ROW_BYTES + (parts.at(-1)?.rowsBytes ?? 0);
  }
}
