import { eventBytes, type RunPart } from './part.ts';

const KiB = 1024;
/** Parts of similar size form a tier: up to 64 KiB, 512 KiB, 4 MiB. */
const TIER_BYTES = 64 * KiB;
const TIER_PARTS = 8;
/** Larger ones stay as they are for ever: each event is copied a few times, whatever their number. */
const FROZEN_BYTES = 4 * KiB * KiB;
/** A run that has ended becomes one file, unless it is larger. */
const WHOLE_BYTES = 16 * KiB * KiB;

/**
 * Where the suffix of `parts` begins that a new part with `newBytes` of events takes in. Bytes that
 * are copied rise into a higher tier, except inside the lowest, where a copy costs less than a file.
 */
export function firstAbsorbed(parts: readonly RunPart[], newBytes: number, ended: boolean): number {
  const total = parts.reduce((sum, part) => sum + eventBytes(part), newBytes);
  if (ended && total <= WHOLE_BYTES) return 0;
  let bytes = newBytes;
  // Rows alone are superseded by the rows of the new part.
  let first = parts.findLastIndex(({ firstSeq }) => firstSeq !== 0) + 1;
  for (;;) {
    const tier = tierOf(bytes);
    const lower = suffix(parts, first, (size) => tierOf(size) < tier);
    const same = suffix(parts, lower, (size) => tierOf(size) <= tier);
    const start = lower - same >= TIER_PARTS ? same : lower;
    if (start === first) return first;
    for (const part of parts.slice(start, first)) bytes += eventBytes(part);
    first = start;
  }
}

function suffix(
  parts: readonly RunPart[],
  end: number,
  belongs: (bytes: number) => boolean,
): number {
  let start = end;
  while (start > 0) {
    const bytes = eventBytes(parts[start - 1] as RunPart);
    if (bytes >= FROZEN_BYTES || !belongs(bytes)) break;
    start--;
  }
  return start;
}

function tierOf(bytes: number): number {
  return bytes <= TIER_BYTES ? 0 : Math.ceil(Math.log(bytes / TIER_BYTES) / Math.log(TIER_PARTS));
}
