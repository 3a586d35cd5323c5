import { StoreError } from '../../../errors.ts';
import { toBytes } from './disk.ts';

/** Bytes that take the place of those at `position`, or go on behind the end. */
export interface Range {
  readonly position: number;
  readonly data: Uint8Array | string;
}

/** What becomes of the old bytes, whatever there was: a new length, and new bytes in some places. */
export interface Edits {
  /** Zeros are added, or the end is cut off. */
  readonly size: number;
  readonly ranges: readonly Edit[];
}

interface Edit {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/**
 * Several ranges as one change. They may come in any order and must not overlap: nobody could say
 * which of them holds. A gap behind the end is refused: what would be in it?
 */
export function editsOf(ranges: readonly Range[], oldSize: number): Edits {
  const edits = ranges
    .map(({ position, data }) => ({ position: sizeOf(position, 'position'), bytes: toBytes(data) }))
    .toSorted((a, b) => a.position - b.position);
  let size = oldSize;
  let free = 0;
  for (const { position, bytes } of edits) {
    if (position < free) {
      throw new StoreError('INVALID_ARGUMENT', `ranges overlap at position ${position}`);
    }
    if (position > size) {
      const message = `position ${position} is behind the end of ${size} bytes: truncate to it first`;
      throw new StoreError('INVALID_ARGUMENT', message);
    }
    free = position + bytes.length;
    size = Math.max(size, free);
  }
  return { size, ranges: edits };
}

/** Refuses what is no number of bytes. */
export function sizeOf(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new StoreError('INVALID_ARGUMENT', `${name}: ${value} is not a whole number of bytes`);
}

/** Puts what of the edits lies in a chunk at `at` into it. For chunks one after the other. */
export function overlay({ ranges }: Edits): (chunk: Uint8Array, at: number) => void {
  let next = 0;
  return (chunk, at) => {
    const end = at + chunk.length;
    for (let n = next; n < ranges.length; n++) {
      const { position, bytes } = ranges[n] as Edit;
      if (position >= end) return;
      const from = Math.max(at, position);
      const to = Math.min(end, position + bytes.length);
      chunk.set(bytes.subarray(from - position, to - position), from - at);
      if (to < end) next = n + 1;
    }
  };
}
