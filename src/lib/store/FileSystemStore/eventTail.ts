import type { EventRow } from '../../model/entities.ts';
import { eventFromJson, eventToText } from '../../model/text.ts';
import { LineBuffer, openLine } from './frame.ts';

/** Events as the lines that a run file holds, ascending and without gaps. */
export interface EventLines {
  readonly count: number;
  /** Of the first event; meaningless when there is none. */
  readonly firstSeq: number;
  /** How many of them have an idempotency key. */
  readonly keyed: number;
  readonly bytes: number;
  /** Each with its checksum, without its newline. */
  lines(): Iterable<{ readonly seq: number; readonly line: Buffer }>;
}

const NEWLINE = 0x0a;
/** Runs are many and most have few events: a chunk begins small and grows. */
const CHUNK_BYTES_MIN = 1024;
const CHUNK_BYTES_MAX = 64 * 1024;

interface Chunk {
  readonly lines: LineBuffer;
  readonly firstSeq: number;
  count: number;
  keyed: number;
}

/**
 * The durable events of a run that are in no run file yet, encoded once, when they become durable:
 * a few buffers instead of thousands of objects, and what a run file is written from as it is.
 */
export class EventTail {
  #chunks: Chunk[] = [];
  #bytes = 0;
  /** The last chunk belongs to a `taken` snapshot: what comes goes into a new one. */
  #isTaken = false;

  /** Bytes of the lines. */
  get bytes(): number {
    return this.#bytes;
  }

  add(event: EventRow): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || this.#isTaken || chunk.lines.length >= CHUNK_BYTES_MAX) {
      // As large as the one before has become: growing again would only leave garbage.
      const capacity = Math.max(CHUNK_BYTES_MIN, chunk?.lines.capacity ?? 0);
      chunk = { lines: new LineBuffer(capacity), firstSeq: event.seq, count: 0, keyed: 0 };
      this.#chunks.push(chunk);
      this.#isTaken = false;
    }
    const before = chunk.lines.length;
    chunk.lines.add(`{"event":${eventToText(event)}`);
    this.#bytes += chunk.lines.length - before;
    chunk.count++;
    if (event.idempotencyKey !== null) chunk.keyed++;
  }

  /** The events after `after`, at most `limit`. */
  read(after: number, limit: number): EventRow[] {
    const found: EventRow[] = [];
    for (const chunk of this.#chunks) {
      if (chunk.firstSeq + chunk.count - 1 <= after) continue;
      for (const { seq, line } of linesOf(chunk)) {
        if (found.length >= limit) return found;
        if (seq > after) found.push(eventFromJson(openLine(line)?.['event']));
      }
    }
    return found;
  }

  /** What there is now; later events do not change it. */
  taken(): EventLines {
    this.#isTaken = true;
    const chunks = [...this.#chunks];
    const sum = (of: (chunk: Chunk) => number) =>
      chunks.reduce((total, chunk) => total + of(chunk), 0);
    return {
      count: sum(({ count }) => count),
      firstSeq: chunks[0]?.firstSeq ?? 0,
      keyed: sum(({ keyed }) => keyed),
      bytes: this.bytes,
      *lines() {
        for (const chunk of chunks) yield* linesOf(chunk);
      },
    };
  }

  /** Forgets what was `taken` and is in a run file now, up to this event. */
  drop(throughSeq: number): void {
    this.#chunks = this.#chunks.filter(({ firstSeq }) => firstSeq > throughSeq);
    this.#bytes = this.#chunks.reduce((sum, { lines }) => sum + lines.length, 0);
    if (this.#chunks.length === 0) this.#isTaken = false;
  }
}

function* linesOf({ lines, firstSeq }: Chunk): Generator<{ seq: number; line: Buffer }> {
  const { bytes } = lines;
  let seq = firstSeq;
  for (let start = 0; start < bytes.length; seq++) {
    const end = bytes.indexOf(NEWLINE, start);
    yield { seq, line: bytes.subarray(start, end) };
    start = end + 1;
  }
}
