import type { EventRow } from '../../../model/entities.ts';
import { eventToText } from '../../../model/text.ts';
import type { StagedFile } from '../FileOperationService.ts';
import { sealLine } from '../frame.ts';
import { type Footer, footerLine, OffsetTable } from './footer.ts';
import { rowLines, type Rows } from './rows.ts';

const GATHER_BYTES = 256 * 1024;
const NEWLINE = Buffer.from('\n');

/** Writes one part, in order: rows, events, footer. It holds a quarter of a megabyte at most. */
export class PartWriter {
  readonly #file: StagedFile;
  readonly #offsets = new OffsetTable();
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #bytes = 0;
  #rowsBytes = 0;
  #first = 0;
  #count = 0;
  #keyed = 0;

  constructor(file: StagedFile) {
    this.#file = file;
  }

  /** Bytes until now; the whole file after `footer`. */
  get bytes(): number {
    return this.#bytes;
  }

  async rows(rows: Rows): Promise<void> {
    for (const line of rowLines(rows)) await this.#add(Buffer.from(line));
    this.#rowsBytes = this.#bytes;
  }

  /** A line of another part as it stands there, without its newline. */
  async copied(seq: number, line: Buffer): Promise<void> {
    this.#note(seq);
    await this.#add(line, NEWLINE);
  }

  /** How many of the copied events have a key: their footer said so. */
  copiedKeys(count: number): void {
    this.#keyed += count;
  }

  async event(event: EventRow): Promise<void> {
    this.#note(event.seq);
    if (event.idempotencyKey !== null) this.#keyed++;
    await this.#add(Buffer.from(sealLine(`{"event":${eventToText(event)}`)));
  }

  async footer(rows: Rows, part: number, replacedFrom: number): Promise<Footer> {
    const footer: Footer = {
      runId: rows.run.id,
      part,
      position: rows.position,
      createdPosition: rows.createdPosition,
      rowsBytes: this.#rowsBytes,
      events: { first: this.#first, last: rows.lastSeq, count: this.#count, keyed: this.#keyed },
      ...(replacedFrom < part && { replaces: [replacedFrom, part - 1] as const }),
      offsets: this.#offsets.entries,
    };
    await this.#add(Buffer.from(footerLine(footer)));
    await this.#flush();
    return footer;
  }

  #note(seq: number): void {
    if (this.#count === 0) this.#first = seq;
    this.#count++;
    this.#offsets.add(seq, this.#bytes);
  }

  async #add(...pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      this.#gathered.push(piece);
      this.#gatheredBytes += piece.length;
      this.#bytes += piece.length;
    }
    if (this.#gatheredBytes >= GATHER_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    const chunk = Buffer.concat(this.#gathered, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    await this.#file.write(chunk);
  }
}
