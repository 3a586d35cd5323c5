import type { Identity } from '../../commands/cursor.ts';
import { Damaged } from '../damaged.ts';
import { sealLine } from '../frame.ts';

/** Where the valid part of a segment ends: what its successor's header says of it. */
export interface SegmentEnd {
  readonly segment: number;
  /** Bytes from the start of the file. */
  readonly byte: number;
  /** The last commit before that byte. */
  readonly position: number;
  /** CRC-32 of the bytes before that byte, as hexadecimal digits. */
  readonly checksum: string;
}

/** First line of a segment. It is durable before the segment has its name (W4). */
export interface SegmentHeader extends Identity {
  readonly segment: number;
  /** One more with every owner that wrote. */
  readonly epoch: number;
  readonly at: string;
  /** Everything up to here is known durable: in earlier segments, or copied into this one. */
  readonly durable: number;
  readonly predecessor: SegmentEnd | null;
}

/** Last line of a segment that was closed in order. */
export interface SealedMark {
  readonly position: number;
  readonly byte: number;
  readonly checksum: string;
}

/** A segment as the journal knows it while the store is open. */
export interface SegmentInfo {
  readonly number: number;
  readonly headerBytes: number;
  readonly firstPosition: number;
  /** `firstPosition - 1` while it is empty. */
  lastPosition: number;
  /** Where its valid part ends. */
  endByte: number;
  /** Size of the file. */
  fileBytes: number;
}

/** Room that a segment keeps for its sealed line. */
export const SEALED_BYTES = 256;

export const NEWLINE = 0x0a;

export function headerLine(header: SegmentHeader): Buffer {
  return Buffer.from(sealLine(JSON.stringify({ header }).slice(0, -1)));
}

export function sealedLine(mark: SealedMark): Buffer {
  return Buffer.from(sealLine(JSON.stringify({ sealed: mark }).slice(0, -1)));
}

export function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

export function corrupt(file: string, byte: number, what: string): Damaged {
  return new Damaged('JOURNAL_CORRUPT', file, byte, what);
}
