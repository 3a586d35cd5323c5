import { StoreError } from '../../errors.ts';
import type { EventRow } from '../../model/entities.ts';
import type { StoredEvents } from '../commands/storedEvents.ts';
import type { DatabaseCommitter } from './committer.ts';
import type { LogHead } from './head.ts';
import type { RunReader } from './runReader.ts';

/** The events of runs, read from their table. */
export class EventTable implements StoredEvents {
  readonly #reader: RunReader;
  readonly #committer: DatabaseCommitter;
  readonly #head: LogHead;

  constructor(reader: RunReader, committer: DatabaseCommitter, head: LogHead) {
    this.#reader = reader;
    this.#committer = committer;
    this.#head = head;
  }

  async read(runId: string, after: number, limit: number): Promise<readonly EventRow[]> {
    this.#committer.refuseClosed();
    const events = await this.#reader.events(runId, after, limit);
    if (events !== undefined) return events;
    throw new StoreError('NOT_FOUND', `run ${runId} is not in this store`, { id: runId });
  }

  async one(runId: string, seq: number): Promise<EventRow> {
    const [event] = await this.read(runId, seq - 1, 1);
    if (event?.seq === seq) return event;
    throw new StoreError('NOT_FOUND', `run ${runId} has no event ${seq}`, { id: runId });
  }

  /** The commit itself asks: a key that is in use turns it away, and then it is loaded. */
  seqOfKey(): undefined {
    return undefined;
  }

  async more(runId: string, after: number, signal?: AbortSignal): Promise<boolean> {
    const isOver = () => this.#committer.isClosed;
    while (signal?.aborted !== true && !isOver()) {
      const { position } = this.#head;
      const lastSeq = await this.#reader.lastSeq(runId);
      if (lastSeq === undefined) return false;
      if (lastSeq > after) return true;
      await this.#head.wait(position, isOver, signal);
    }
    return false;
  }
}
