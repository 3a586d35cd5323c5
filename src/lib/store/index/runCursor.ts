import { crc32 } from 'node:zlib';
import { invalid } from '../../model/check.ts';

/** Where a page of runs ended: what the list is ordered by. */
export interface RunPlace {
  readonly createdMs: number;
  readonly createdPosition: number;
  readonly id: string;
}

const SHAPE = /^(\d{1,10})\.(runs\.(-?\d{1,16})\.(\d{1,16})\.(.+))$/;

/** Opaque to callers. The checksum tells it from the cursor of another list, and from a cut one. */
export function toRunCursor({ createdMs, createdPosition, id }: RunPlace): string {
  const text = `runs.${createdMs}.${createdPosition}.${id}`;
  return Buffer.from(`${crc32(text)}.${text}`).toString('base64url');
}

export function fromRunCursor(cursor: unknown): RunPlace {
  const text = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '';
  const [, checksum, signed, createdMs, createdPosition, id] = SHAPE.exec(text) ?? [];
  if (signed === undefined || id === undefined || checksum !== String(crc32(signed))) {
    throw invalid('filter.cursor', 'is not a cursor of this list');
  }
  return { createdMs: Number(createdMs), createdPosition: Number(createdPosition), id };
}
