import { isStoreError, StoreError } from '../../errors.ts';
import type { Change } from '../../model/change.ts';
import { checkId } from '../../model/check.ts';
import type { Context } from '../../model/decision.ts';
import type { ArtifactRow, RunRow } from '../../model/entities.ts';
import { uuidv7 } from '../../model/ids.ts';
import { EMPTY_RUN } from '../../model/represent.ts';
import type { RunState } from '../../model/runState.ts';
import { commitToText } from '../../model/text.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { RunIndex } from '../index/RunIndex.ts';
import type { Journal } from './journal.ts';
import type { LiveRun } from './liveRun.ts';
import type { LiveRuns } from './liveRuns.ts';
import { ActiveTransactions } from '../commands/staging.ts';
import type { Decide, RunWriter } from '../commands/writer.ts';

export interface CommitterParts {
  readonly journal: Journal;
  readonly runs: LiveRuns;
  readonly index: RunIndex;
  readonly clock: Clock;
  readonly random: Random;
  /** Why nothing can be written, if so. */
  readonly refusal: () => StoreError | undefined;
  /** Why a journal that is too large cannot shrink, if so. */
  readonly stuck: () => StoreError | undefined;
  /** Told of each run that a durable commit touched. */
  readonly onSettled: (live: LiveRun) => void;
}

const UUID_BYTES = 16;

/** The way of every write: decide, queue, be durable, be applied, answer. */
export class Committer implements RunWriter {
  readonly transactions = new ActiveTransactions();
  readonly runs: LiveRuns;
  readonly #parts: CommitterParts;
  #closed = false;
  /** The last of those who wait for room; nobody overtakes it. */
  #lastAdmitted: Promise<void> | undefined;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
    this.runs = parts.runs;
  }

  /** One write, from call to disk. Resolves when it is durable (W1). */
  async write<T>(runId: string, decide: Decide, answer: (state: RunState) => T): Promise<T> {
    checkId(runId, 'runId');
    this.transactions.refuseNested([runId]);
    if (this.#isCrowded) await this.admit();
    let live;
    while ((live = this.ready(runId)) === undefined) await this.makeReady(runId);
    let changes;
    try {
      changes = decide(live.decided, this.context());
    } catch (refusal) {
      await live.settled();
      throw refusal;
    }
    const durability = changes.length === 0 ? live.settled() : this.enqueue([live], changes);
    const result = answer(live.decided);
    await durability;
    return result;
  }

  /** `write` for a deletion. It needs no rows: those of a damaged run cannot be had. */
  async delete(runId: string, decide: Decide): Promise<void> {
    try {
      await this.write(runId, decide, () => undefined);
    } catch (error) {
      const isDamaged = isStoreError(error, 'DATA_CORRUPT');
      const doomed = isDamaged ? this.runs.doom(runId, error) : undefined;
      if (doomed === undefined) throw error;
      this.refuseUnwritable();
      await this.enqueue([doomed], this.#decideDoomed(doomed, decide, error));
    }
  }

  /** Where not even the index knows the run's version, a condition on it cannot be checked. */
  #decideDoomed(doomed: LiveRun, decide: Decide, damage: unknown): readonly Change[] {
    try {
      return decide(doomed.decided, this.context());
    } catch (refusal) {
      const isUnknown = doomed.decided.run?.version === EMPTY_RUN.version;
      throw isUnknown && isStoreError(refusal, 'VERSION_CONFLICT') ? damage : refusal;
    }
  }

  async read<T>(runId: string, answer: (state: RunState) => T): Promise<T> {
    checkId(runId, 'runId');
    this.refuseClosed();
    let live;
    while ((live = this.runs.ready(runId)) === undefined) await this.runs.load(runId);
    return answer(live.durable);
  }

  async readRun(runId: string): Promise<RunRow | undefined> {
    checkId(runId, 'runId');
    this.refuseClosed();
    this.runs.refuseDamaged(runId);
    const live = this.runs.peek(runId);
    return live === undefined ? this.#parts.index.get(runId)?.row : live.durable.run;
  }

  /** The run, when it is in memory; good within this tick only. Else `makeReady`, and ask again. */
  ready(runId: string): LiveRun | undefined {
    this.refuseUnwritable();
    return this.runs.ready(runId);
  }

  makeReady(runId: string): Promise<void> {
    return this.runs.load(runId);
  }

  get #isCrowded(): boolean {
    const { journal } = this.#parts;
    return this.#lastAdmitted !== undefined || journal.isQueueFull || journal.isOverfull;
  }

  /** Back-pressure: resolves when there is room to write, for those who wait in their order. */
  async admit(): Promise<void> {
    const admitted = this.#roomAfter(this.#lastAdmitted);
    this.#lastAdmitted = admitted;
    try {
      await admitted;
    } finally {
      if (this.#lastAdmitted === admitted) this.#lastAdmitted = undefined;
    }
  }

  async #roomAfter(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => undefined);
    const { journal, stuck } = this.#parts;
    while (journal.isQueueFull || journal.isOverfull) {
      this.refuseUnwritable();
      const failure = journal.isOverfull ? stuck() : undefined;
      if (failure !== undefined) throw failure;
      await journal.changed.wait();
    }
  }

  /** Queues one commit of these changes; nothing else ran since they were decided. */
  enqueue(lives: readonly LiveRun[], changes: readonly Change[]): Promise<void> {
    const { journal, index, onSettled } = this.#parts;
    const text = commitToText(changes);
    const durability = new Promise<void>((resolve, reject) => {
      journal.append({
        at: journal.now(),
        text,
        settle: (position) => {
          for (const live of lives) {
            const before = live.durable.run;
            live.settle(changes, position);
            indexRun(index, live, before, changes);
            onSettled(live);
          }
          resolve();
        },
        fail: (error) => {
          for (const live of lives) {
            live.fallBack();
            this.runs.release(live);
          }
          reject(error);
        },
      });
    });
    for (const live of lives) {
      this.runs.hold(live);
      live.queue(changes, durability);
    }
    return durability;
  }

  context(): Context {
    return { at: this.#parts.journal.now(), freshId: () => this.freshId() };
  }

  freshId(): string {
    return uuidv7(this.#parts.clock.now(), this.#parts.random.bytes(UUID_BYTES));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  refuseClosed(): void {
    if (this.#closed) throw new StoreError('STORE_CLOSED', 'the store has been closed');
  }

  refuseUnwritable(): void {
    this.refuseClosed();
    const refusal = this.#parts.refusal();
    if (refusal !== undefined) throw refusal;
  }

  close(): void {
    this.#closed = true;
  }
}

/** The index is told what its lists show: the run's own row, its artifacts, the keys of its events. */
export function indexRun(
  index: RunIndex,
  live: LiveRun,
  before: RunRow | undefined,
  changes: readonly Change[],
): void {
  indexParts(index, live, changes);
  const row = live.durable.run;
  if (row === before) return;
  if (row === undefined) index.delete(live.id);
  else index.put(indexedRun(live, row));
}

/** The parts of a run go with it, and one of the same id may follow in the same commit. */
export function indexParts(index: RunIndex, live: LiveRun, changes: readonly Change[]): void {
  const { id } = live;
  for (const change of changes) {
    if (change.runId !== id) continue;
    switch (change.type) {
      case 'run.deleted':
        index.delete(id);
        break;
      case 'event.appended': {
        const { idempotencyKey, seq } = change.event;
        if (idempotencyKey !== null) index.putEventKey(id, idempotencyKey, seq);
        break;
      }
      case 'artifact.put':
        indexArtifact(index, live, change.artifact);
        break;
      case 'artifact.updated':
        indexArtifact(index, live, change);
        break;
      default:
    }
  }
}

/** As it is now, which may be later than the change: the index is not told of what came between. */
function indexArtifact(
  index: RunIndex,
  live: LiveRun,
  { name, version }: Pick<ArtifactRow, 'name' | 'version'>,
): void {
  const row = live.durable.artifact(name, version);
  if (row !== undefined) index.putArtifact(live.id, row);
}

export function indexedRun(live: LiveRun, row: RunRow) {
  const { createdPosition, position, parts } = live;
  return { row, createdPosition, position, parts };
}
