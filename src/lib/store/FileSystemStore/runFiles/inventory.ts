import { basename, join } from 'node:path';
import type { RunRow } from '../../../model/entities.ts';
import type { Finding } from '../../contract.ts';
import type { FileOperationService } from '../FileOperationService.ts';
import { decodeName } from '../fileName.ts';
import { asDamage, PartDamaged } from './damage.ts';
import { FOOTER_BYTES_MAX, parseFooter, type PlacedFooter, toRunPart } from './footer.ts';
import { parsePartName, partName, type RunPart, runPlace } from './part.ts';
import { parseHead } from './rows.ts';

const READ_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** A run as its files tell it. */
export interface StoredRun {
  readonly runId: string;
  readonly row: RunRow;
  readonly position: number;
  readonly createdPosition: number;
  /** How many versions of artifacts it has. */
  readonly artifacts: number;
  /** Oldest first. */
  readonly parts: readonly RunPart[];
  /** Parts that a newer one has taken the place of: a crash came before their removal. */
  readonly obsolete: readonly RunPart[];
}

/** `runId` is known unless all of the run's files are damaged and its name is only a hash of it. */
export type OnFinding = (finding: Finding, runId: string | undefined) => void;

interface OpenedPart {
  readonly file: string;
  readonly footer: PlacedFooter;
  readonly part: RunPart;
}

/**
 * Finds out from files alone what a run is. What is damaged or missing is a finding; a run whose
 * newest part is damaged has no rows to be trusted and is `undefined`.
 */
export class Inventory {
  readonly #files: FileOperationService;
  readonly #runsFolder: string;

  constructor(files: FileOperationService, runsFolder: string) {
    this.#files = files;
    this.#runsFolder = runsFolder;
  }

  /** The folders of runs, by name. */
  async folders(): Promise<string[]> {
    const names = await this.#files.list(this.#runsFolder);
    return names.filter((name) => /^[0-9a-f]{2}$/.test(name));
  }

  /** The numbers of the parts in a folder, by the base of their names. */
  async bases(folder: string): Promise<Map<string, number[]>> {
    const bases = new Map<string, number[]>();
    for (const name of await this.#files.list(join(this.#runsFolder, folder))) {
      const parsed = parsePartName(name);
      if (parsed === undefined) continue;
      const numbers = bases.get(parsed.base);
      if (numbers === undefined) bases.set(parsed.base, [parsed.part]);
      else numbers.push(parsed.part);
    }
    return bases;
  }

  /** The numbers of a run's parts. */
  async numbers(runId: string): Promise<readonly number[]> {
    const { folder, base } = runPlace(this.#runsFolder, runId);
    return (await this.bases(basename(folder))).get(base) ?? [];
  }

  async inspectRun(runId: string, onFinding: OnFinding): Promise<StoredRun | undefined> {
    const { folder, base } = runPlace(this.#runsFolder, runId);
    const numbers = await this.numbers(runId);
    return this.inspect(basename(folder), base, numbers, onFinding);
  }

  async inspect(
    folder: string,
    base: string,
    numbers: readonly number[],
    onFinding: OnFinding,
  ): Promise<StoredRun | undefined> {
    const opened: OpenedPart[] = [];
    const damaged: { readonly number: number; readonly damage: PartDamaged }[] = [];
    for (const number of numbers.toSorted((a, b) => a - b)) {
      const file = join(this.#runsFolder, folder, partName(base, number));
      try {
        opened.push(await this.#open(file, base, number));
      } catch (error) {
        const damage = asDamage(error, file);
        if (damage === undefined) throw error;
        damaged.push({ number, damage });
      }
    }
    const runId = opened.at(-1)?.footer.runId ?? decodeName(base);
    for (const { damage } of damaged) onFinding(damage.finding, runId);
    const newest = opened.at(-1);
    if (newest === undefined || (damaged.at(-1)?.number ?? 0) > newest.part.part) return undefined;
    try {
      return await this.#resolve(newest, opened, damaged.length === 0, onFinding);
    } catch (error) {
      const damage = asDamage(error, newest.file);
      if (damage === undefined) throw error;
      onFinding(damage.finding, runId);
      return undefined;
    }
  }

  async #open(file: string, base: string, number: number): Promise<OpenedPart> {
    const bytes = await this.#files.size(file);
    const start = Math.max(0, bytes - FOOTER_BYTES_MAX);
    const footer = parseFooter(
      file,
      await this.#files.readRange(file, start, bytes - start),
      start,
    );
    const place = runPlace(this.#runsFolder, footer.runId);
    if (join(place.folder, partName(place.base, footer.part)) !== file || footer.part !== number) {
      throw new PartDamaged(file, footer.start, `it belongs to ${footer.runId}.${footer.part}`);
    }
    return { file, footer, part: toRunPart(footer, bytes) };
  }

  async #resolve(
    last: OpenedPart,
    opened: readonly OpenedPart[],
    reportHoles: boolean,
    onFinding: OnFinding,
  ): Promise<StoredRun> {
    // Files of a deleted run are removed after its deletion: another of that id may stand here too.
    const createdPosition = Math.max(...opened.map(({ footer }) => footer.createdPosition));
    const own = opened.filter(({ footer }) => footer.createdPosition === createdPosition);
    const newest = own.at(-1) ?? last;
    const { runId, position } = newest.footer;
    const parts = [newest];
    let next = newest.part.firstSeq || newest.part.lastSeq + 1;
    for (const older of own.slice(0, -1).toReversed()) {
      const { firstSeq, lastSeq } = older.part;
      if (firstSeq === 0 || firstSeq >= next) continue;
      if (lastSeq >= next) throw overlap(older, next);
      if (lastSeq + 1 < next && reportHoles) onFinding(hole(newest.file, lastSeq, next), runId);
      parts.unshift(older);
      next = firstSeq;
    }
    if (next > 1 && reportHoles) onFinding(hole(newest.file, 0, next), runId);
    const head = parseHead(newest.file, await this.#firstLine(newest), runId);
    if (head.position !== position || head.createdPosition !== createdPosition) {
      throw new PartDamaged(newest.file, 0, 'its first line is that of another part');
    }
    return {
      runId,
      row: head.run,
      position,
      createdPosition,
      artifacts: head.artifacts,
      parts: parts.map(({ part }) => part),
      obsolete: opened.filter((one) => !parts.includes(one)).map(({ part }) => part),
    };
  }

  /** It may be longer than any line of the log: a row grows with every attempt. */
  async #firstLine({ file, part }: OpenedPart): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let at = 0; at < part.rowsBytes;) {
      const length = Math.min(READ_BYTES, part.rowsBytes - at);
      const piece = await this.#files.readRange(file, at, length);
      const end = piece.indexOf(NEWLINE);
      if (end >= 0) return Buffer.concat([...pieces, piece.subarray(0, end)]);
      if (piece.length === 0) break;
      pieces.push(piece);
      at += piece.length;
    }
    throw new PartDamaged(file, 0, 'its first line has no end');
  }
}

function hole(file: string, after: number, next: number): Finding {
  const run = basename(file).replace(/\.\d+\.ndjson$/, '');
  const missing = `events ${after + 1} to ${next - 1} of ${run} are in none of its files`;
  return { code: 'DATA_CORRUPT', file, message: `${file}: ${missing}` };
}

function overlap({ file, part }: OpenedPart, next: number): PartDamaged {
  const what = `it ends with event ${part.lastSeq}, and a newer one begins with ${next}`;
  return new PartDamaged(file, part.rowsBytes, what);
}
