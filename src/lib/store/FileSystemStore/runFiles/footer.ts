import { openLine } from '../frame.ts';
import { PartDamaged } from './damage.ts';
import type { RunPart } from './part.ts';

/** Last line of a part: what it holds, and where. */
export interface Footer {
  readonly runId: string;
  readonly part: number;
  readonly position: number;
  readonly createdPosition: number;
  readonly rowsBytes: number;
  readonly events: {
    readonly first: number;
    readonly last: number;
    readonly count: number;
    readonly keyed: number;
  };
  /** The parts, first and last, that this one took the place of. */
  readonly replaces?: readonly [number, number];
  /** Ascending pairs: an event's seq and the byte of its line. Sparse, beginning with the first. */
  readonly offsets: readonly (readonly [number, number])[];
}

/** A footer and where its line begins: the events end there. */
export interface PlacedFooter extends Footer {
  readonly start: number;
}

/** Every footer is at most this long, so that one read of a file's end has it. */
export const FOOTER_BYTES_MAX = 64 * 1024;

const NEWLINE = 0x0a;

export function footerBody(footer: Footer): string {
  return JSON.stringify({ footer }).slice(0, -1);
}

/** The footer in `tail`, which are the last bytes of a file and begin at byte `tailStart` of it. */
export function parseFooter(file: string, tail: Buffer, tailStart: number): PlacedFooter {
  const end = tail.length - 1;
  const start = tail.lastIndexOf(NEWLINE, end - 1) + 1;
  const line = tail[end] === NEWLINE && end > 0 ? openLine(tail, start, end) : undefined;
  if (line === undefined || !isFooter(line['footer'])) {
    throw new PartDamaged(file, tailStart + start, 'its footer is damaged');
  }
  return { ...line['footer'], start: tailStart + start };
}

function isFooter(value: unknown): value is Footer {
  return typeof value === 'object' && value !== null && 'offsets' in value && 'events' in value;
}

export function toRunPart({ part, position, rowsBytes, events }: Footer, bytes: number): RunPart {
  const { first, last, keyed } = events;
  return { part, position, bytes, rowsBytes, firstSeq: first, lastSeq: last, keyed };
}

/** The bytes in which the lines of the events `from` to `to` stand, and the seq of the first. */
export function rangeOf(
  footer: PlacedFooter,
  from: number,
  to: number,
): { seq: number; start: number; end: number } {
  const { offsets, events, rowsBytes } = footer;
  const [seq, start] = offsets.findLast(([seq]) => seq <= from) ?? [events.first, rowsBytes];
  const end = offsets.find(([seq]) => seq > to)?.[1] ?? footer.start;
  return { seq, start, end };
}

const ENTRIES_MAX = 1500;

/** Gathers offsets every 16 events or 8 KiB; twice as far apart whenever there are too many. */
export class OffsetTable {
  entries: (readonly [number, number])[] = [];
  #events = 16;
  #bytes = 8 * 1024;

  add(seq: number, byte: number): void {
    const last = this.entries.at(-1);
    const isDue =
      last === undefined || seq - last[0] >= this.#events || byte - last[1] >= this.#bytes;
    if (!isDue) return;
    this.entries.push([seq, byte]);
    if (this.entries.length <= ENTRIES_MAX) return;
    this.entries = this.entries.filter((_, i) => i % 2 === 0);
    this.#events *= 2;
    this.#bytes *= 2;
  }
}
