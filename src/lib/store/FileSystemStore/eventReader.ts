import { isDeepStrictEqual } from 'node:util';
import { isStoreError, StoreError } from '../../errors.ts';
import type { EventRow } from '../../model/entities.ts';
import type { RunIndex } from '../index/RunIndex.ts';
import type { Committer } from './committer.ts';
import type { EventTail } from './eventTail.ts';
import { lostPart, type RunFiles, type RunPart } from './runFiles.ts';
import type { Signal } from '../commands/signal.ts';
import type { StoredEvents } from '../commands/storedEvents.ts';

export interface EventReaderParts {
  readonly committer: Committer;
  readonly index: RunIndex;
  readonly runFiles: RunFiles;
  /** Notified when commits became durable. */
  readonly changed: Signal;
}

/** Durable events of a run: those of its run files, then those that memory still holds. */
export class EventReader implements StoredEvents {
  readonly #parts: EventReaderParts;

  constructor(parts: EventReaderParts) {
    this.#parts = parts;
  }

  /** The events after `after`, ascending, at most `limit`. */
  async read(runId: string, after: number, limit: number): Promise<readonly EventRow[]> {
    for (;;) {
      const { parts, tail } = this.#snapshot(runId);
      const lastStored = parts.at(-1)?.lastSeq ?? 0;
      // Read at once: while files are read, these may move into one.
      const fresh = tail?.read(Math.max(after, lastStored), limit) ?? [];
      try {
        const stored =
          after < lastStored
            ? await this.#parts.runFiles.readEvents(runId, parts, after, limit)
            : [];
        return [...stored, ...fresh.slice(0, limit - stored.length)];
      } catch (error) {
        if (!isStoreError(error, 'NOT_FOUND')) throw error;
        // A merge replaced the file while it was being read: look again where they are now.
        if (isDeepStrictEqual(this.#snapshot(runId).parts, parts)) throw lostPart(error, runId);
      }
    }
  }

  async one(runId: string, seq: number): Promise<EventRow> {
    const [event] = await this.read(runId, seq - 1, 1);
    if (event?.seq === seq) return event;
    throw new StoreError('NOT_FOUND', `run ${runId} has no event ${seq}`, { id: runId });
  }

  /**
   * The durable event with this idempotency key. The index knows the durable run of this id: of one
   * that takes its place, and is only decided, it knows nothing.
   */
  seqOfKey(runId: string, key: string, life: number): number | undefined {
    const { committer, index } = this.#parts;
    if (committer.runs.peek(runId)?.durable.life !== life) return undefined;
    return index.eventSeq(runId, key);
  }

  /** Waits for an event after `after`; false when the run is gone, the store closed, or aborted. */
  async more(runId: string, after: number, signal?: AbortSignal): Promise<boolean> {
    const { committer, changed, index } = this.#parts;
    while (signal?.aborted !== true && !committer.isClosed) {
      const live = committer.runs.peek(runId);
      const lastSeq = live?.durable.lastSeq ?? index.get(runId)?.parts.at(-1)?.lastSeq;
      if (lastSeq === undefined || (live !== undefined && live.durable.run === undefined))
        return false;
      if (lastSeq > after) return true;
      await changed.wait(signal);
    }
    return false;
  }

  #snapshot(runId: string): { parts: readonly RunPart[]; tail?: EventTail } {
    const { committer, index } = this.#parts;
    committer.refuseClosed();
    committer.runs.refuseDamaged(runId);
    const live = committer.runs.peek(runId);
    if (live?.durable.run !== undefined) return { parts: live.parts, tail: live.tail };
    const stored = live === undefined ? index.get(runId) : undefined;
    if (stored !== undefined) return { parts: stored.parts };
    throw new StoreError('NOT_FOUND', `run ${runId} is not in this store`, { id: runId });
  }
}
