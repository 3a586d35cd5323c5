import type { FileOperationService } from '../FileOperationService.ts';
import { type Line, scanLines } from '../frame.ts';
import { asDamage, PartDamaged } from './damage.ts';
import type { PlacedFooter } from './footer.ts';
import type { OnFinding } from './inventory.ts';
import type { RunPart } from './part.ts';
import { parseEvent, type PartReader } from './partReader.ts';

/** Reads every line of every part. After what is wrong in one, reading goes on. */
export async function verifyParts(
  files: FileOperationService,
  reader: PartReader,
  runId: string,
  parts: readonly RunPart[],
  onFinding: OnFinding,
): Promise<void> {
  const report = (damage: PartDamaged): void => onFinding(damage.finding, runId);
  let next = 1;
  for (const part of parts) {
    const file = reader.path(runId, part.part);
    try {
      if (part.firstSeq !== 0 && part.firstSeq !== next) {
        const what = `it begins with event ${part.firstSeq}, where ${next} had to come`;
        report(new PartDamaged(file, part.rowsBytes, what));
      }
      next = part.lastSeq + 1;
      const footer = await freshFooter(reader, runId, part);
      const read = (at: number, length: number) => files.readRange(file, at, length);
      const check = new PartCheck(file, footer, report);
      for await (const line of scanLines(read, footer.rowsBytes, footer.start)) check.take(line);
      check.finish();
      await reader.rows(runId, part);
    } catch (error) {
      const damage = asDamage(error, file);
      if (damage === undefined) throw error;
      report(damage);
    }
  }
}

function freshFooter(reader: PartReader, runId: string, part: RunPart): Promise<PlacedFooter> {
  reader.forget(reader.path(runId, part.part));
  return reader.footer(runId, part);
}

/** Holds the events of one part against its footer. */
class PartCheck {
  readonly #file: string;
  readonly #footer: PlacedFooter;
  readonly #report: (damage: PartDamaged) => void;
  #end: number;
  #events = 0;
  #keyed = 0;
  #offset = 0;
  #broken = false;

  constructor(file: string, footer: PlacedFooter, report: (damage: PartDamaged) => void) {
    this.#file = file;
    this.#footer = footer;
    this.#end = footer.rowsBytes;
    this.#report = report;
  }

  take(line: Line): void {
    const { start, end } = line;
    if (start !== this.#end) this.#wrong(this.#end, 'an empty line');
    this.#end = end;
    const seq = this.#footer.events.first + this.#events++;
    const offset = this.#footer.offsets[this.#offset];
    if (offset?.[0] === seq) {
      this.#offset++;
      if (offset[1] !== start) this.#wrong(start, 'its footer places this event elsewhere');
    }
    try {
      if (parseEvent(this.#file, line, seq).idempotencyKey !== null) this.#keyed++;
    } catch (error) {
      if (!(error instanceof PartDamaged)) throw error;
      this.#broken = true;
      this.#report(error);
    }
  }

  finish(): void {
    const { count, keyed, first, last } = this.#footer.events;
    if (this.#events !== count || (count > 0 && first + count - 1 !== last)) {
      this.#wrong(this.#footer.start, `it has ${this.#events} events, its footer says ${count}`);
    } else if (this.#keyed !== keyed && !this.#broken) {
      this.#wrong(this.#footer.start, `it has ${this.#keyed} keys, its footer says ${keyed}`);
    }
  }

  #wrong(byte: number, what: string): void {
    this.#report(new PartDamaged(this.#file, byte, what));
  }
}
