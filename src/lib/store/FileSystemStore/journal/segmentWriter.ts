import { crc32 } from 'node:zlib';
import type { FileSystem } from '../../../ports/fileSystem.ts';
import type { FileStoreTuning } from '../../options.ts';
import type { Identity } from '../../commands/cursor.ts';
import type { FileOperationService } from '../FileOperationService.ts';
import type { Layout } from '../layout.ts';
import type { RecoveredJournal } from './recover.ts';
import {
  headerLine,
  hex,
  SEALED_BYTES,
  sealedLine,
  type SegmentEnd,
  type SegmentInfo,
} from './segment.ts';
import { SegmentFile } from './segmentFile.ts';

export interface SegmentWriterParts {
  readonly fs: FileSystem;
  readonly files: FileOperationService;
  readonly layout: Layout;
  readonly identity: Identity;
  readonly tuning: FileStoreTuning;
  readonly recovered: RecoveredJournal;
}

/** A segment that has its header, and not yet its name. */
interface Prepared {
  readonly file: SegmentFile;
  readonly info: SegmentInfo;
  readonly checksum: number;
}

/**
 * The segments of the journal, of which the newest is written.
 *
 *     allocated ahead ──reserve──► prepared (header durable) ──write──► current ──► sealed
 *
 * Whatever fails up to `prepared` touched nothing that counts; whatever fails later poisons (W3).
 */
export class SegmentWriter {
  /** Oldest first. */
  readonly segments: SegmentInfo[];
  readonly #parts: SegmentWriterParts;
  readonly #epoch: number;
  #end: SegmentEnd | null;
  #current: { readonly file: SegmentFile; readonly info: SegmentInfo } | undefined;
  #checksum = 0;
  #prepared: Prepared | undefined;
  #ahead: Promise<SegmentFile | undefined> | undefined;
  #nextCapacity: number;

  constructor(parts: SegmentWriterParts) {
    this.#parts = parts;
    this.segments = [...parts.recovered.segments];
    this.#epoch = parts.recovered.epoch + 1;
    this.#end = parts.recovered.newest;
    this.#nextCapacity = parts.tuning.segmentBytesMin;
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  }

  /** Bytes of the newest segment, which is never removed. */
  get newestBytes(): number {
    return this.segments.at(-1)?.fileBytes ?? 0;
  }

  /** Segments that may be removed once nothing needs them: the newest holds on to the chain. */
  get removable(): readonly SegmentInfo[] {
    return this.segments.slice(0, -1);
  }

  /**
   * Goes on after an unclean end (W4): the frames whose durability was not proven are copied, with
   * the header, into a new segment that is durable as a whole before it has a name.
   */
  async begin(unproven: readonly Buffer[], at: string): Promise<void> {
    const copies = Buffer.concat(unproven);
    const prepared = await this.#prepare(copies.length, at, unproven.length);
    this.#prepared = prepared;
    await prepared.file.write(copies, prepared.info.endByte);
    await this.#publish(prepared, () => undefined);
    this.#advance(copies, prepared.info.lastPosition + unproven.length);
  }

  /** Makes sure that `bytes` fit. A rejection leaves everything as it was: nothing is poisoned. */
  async reserve(bytes: number, at: string): Promise<void> {
    const current = this.#current;
    if (current !== undefined) {
      const end = current.info.endByte + bytes + SEALED_BYTES;
      if (end <= current.file.capacity) return;
    }
    this.#prepared ??= await this.#prepare(bytes, at, 0);
  }

  /**
   * Writes what was reserved for; resolves when it is durable (W1). `mayGoOn` throws when a new
   * segment must not be made, or not be used, after all.
   */
  async write(bytes: Buffer, lastPosition: number, mayGoOn: () => void): Promise<void> {
    const prepared = this.#prepared;
    if (prepared !== undefined) {
      await this.seal();
      mayGoOn();
      await this.#publish(prepared, mayGoOn);
    }
    const { file, info } = this.#current as { file: SegmentFile; info: SegmentInfo };
    await file.write(bytes, info.endByte);
    this.#advance(bytes, lastPosition);
    if (info.endByte > file.capacity / 2) this.#allocateAhead();
  }

  /** Ends the current segment in order. */
  async seal(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const end = this.#end as SegmentEnd;
    await current.file.write(sealedLine(end), end.byte);
    this.#current = undefined;
    await current.file.close();
  }

  /** Takes the oldest segments off the list; the caller removes their files, oldest first. */
  forget(count: number): void {
    this.segments.splice(0, count);
  }

  /** Lets go of the files without another write. */
  async abandon(): Promise<void> {
    const ahead = await this.#ahead;
    const [prepared, current] = [this.#prepared, this.#current];
    this.#current = undefined;
    this.#prepared = undefined;
    this.#ahead = undefined;
    try {
      await ahead?.discard();
    } finally {
      try {
        await prepared?.file.discard();
      } finally {
        await current?.file.close();
      }
    }
  }

  get #nextNumber(): number {
    return (this.#end?.segment ?? 0) + 1;
  }

  async #prepare(bytes: number, at: string, copies: number): Promise<Prepared> {
    const { identity, layout } = this.#parts;
    const number = this.#nextNumber;
    const predecessor = this.#end;
    const position = predecessor?.position ?? 0;
    const header = headerLine({
      segment: number,
      storeId: identity.storeId,
      timeline: identity.timeline,
      epoch: this.#epoch,
      at,
      durable: position + copies,
      predecessor,
    });
    const needed = header.length + bytes + SEALED_BYTES;
    const file = await this.#allocated(layout.segment(number), needed);
    try {
      await file.write(header, 0);
    } catch (error) {
      await file.discard();
      throw error;
    }
    const info: SegmentInfo = {
      number,
      headerBytes: header.length,
      firstPosition: position + 1,
      lastPosition: position,
      endByte: header.length,
      fileBytes: file.capacity,
    };
    return { file, info, checksum: crc32(header) };
  }

  async #allocated(path: string, needed: number): Promise<SegmentFile> {
    const ahead = await this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined && ahead.capacity >= needed) return ahead;
    await ahead?.discard();
    return this.#allocate(path, Math.max(needed, this.#nextCapacity));
  }

  #allocate(path: string, capacity: number): Promise<SegmentFile> {
    return SegmentFile.allocate(this.#parts.fs, this.#parts.files, path, capacity);
  }

  #allocateAhead(): void {
    if (this.#ahead !== undefined) return;
    const path = this.#parts.layout.segment(this.#nextNumber);
    // A failure here is met again, and reported, when the room is really needed.
    this.#ahead = this.#allocate(path, this.#nextCapacity).catch(() => undefined);
  }

  /**
   * After a failure its name is taken back: whether that is durable nobody can say any more, no later
   * sync tells (W3), and the next process must not go on after it. No commit is in it that anybody
   * was told of.
   */
  async #publish(prepared: Prepared, mayGoOn: () => void): Promise<void> {
    this.#prepared = undefined;
    const path = this.#parts.layout.segment(prepared.info.number);
    try {
      await prepared.file.publish(path);
      mayGoOn();
    } catch (error) {
      await this.#parts.files.discard(path);
      await prepared.file.close();
      throw error;
    }
    this.#become(prepared);
  }

  #become(prepared: Prepared): void {
    const { segmentBytesMin, segmentBytesMax } = this.#parts.tuning;
    this.#current = { file: prepared.file, info: prepared.info };
    this.segments.push(prepared.info);
    this.#checksum = prepared.checksum;
    const doubled = Math.max(segmentBytesMin, prepared.file.capacity * 2);
    this.#nextCapacity = Math.min(segmentBytesMax, doubled);
    this.#moveEnd(prepared.info);
  }

  #advance(bytes: Buffer, lastPosition: number): void {
    const { info } = this.#current as { info: SegmentInfo };
    info.endByte += bytes.length;
    info.lastPosition = lastPosition;
    this.#checksum = crc32(bytes, this.#checksum);
    this.#moveEnd(info);
  }

  #moveEnd(info: SegmentInfo): void {
    this.#end = {
      segment: info.number,
      byte: info.endByte,
      position: info.lastPosition,
      checksum: hex(this.#checksum),
    };
  }
}
