import { crc32 } from 'node:zlib';
import { StoreError } from '../../errors.ts';
import type { Change } from '../../model/change.ts';
import { changeFromJson } from '../../model/text.ts';

/**
 * The line that journal and run files are made of: one JSON object whose last member is `crc`, the
 * CRC-32 of all bytes of the line before `,"crc"`, and a newline. Nothing follows the checksum, so
 * it covers the length too (W2); `grep` and `jq` read it as it is.
 */

const NEWLINE = 0x0a;
const BRACE = 0x7b;
const SEAL_START = ',"crc":"';
const SEAL_END = '"}';
/** `,"crc":"xxxxxxxx"}`. */
const SEAL_BYTES = SEAL_START.length + 8 + SEAL_END.length;

/** One record of the journal: the changes of one call or one transaction, all or nothing. */
export interface Frame {
  /** Its place in the log: 1, 2, 3… */
  readonly position: number;
  /** ISO 8601; never earlier than that of the frame before. */
  readonly at: string;
  /** The highest position known to be durable when this frame was written (W9). */
  readonly durable: number;
  readonly changes: readonly Change[];
}

/** `body` is a JSON object without its closing brace, and not empty. */
export function sealLine(body: string): string {
  return `${body}${SEAL_START}${hex(crc32(body))}${SEAL_END}\n`;
}

/** The body of a commit's line. `changeTexts`: what `changeToText` gave, joined by commas. */
export function commitBody(
  head: { readonly position: number; readonly at: string; readonly durable: number },
  changeTexts: string,
): string {
  const { position, at, durable } = head;
  return `{"position":${position},"at":"${at}","durable":${durable},"changes":[${changeTexts}]`;
}

const LINE_BUFFER_BYTES = 64 * 1024;
const HEX_DIGITS = Buffer.from('0123456789abcdef');

/**
 * Sealed lines, gathered for one write. Its memory is used again after `clear`, and the checksum is
 * taken of the bytes as they stand: that is what makes thousands of small commits cheap.
 */
export class LineBuffer {
  #bytes: Buffer;
  #length = 0;

  /** `capacity`: bytes to begin with; it grows when a line needs more. */
  constructor(capacity = LINE_BUFFER_BYTES) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes that it has room for before it grows. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** A view of what was gathered; good until `clear`. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Adds the line with this body, as `sealLine` would write it. */
  add(body: string): void {
    const start = this.#length;
    // UTF-8 takes three bytes a UTF-16 unit at most.
    this.#reserve(body.length * 3 + SEAL_BYTES + 1);
    const end = start + this.#bytes.write(body, start);
    this.#seal(end, crc32(this.#bytes.subarray(start, end)));
  }

  /** Adds a sealed line as it stands, without its newline. */
  addSealed(line: Buffer): void {
    this.#reserve(line.length + 1);
    line.copy(this.#bytes, this.#length);
    this.#bytes[this.#length + line.length] = NEWLINE;
    this.#length += line.length + 1;
  }

  clear(): void {
    this.#length = 0;
  }

  #seal(end: number, checksum: number): void {
    const bytes = this.#bytes;
    bytes.write(SEAL_START, end, 'latin1');
    const digits = end + SEAL_START.length;
    for (let i = 0; i < 8; i++) {
      bytes[digits + i] = HEX_DIGITS[(checksum >>> (28 - 4 * i)) & 0xf] as number;
    }
    bytes.write(SEAL_END, digits + 8, 'latin1');
    bytes[end + SEAL_BYTES] = NEWLINE;
    this.#length = end + SEAL_BYTES + 1;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/**
 * Whether `bytes` from `start` up to `end`, the place of its newline, are a line with the checksum
 * that it states. Cheaper than `openLine`: nothing is parsed.
 */
export function isSealed(bytes: Buffer, start = 0, end = bytes.length): boolean {
  const bodyEnd = end - SEAL_BYTES;
  if (bodyEnd - start < 2 || bytes[start] !== BRACE) return false;
  const stated = bytes.toString('latin1', bodyEnd, end);
  const actual = hex(crc32(bytes.subarray(start, bodyEnd)));
  return stated === `${SEAL_START}${actual}${SEAL_END}`;
}

/**
 * The object in `bytes` from `start` up to `end`, the place of its newline, without its `crc`;
 * `undefined` for anything that is not a whole valid line.
 */
export function openLine(
  bytes: Buffer,
  start = 0,
  end = bytes.length,
): Readonly<Record<string, unknown>> | undefined {
  if (!isSealed(bytes, start, end)) return undefined;
  const body = bytes.toString('utf8', start, end - SEAL_BYTES);
  try {
    return JSON.parse(`${body}}`) as Readonly<Record<string, unknown>>;
  } catch {
    // A right checksum over what is not JSON: no line of ours, and the caller says so.
    return undefined;
  }
}

/** The frame in an opened line; `undefined` when the line is something else than a commit. */
export function parseFrame(line: Readonly<Record<string, unknown>>): Frame | undefined {
  const { position, at, durable, changes } = line;
  if (!isCount(position) || position === 0 || !isCount(durable)) return undefined;
  if (typeof at !== 'string' || !Array.isArray(changes)) return undefined;
  return { position, at, durable, changes: changes.map((change) => parseChange(change, position)) };
}

function parseChange(value: unknown, position: number): Change {
  const known = typeof value === 'object' && value !== null ? changeFromJson(value) : undefined;
  if (known !== undefined) return known;
  const type = (value as { readonly type?: unknown } | null)?.type;
  const message = `commit ${position} has a change of the unknown type ${JSON.stringify(type)}`;
  throw new StoreError('UNSUPPORTED_FORMAT', message);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

/** Bytes between two newlines. */
export interface Line {
  /** Byte offset in the file. */
  readonly start: number;
  /** Where the next line begins: just past the newline, where there is one. */
  readonly end: number;
  /**
   * Without the newline. Empty for what is not a line, so that nothing opens it (W2): bytes that no
   * newline bounds, or more of them than `LINE_BYTES_MAX`.
   */
  readonly line: Buffer;
}

/** A commit of 32 MiB with room to spare; what is longer was never written as a line. */
export const LINE_BYTES_MAX = 40 * 1024 * 1024;

/** Reads at most `length` bytes at `position`; none at the end of the file. */
export type ReadChunk = (position: number, length: number) => Promise<Buffer>;

const CHUNK_BYTES = 256 * 1024;

/**
 * The lines of a file from byte `from` up to `to`; empty ones are left out. Holds one chunk and the
 * line that spans chunks, never more. Each chunk must be a fresh buffer: lines are views of it.
 */
export async function* scanLines(
  readChunk: ReadChunk,
  from: number,
  to: number,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<Line, void, undefined> {
  const cutter = new LineCutter(from);
  for (let position = from; position < to;) {
    const chunk = await readChunk(position, Math.min(chunkBytes, to - position));
    if (chunk.length === 0) break;
    position += chunk.length;
    yield* cutter.cut(chunk);
  }
  const rest = cutter.rest();
  if (rest !== undefined) yield rest;
}

/** Cuts chunks that follow each other into lines. */
class LineCutter {
  /** Where the next chunk begins in the file. */
  #position: number;
  /** The pieces of a line whose newline has not come yet, and where it begins. */
  #pieces: Buffer[] = [];
  #lineStart: number;

  constructor(from: number) {
    this.#position = from;
    this.#lineStart = from;
  }

  *cut(chunk: Buffer): Generator<Line, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#lineStart === this.#position + at) {
        at = skipNewlines(chunk, at);
        this.#lineStart = this.#position + at;
        if (at === chunk.length) break;
      }
      const newline = chunk.indexOf(NEWLINE, at);
      if (newline < 0) {
        this.#keep(chunk.subarray(at));
        break;
      }
      yield this.#line(chunk.subarray(at, newline), this.#position + newline + 1);
      at = newline + 1;
    }
    this.#position += chunk.length;
  }

  /** What is left when no newline comes any more. */
  rest(): Line | undefined {
    if (this.#lineStart === this.#position) return undefined;
    return { start: this.#lineStart, end: this.#position, line: NOTHING };
  }

  /** `end` is past the newline. */
  #line(last: Buffer, end: number): Line {
    const start = this.#lineStart;
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#lineStart = end;
    if (end - start > LINE_BYTES_MAX) return { start, end, line: NOTHING };
    return { start, end, line: pieces.length === 0 ? last : Buffer.concat([...pieces, last]) };
  }

  /** Beyond the maximum it is garbage already: not gathered, so that memory stays bounded. */
  #keep(piece: Buffer): void {
    if (this.#position - this.#lineStart <= LINE_BYTES_MAX) this.#pieces.push(piece);
  }
}

const NOTHING = Buffer.alloc(0);
const FILLER = Buffer.alloc(64 * 1024, NEWLINE);

/** Segments are allocated ahead, filled with newlines: megabytes of them, compared blockwise. */
function skipNewlines(chunk: Buffer, from: number): number {
  let at = from;
  while (at < chunk.length && chunk[at] === NEWLINE) {
    const end = Math.min(at + FILLER.length, chunk.length);
    const isFiller =
      chunk[end - 1] === NEWLINE && chunk.compare(FILLER, 0, end - at, at, end) === 0;
    if (isFiller) at = end;
    else while (chunk[at] === NEWLINE) at++;
  }
  return at;
}
