import { crc32 } from 'node:zlib';
import type { Identity } from '../../commands/cursor.ts';
import { Damaged } from '../damaged.ts';
import { type Line, openLine, parseFrame, scanLines } from '../frame.ts';
import { OPEN } from '../../../ports/fileSystem.ts';
import { type FileOperationService, storageError } from '../FileOperationService.ts';
import { type Layout, segmentNumber } from '../layout.ts';
import {
  corrupt,
  hex,
  NEWLINE,
  type SealedMark,
  type SegmentEnd,
  type SegmentHeader,
  type SegmentInfo,
} from './segment.ts';

/** What opening learned of the journal; nothing was written yet. */
export interface RecoveredJournal {
  /** Oldest first, each with the range in which it is valid. */
  readonly segments: SegmentInfo[];
  /** The last commit. */
  readonly position: number;
  readonly epoch: number;
  readonly newest: SegmentEnd | null;
  /** Whether the newest segment was closed in order. */
  readonly sealed: boolean;
  /** Valid frames above the last position that is proven durable; to be copied (W4). */
  readonly unproven: readonly Buffer[];
  /** Bytes of a tail that was never acknowledged. */
  readonly bytesLeftBehind: number;
  /** `at` of the last commit, or of the newest header. */
  readonly lastAt: string | null;
  /** What a lenient recovery found and stopped at; acknowledged commits are behind it. */
  readonly damage: Damaged | undefined;
}

interface Opened {
  readonly number: number;
  readonly file: string;
  readonly fileBytes: number;
  readonly header: SegmentHeader;
  readonly headerBytes: number;
}

const HEADER_BYTES_MAX = 4096;

export interface RecoverOptions {
  /** Take what stands before the first damage instead of refusing: for reading, and for repair. */
  readonly lenient?: boolean | undefined;
}

/** Reads the chain of segments, and the newest one frame by frame. */
export async function recoverJournal(
  files: FileOperationService,
  layout: Layout,
  identity: Identity,
  options: RecoverOptions = {},
): Promise<RecoveredJournal> {
  const lenient = options.lenient ?? false;
  const { chain, damage } = await readChain(files, layout, identity, lenient);
  const last = chain.at(-1);
  if (last === undefined) return { ...EMPTY_JOURNAL, damage };
  const tail = await scanNewest(files, last, lenient);
  // Reading copies nothing: what was acknowledged and not proven is made durable in place (W10).
  if (lenient && tail.unproven.length > 0) await syncFile(files, last.file);
  const tailEnd = lenient ? { byte: tail.wholeByte, position: tail.position } : tail.end;
  const segments = chain.map((segment, i): SegmentInfo => {
    const end = chain[i + 1]?.header.predecessor ?? tailEnd;
    return {
      number: segment.number,
      headerBytes: segment.headerBytes,
      firstPosition: (segment.header.predecessor?.position ?? 0) + 1,
      lastPosition: end.position,
      endByte: end.byte,
      fileBytes: segment.fileBytes,
    };
  });
  return {
    segments,
    position: tail.position,
    epoch: last.header.epoch,
    newest: tail.end,
    sealed: tail.sealed,
    unproven: tail.unproven,
    bytesLeftBehind: tail.bytesLeftBehind,
    lastAt: tail.lastAt,
    damage: damage ?? tail.damage,
  };
}

async function syncFile(files: FileOperationService, file: string): Promise<void> {
  try {
    const handle = await files.fileSystem.open(file, OPEN.read);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storageError(error, `syncing ${file}`);
  }
}

/** Before anything was ever written. */
export const EMPTY_JOURNAL: RecoveredJournal = {
  segments: [],
  position: 0,
  epoch: 0,
  newest: null,
  sealed: true,
  unproven: [],
  bytesLeftBehind: 0,
  lastAt: null,
  damage: undefined,
};

/** Segments are removed oldest first, so what is there must be an unbroken end of the chain. */
async function readChain(
  files: FileOperationService,
  layout: Layout,
  identity: Identity,
  lenient: boolean,
): Promise<{ readonly chain: readonly Opened[]; readonly damage: Damaged | undefined }> {
  const chain: Opened[] = [];
  for (const number of await segmentNumbers(files, layout)) {
    try {
      const segment = await openSegment(files, layout, identity, number);
      const before = chain.at(-1);
      if (before !== undefined) await checkLink(files, before, segment, lenient);
      chain.push(segment);
    } catch (error) {
      if (lenient && error instanceof Damaged) return { chain, damage: error };
      throw error;
    }
  }
  return { chain, damage: undefined };
}

/** Every segment's number, ascending. */
export async function segmentNumbers(
  files: FileOperationService,
  layout: Layout,
): Promise<readonly number[]> {
  return (await files.list(layout.journal))
    .map(segmentNumber)
    .filter((number) => number !== undefined)
    .toSorted((a, b) => a - b);
}

/** `segment` must go on where `before` ends. Who goes on despite damage looks at every frame. */
async function checkLink(
  files: FileOperationService,
  before: Opened,
  segment: Opened,
  thorough: boolean,
): Promise<void> {
  const end = segment.header.predecessor;
  if (end?.segment !== before.number) {
    const missing = end === null ? 'nothing' : `segment ${end.segment}`;
    throw corrupt(segment.file, 0, `it goes on after ${missing}, not after ${before.file}`);
  }
  if (!thorough) return;
  const { position, wholeByte } = await scanNewest(files, before, true);
  if (position >= end.position) return;
  throw corrupt(before.file, wholeByte, `commit ${position + 1} is damaged`);
}

async function openSegment(
  files: FileOperationService,
  layout: Layout,
  identity: Identity,
  number: number,
): Promise<Opened> {
  const file = layout.segment(number);
  const fileBytes = await files.size(file);
  const start = await files.readRange(file, 0, Math.min(fileBytes, HEADER_BYTES_MAX));
  const end = start.indexOf(NEWLINE) + 1;
  const header = end === 0 ? undefined : openLine(start, 0, end - 1)?.['header'];
  // A header is durable before its segment has a name, so a bad one cannot be a tear (W4).
  if (!isHeader(header, number)) throw corrupt(file, 0, 'its header is damaged');
  if (header.storeId !== identity.storeId) {
    throw corrupt(file, 0, `it belongs to another store, ${header.storeId}`);
  }
  return { number, file, fileBytes, header, headerBytes: end };
}

function isHeader(value: unknown, number: number): value is SegmentHeader {
  return (
    typeof value === 'object' && value !== null && 'segment' in value && value.segment === number
  );
}

interface Tail {
  readonly position: number;
  /** Where the part ends that is proven durable. */
  readonly end: SegmentEnd;
  /** Where the last frame ends, proven or not. */
  readonly wholeByte: number;
  readonly sealed: boolean;
  readonly unproven: readonly Buffer[];
  readonly bytesLeftBehind: number;
  readonly lastAt: string;
  readonly damage: Damaged | undefined;
}

/** A valid frame that no later one has proven durable yet. */
interface Candidate {
  readonly position: number;
  readonly line: Buffer;
  readonly end: number;
  /** CRC-32 of the file up to `end`. */
  readonly checksum: number;
}

/**
 * W9: at the first bad or missing frame X, damage and a tear are told apart by the highest position
 * that any later frame says was durable. Sectors of one write reach the disk in any order, so good
 * frames after a bad one prove nothing by themselves.
 */
async function scanNewest(
  files: FileOperationService,
  segment: Opened,
  lenient: boolean,
): Promise<Tail> {
  const { file, header, headerBytes, fileBytes } = segment;
  const read = (at: number, length: number) => files.readRange(file, at, length);
  const scan = new TailScan(segment, crc32(await read(0, headerBytes)));
  for await (const line of scanLines(read, headerBytes, fileBytes)) {
    scan.take(line);
  }
  return scan.result(file, header, lenient);
}

class TailScan {
  readonly #segment: Opened;
  #position: number;
  /** Frames stand one right after the other. */
  #byte: number;
  #proven: number;
  #end: { position: number; byte: number; checksum: number };
  #checksum: number;
  #candidates: Candidate[] = [];
  #lastAt: string;
  #sealed = false;
  /** Byte of the first line that is not the frame that had to come. */
  #broken: number | undefined;
  #lastByte = 0;
  /** The highest position that a valid line after the break says was durable. */
  #provenLater = 0;

  constructor(segment: Opened, checksum: number) {
    this.#segment = segment;
    this.#position = segment.header.predecessor?.position ?? 0;
    this.#byte = segment.headerBytes;
    this.#proven = Math.max(segment.header.durable, this.#position);
    this.#checksum = checksum;
    this.#end = { position: this.#position, byte: segment.headerBytes, checksum };
    this.#lastAt = segment.header.at;
  }

  take({ start, end, line }: Line): void {
    this.#lastByte = end;
    const opened = openLine(line, 0, line.length);
    const frame = opened === undefined ? undefined : parseFrame(opened);
    const sealed = opened?.['sealed'] as SealedMark | undefined;
    if (this.#broken === undefined && !this.#sealed) {
      if (sealed !== undefined && this.#isEnd(sealed, start)) {
        this.#sealed = true;
        this.#prove(sealed.position);
        return;
      }
      if (frame?.position === this.#position + 1 && start === this.#byte) {
        this.#position = frame.position;
        this.#lastAt = frame.at;
        this.#advance(end, line);
        this.#prove(frame.durable);
        return;
      }
      this.#broken = start;
    }
    if (this.#sealed) this.#broken ??= start;
    const durable = frame?.durable ?? sealed?.position ?? 0;
    this.#provenLater = Math.max(this.#provenLater, durable);
  }

  result(file: string, header: SegmentHeader, lenient: boolean): Tail {
    const missing = this.#position + 1;
    const durable = Math.max(this.#provenLater, header.durable);
    const isDamaged = durable >= missing || (this.#sealed && this.#broken !== undefined);
    const byte = this.#broken ?? this.#byte;
    const what = `commit ${missing} is damaged, and it was acknowledged`;
    const damage = isDamaged ? corrupt(file, byte, what) : undefined;
    if (damage !== undefined && !lenient) throw damage;
    this.#prove(header.durable);
    return {
      position: this.#position,
      end: {
        segment: this.#segment.number,
        byte: this.#end.byte,
        position: this.#end.position,
        checksum: hex(this.#end.checksum),
      },
      wholeByte: this.#byte,
      sealed: this.#sealed,
      unproven: this.#candidates.map(({ line }) => line),
      bytesLeftBehind: this.#broken === undefined ? 0 : this.#lastByte - this.#broken,
      lastAt: this.#lastAt,
      damage,
    };
  }

  #isEnd(sealed: SealedMark, start: number): boolean {
    return (
      sealed.position === this.#position &&
      sealed.byte === start &&
      sealed.checksum === hex(this.#checksum)
    );
  }

  #advance(end: number, line: Buffer): void {
    // A copy: the scanner reads on into the same memory.
    const whole = Buffer.concat([line, NEWLINE_BYTE]);
    this.#checksum = crc32(whole, this.#checksum);
    this.#byte = end;
    this.#candidates.push({
      position: this.#position,
      line: whole,
      end,
      checksum: this.#checksum,
    });
  }

  /** Moves the proven end up to `durable`: those frames need no copy. */
  #prove(durable: number): void {
    this.#proven = Math.max(this.#proven, durable);
    const left = this.#candidates.findIndex(({ position }) => position > this.#proven);
    const proven = left === -1 ? this.#candidates.length : left;
    const last = this.#candidates[proven - 1];
    if (last === undefined) return;
    this.#end = { position: last.position, byte: last.end, checksum: last.checksum };
    this.#candidates = this.#candidates.slice(proven);
  }
}

const NEWLINE_BYTE = Buffer.from([NEWLINE]);
