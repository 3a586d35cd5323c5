import type { SeededRandom } from '../seededRandom.ts';
import type { DataChange } from './surface.ts';

/** What stands where a sector of a write did not arrive. */
export type Fill = 'old' | 'zeros' | 'newlines' | 'garbage';

export const FILLS: readonly Fill[] = ['old', 'zeros', 'newlines', 'garbage'];
export const SECTORS: readonly number[] = [512, 4096];

const ALL_SUBSETS_UP_TO = 4;
const SAMPLES = 6;

export interface Write {
  readonly at: number;
  readonly bytes: Buffer;
}

/** Sectors of a large write that are looked at one by one. */
const SINGLES_MAX = 12;

/**
 * The ways in which sectors of one write can be missing, as sets of the numbers of those that arrived:
 * all subsets of few; else each one missing, each one alone, every beginning, and a sample. Of very
 * many sectors only some are taken one by one.
 */
export function* arrivals(count: number, random: SeededRandom): Generator<ReadonlySet<number>> {
  if (count <= ALL_SUBSETS_UP_TO) {
    for (let bits = 0; bits < 2 ** count - 1; bits++)
      yield set(count, (n) => (bits >> n) % 2 === 1);
    return;
  }
  yield new Set();
  for (let one = 0; one < count; one++) {
    if (!random.chance(SINGLES_MAX / count)) continue;
    yield set(count, (n) => n !== one);
    yield new Set([one]);
    if (one > 1) yield set(count, (n) => n < one);
  }
  for (let n = 0; n < SAMPLES; n++) yield set(count, () => random.chance(0.5));
}

function set(count: number, has: (n: number) => boolean): ReadonlySet<number> {
  return new Set(Array.from({ length: count }, (_, n) => n).filter(has));
}

/** How many sectors of this size a write touches. */
export function sectorsOf({ at, bytes }: Write, size: number): number {
  if (bytes.length === 0) return 0;
  return Math.floor((at + bytes.length - 1) / size) - Math.floor(at / size) + 1;
}

/**
 * What a torn write left: the sectors that arrived, and `fill` in the place of the others. Bytes that
 * the write did not touch stay as they were, also within a sector (disks keep that promise; SQLite
 * calls it powersafe overwrite).
 */
export function torn(
  { at, bytes }: Write,
  size: number,
  arrived: ReadonlySet<number>,
  fill: Fill,
  garbage: (length: number) => Uint8Array,
): readonly DataChange[] {
  const changes: DataChange[] = [];
  const first = Math.floor(at / size);
  for (let n = 0; n < sectorsOf({ at, bytes }, size); n++) {
    const from = Math.max(at, (first + n) * size);
    const to = Math.min(at + bytes.length, (first + n + 1) * size);
    const piece = arrived.has(n)
      ? bytes.subarray(from - at, to - at)
      : filled(to - from, fill, garbage);
    if (piece !== undefined) changes.push({ kind: 'write', at: from, bytes: piece });
  }
  return changes;
}

function filled(
  length: number,
  fill: Fill,
  garbage: (length: number) => Uint8Array,
): Uint8Array | undefined {
  if (fill === 'old') return undefined;
  if (fill === 'garbage') return garbage(length);
  return Buffer.alloc(length, fill === 'zeros' ? 0 : '\n');
}
