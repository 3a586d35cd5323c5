import { LRUCache } from 'lru-cache';
import type { EventRow } from '../../../model/entities.ts';
import type { RunState } from '../../../model/runState.ts';
import { eventFromJson } from '../../../model/text.ts';
import type { FileOperationService } from '../FileOperationService.ts';
import { isSealed, type Line, openLine, scanLines } from '../frame.ts';
import { PartDamaged } from './damage.ts';
import {
  type Footer,
  FOOTER_BYTES_MAX,
  parseFooter,
  type PlacedFooter,
  rangeOf,
  toRunPart,
} from './footer.ts';
import { partPath, type RunPart } from './part.ts';
import { parseRows } from './rows.ts';

/** A page of events is one read, unless it is larger. */
const READ_BYTES = 4 * 1024 * 1024;
const COPY_BYTES = 1024 * 1024;

/** Reads parts that the index or a footer knows; every line is held against its checksum. */
export class PartReader {
  readonly #files: FileOperationService;
  readonly #runsFolder: string;
  readonly #footers: LRUCache<string, PlacedFooter>;

  constructor(files: FileOperationService, runsFolder: string, footerBytesMax: number) {
    this.#files = files;
    this.#runsFolder = runsFolder;
    this.#footers = new LRUCache({
      maxSize: footerBytesMax,
      sizeCalculation: ({ runId, offsets }) => 300 + 2 * runId.length + 64 * offsets.length,
    });
  }

  path(runId: string, part: number): string {
    return partPath(this.#runsFolder, runId, part);
  }

  async rows(
    runId: string,
    part: RunPart,
  ): Promise<{ state: RunState; position: number; createdPosition: number }> {
    const file = this.path(runId, part.part);
    const bytes = await this.#files.readRange(file, 0, part.rowsBytes);
    const rows = parseRows(file, bytes, runId);
    if (rows.position === part.position) return rows;
    throw new PartDamaged(file, 0, `it is of position ${rows.position}, not ${part.position}`);
  }

  /** Held against the part that the index knows: it could be another file of that name. */
  async footer(runId: string, part: RunPart): Promise<PlacedFooter> {
    const file = this.path(runId, part.part);
    const cached = this.#footers.get(file);
    if (cached !== undefined) return cached;
    const start = Math.max(0, part.bytes - FOOTER_BYTES_MAX);
    const tail = await this.#files.readRange(file, start, part.bytes - start);
    const footer = parseFooter(file, tail, start);
    const found = toRunPart(footer, start + tail.length);
    const isIt = footer.runId === runId && JSON.stringify(found) === JSON.stringify(pick(part));
    if (!isIt) throw new PartDamaged(file, footer.start, 'its footer is that of another part');
    this.#footers.set(file, footer);
    return footer;
  }

  /** The events `from` to `to`, which the part must hold. */
  async *events(
    runId: string,
    part: RunPart,
    from: number,
    to: number,
  ): AsyncGenerator<EventRow, void, undefined> {
    const footer = await this.footer(runId, part);
    const file = this.path(runId, part.part);
    const { start, end, seq } = rangeOf(footer, from, to);
    let next = seq;
    for await (const line of this.#lines(file, start, end, READ_BYTES)) {
      if (next >= from) yield parseEvent(file, line, next);
      if (next++ === to) return;
    }
    throw new PartDamaged(file, end, `event ${next} is missing`);
  }

  /** The lines of all its events, as they are, with checksums held. */
  async *rawEvents(
    runId: string,
    part: RunPart,
  ): AsyncGenerator<{ seq: number; line: Buffer }, void, undefined> {
    const footer = await this.footer(runId, part);
    const file = this.path(runId, part.part);
    let seq = footer.events.first;
    for await (const { start, line } of this.#lines(
      file,
      footer.rowsBytes,
      footer.start,
      COPY_BYTES,
    )) {
      if (!isSealed(line)) throw mismatch(file, start);
      yield { seq: seq++, line };
    }
    if (seq === footer.events.last + 1) return;
    throw new PartDamaged(file, footer.start, `event ${seq} is missing`);
  }

  /** A new file of this name was written. */
  remember(runId: string, footer: Footer, start: number): void {
    this.#footers.set(this.path(runId, footer.part), { ...footer, start });
  }

  forget(file: string): void {
    this.#footers.delete(file);
  }

  #lines(file: string, from: number, to: number, chunkBytes: number): AsyncGenerator<Line> {
    const read = (at: number, length: number) => this.#files.readRange(file, at, length);
    return scanLines(read, from, to, chunkBytes);
  }
}

export function parseEvent(file: string, { start, line }: Line, seq: number): EventRow {
  const value = openLine(line)?.['event'];
  if (value === undefined) throw mismatch(file, start);
  const event = eventFromJson(value);
  if (event.seq === seq) return event;
  throw new PartDamaged(file, start, `event ${seq} is missing: ${event.seq} stands in its place`);
}

function mismatch(file: string, byte: number): PartDamaged {
  return new PartDamaged(file, byte, 'an event does not match its checksum');
}

/** Its fields in the order in which `toRunPart` has them. */
function pick({ part, position, bytes, rowsBytes, firstSeq, lastSeq, keyed }: RunPart): RunPart {
  return { part, position, bytes, rowsBytes, firstSeq, lastSeq, keyed };
}
