import type { EventRow } from '../../model/entities.ts';

/** The durable events of runs, as a backend finds them. */
export interface StoredEvents {
  /** The events after `after`, ascending, at most `limit`. `NOT_FOUND` for an unknown run. */
  read(runId: string, after: number, limit: number): Promise<readonly EventRow[]>;
  one(runId: string, seq: number): Promise<EventRow>;
  /**
   * The durable event with this idempotency key, where the state of the run does not know it; of the
   * run's `life`, for another of this id may have been deleted.
   */
  seqOfKey(runId: string, key: string, life: number): number | undefined;
  /** Waits for an event after `after`; false when the run is gone, the store closed, or aborted. */
  more(runId: string, after: number, signal?: AbortSignal): Promise<boolean>;
}
