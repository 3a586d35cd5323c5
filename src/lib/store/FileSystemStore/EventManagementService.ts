import { isStoreError } from '../../errors.ts';
import { checkId, checkInteger, checkObject } from '../../model/check.ts';
import type { NewEvent } from '../../model/commands.ts';
import type { Context, Decision } from '../../model/decision.ts';
import type { EventRow, RunEvent } from '../../model/entities.ts';
import { decideAppendEvent } from '../../model/event.ts';
import { toEvent } from '../../model/represent.ts';
import type { RunState } from '../../model/runState.ts';
import type { EventListOptions, Events, EventTailOptions, Listing, Page } from '../contract.ts';
import {
  checkLimit,
  numberFromListCursor,
  PagedListing,
  toListCursor,
} from '../commands/listing.ts';
import type { StoredEvents } from '../commands/storedEvents.ts';
import type { RunWriter } from '../commands/writer.ts';

const LIST_OPTIONS: ReadonlySet<string> = new Set<keyof EventListOptions>([
  'after',
  'limit',
  'cursor',
]);

const TAIL_OPTIONS: ReadonlySet<string> = new Set<keyof EventTailOptions>(['after', 'signal']);

/** How many stored events `tail` reads at a time. */
const TAIL_PAGE = 100;

/** `store.events`, and `tx.events` over a transaction's staging. */
export class EventManagementService implements Events {
  readonly #writer: RunWriter;
  readonly #reader: StoredEvents;

  constructor(writer: RunWriter, reader: StoredEvents) {
    this.#writer = writer;
    this.#reader = reader;
  }

  /** Whether a key was used before is asked in the very tick of the decision. */
  async append(runId: string, input: NewEvent): Promise<RunEvent> {
    const key = (input as NewEvent | undefined)?.idempotencyKey;
    const asked = typeof key === 'string' ? key : undefined;
    for (let stored: EventRow | undefined; ;) {
      const attempt = new Append(this.#reader, runId, input, stored);
      const event = await this.#writer.write(
        runId,
        (state, context) => attempt.decide(state, context),
        () => (attempt.event === undefined ? undefined : toEvent(runId, attempt.event)),
        asked,
      );
      if (event !== undefined) return event;
      stored = await this.#reader.one(runId, attempt.missing);
    }
  }

  list(runId: string, options: EventListOptions = {}): Listing<RunEvent> {
    return new PagedListing(options, (asked) => this.#page(runId, asked));
  }

  async #page(runId: string, options: EventListOptions): Promise<Page<RunEvent>> {
    checkId(runId, 'runId');
    checkObject(options, 'options', LIST_OPTIONS);
    const limit = checkLimit(options.limit);
    const after = Math.max(
      checkAfter(options.after),
      numberFromListCursor('events', options.cursor),
    );
    const rows = await this.#reader.read(runId, after, limit + 1);
    const items = rows.slice(0, limit).map((row) => toEvent(runId, row));
    const last = items.at(-1);
    const next =
      rows.length > limit && last !== undefined ? toListCursor('events', last.seq) : null;
    return { items, next };
  }

  async *tail(runId: string, options: EventTailOptions = {}): AsyncGenerator<RunEvent> {
    checkId(runId, 'runId');
    checkObject(options, 'options', TAIL_OPTIONS);
    const { signal } = options;
    let after = checkAfter(options.after);
    // The first read says NOT_FOUND of an unknown run; later the run may be deleted: the end.
    let rows = await this.#reader.read(runId, after, TAIL_PAGE);
    while (signal?.aborted !== true) {
      for (const row of rows) yield toEvent(runId, row);
      after = rows.at(-1)?.seq ?? after;
      const next = await this.#next(runId, after, rows.length, signal);
      if (next === undefined) return;
      rows = next;
    }
  }

  /** The events to come; `undefined` when there will be none, for the store was closed, too. */
  async #next(
    runId: string,
    after: number,
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly EventRow[] | undefined> {
    try {
      if (count < TAIL_PAGE && !(await this.#reader.more(runId, after, signal))) return undefined;
      return await this.#reader.read(runId, after, TAIL_PAGE);
    } catch (error) {
      if (isStoreError(error, 'STORE_CLOSED')) return undefined;
      throw error;
    }
  }
}

/** One try at an append: it ends with the event, or with a stored one that must be read first. */
class Append {
  event: EventRow | undefined;
  missing = 0;
  readonly #reader: StoredEvents;
  readonly #runId: string;
  readonly #input: NewEvent;
  readonly #stored: EventRow | undefined;

  constructor(reader: StoredEvents, runId: string, input: NewEvent, stored: EventRow | undefined) {
    this.#reader = reader;
    this.#runId = runId;
    this.#input = input;
    this.#stored = stored;
  }

  decide(state: RunState, context: Context): Decision {
    const key = (this.#input as NewEvent | undefined)?.idempotencyKey;
    const known = key === undefined ? undefined : this.#known(state, key);
    if (known === 'missing') return [];
    const changes = decideAppendEvent(state, this.#runId, this.#input, known, context);
    const [change] = changes;
    this.event = change?.type === 'event.appended' ? change.event : known;
    return changes;
  }

  #known(state: RunState, key: string): EventRow | 'missing' | undefined {
    const queued = state.eventByKey.get(key);
    if (queued !== undefined) return queued;
    if (state.run === undefined) return undefined;
    const seq = this.#reader.seqOfKey(this.#runId, key, state.life);
    if (seq === undefined) return undefined;
    if (this.#stored?.seq === seq && this.#stored.idempotencyKey === key) return this.#stored;
    this.missing = seq;
    return 'missing';
  }
}

function checkAfter(after: number | undefined): number {
  if (after === undefined) return 0;
  return checkInteger(after, 'options.after', 0, Number.MAX_SAFE_INTEGER);
}
