import { StoreError } from '../../errors.ts';
import type { EventRow, RunEvent } from '../../model/entities.ts';
import type { StoredEvents } from '../commands/storedEvents.ts';
import type { RunWriter } from '../commands/writer.ts';
import type { EventTailOptions } from '../contract.ts';
import { EventManagementService } from '../FileSystemStore/EventManagementService.ts';
import type { DatabaseCommitter } from './committer.ts';
import type { LogHead } from './head.ts';
import type { Outages } from './outages.ts';
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

/** The same for whoever waits: an outage of the database that is not too long is outlasted. */
class OutlastingEvents implements StoredEvents {
  readonly #events: EventTable;
  readonly #outages: Outages;
  readonly #signal: AbortSignal | undefined;

  constructor(events: EventTable, outages: Outages, signal: AbortSignal | undefined) {
    this.#events = events;
    this.#outages = outages;
    this.#signal = signal;
  }

  async read(runId: string, after: number, limit: number): Promise<readonly EventRow[]> {
    return (await this.#outlast(() => this.#events.read(runId, after, limit))) ?? [];
  }

  one(runId: string, seq: number): Promise<EventRow> {
    return this.#events.one(runId, seq);
  }

  seqOfKey(): undefined {
    return this.#events.seqOfKey();
  }

  async more(runId: string, after: number, signal?: AbortSignal): Promise<boolean> {
    return (await this.#outlast(() => this.#events.more(runId, after, signal))) ?? false;
  }

  #outlast<T>(read: () => Promise<T>): Promise<T | undefined> {
    return this.#outages.outlast(read, this.#signal);
  }
}

/** Events of a database, of which a tail goes on where it was after an outage. */
export class TailedEvents extends EventManagementService {
  readonly #writer: RunWriter;
  readonly #events: EventTable;
  readonly #outages: Outages;

  constructor(writer: RunWriter, events: EventTable, outages: Outages) {
    super(writer, events);
    this.#writer = writer;
    this.#events = events;
    this.#outages = outages;
  }

  override tail(runId: string, options: EventTailOptions = {}): AsyncGenerator<RunEvent> {
    const outlasting = new OutlastingEvents(this.#events, this.#outages, options?.signal);
    return new EventManagementService(this.#writer, outlasting).tail(runId, options);
  }
}
