import type { StagedFile } from '../FileOperationService.ts';
import { LineBuffer } from '../frame.ts';
import { type Footer, footerBody, OffsetTable } from './footer.ts';
import { rowBodies, type Rows } from './rows.ts';

const GATHER_BYTES = 256 * 1024;
/** With room for the line that fills it, so that most parts need no larger one. */
const BUFFER_BYTES = GATHER_BYTES + 64 * 1024;

/** Writes one part, in order: rows, events, footer. It holds a quarter of a megabyte at most. */
export class PartWriter {
  readonly #file: StagedFile;
  readonly #offsets = new OffsetTable();
  readonly #gathered = new LineBuffer(BUFFER_BYTES);
  /** What was handed to the file. */
  #written = 0;
  #rowsBytes = 0;
  #first = 0;
  #count = 0;
  #keyed = 0;

  constructor(file: StagedFile) {
    this.#file = file;
  }

  /** Bytes until now; the whole file after `footer`. */
  get bytes(): number {
    return this.#written + this.#gathered.length;
  }

  async rows(rows: Rows): Promise<void> {
    for (const body of rowBodies(rows)) await this.#add(body);
    this.#rowsBytes = this.bytes;
  }

  /** An event's line with its checksum, as it stands elsewhere, without its newline. */
  async copied(seq: number, line: Buffer): Promise<void> {
    this.#note(seq);
    this.#gathered.addSealed(line);
    await this.#flushIfFull();
  }

  /** How many of the copied events have a key: their footer said so. */
  copiedKeys(count: number): void {
    this.#keyed += count;
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
    await this.#add(footerBody(footer));
    await this.#flush();
    return footer;
  }

  #note(seq: number): void {
    if (this.#count === 0) this.#first = seq;
    this.#count++;
    this.#offsets.add(seq, this.bytes);
  }

  async #add(body: string): Promise<void> {
    this.#gathered.add(body);
    await this.#flushIfFull();
  }

  async #flushIfFull(): Promise<void> {
    if (this.#gathered.length >= GATHER_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#file.write(this.#gathered.bytes);
    this.#written += this.#gathered.length;
    this.#gathered.clear();
  }
}
