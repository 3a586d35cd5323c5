import type { RunRow } from '../../model/entities.ts';
import { runFromJson, runToText } from '../../model/text.ts';
import type { RunPart } from '../FileSystemStore/runFiles.ts';
import { IndexUnusable } from './indexError.ts';

/** A run as the index knows it. */
export interface IndexedRun {
  readonly row: RunRow;
  /** The commit that created it. */
  readonly createdPosition: number;
  /** The last commit that is folded into `row`. */
  readonly position: number;
  /** Its run files, oldest first. */
  readonly parts: readonly RunPart[];
}

/** The columns of `runs` that `fromColumns` needs. */
export const RUN_COLUMNS = 'id, created_position, position, parts, data';

type Columns = Readonly<Record<string, unknown>>;

export function fromColumns(columns: Columns): IndexedRun {
  const { created_position: createdPosition, position, parts } = columns;
  return {
    row: rowFromText(columns),
    createdPosition: createdPosition as number,
    position: position as number,
    parts: partsFromText(parts as string),
  };
}

export function rowFromText({ id, data }: Columns): RunRow {
  return runFromJson(parse(data as string, id as string));
}

export { runToText as rowToText };

/** Arrays, not objects: a run of a million events has some hundred parts. */
export function partsToText(parts: readonly RunPart[]): string {
  return JSON.stringify(
    parts.map((p) => [p.part, p.position, p.bytes, p.rowsBytes, p.firstSeq, p.lastSeq, p.keyed]),
  );
}

type Numbers = readonly [number, number, number, number, number, number, number];

function partsFromText(text: string): RunPart[] {
  return (parse(text, 'parts') as Numbers[]).map(
    ([part, position, bytes, rowsBytes, firstSeq, lastSeq, keyed]) => ({
      part,
      position,
      bytes,
      rowsBytes,
      firstSeq,
      lastSeq,
      keyed,
    }),
  );
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new IndexUnusable(`the row of ${what} is damaged`, error);
  }
}
