import { isStoreError, StoreError } from '../../../errors.ts';
import { type Frame, openLine, parseFrame, scanLines } from '../frame.ts';
import type { Layout } from '../layout.ts';
import type { FileOperationService } from '../FileOperationService.ts';
import { corrupt, type SegmentInfo } from './segment.ts';

/** A place in the log at which a reader goes on without searching. */
export interface LogPlace {
  segment: number;
  byte: number;
  /** The position before that byte. */
  position: number;
}

/** Reads frames back. It sees only what the journal tells it is durable. */
export class LogReader {
  readonly #files: FileOperationService;
  readonly #layout: Layout;
  readonly #segments: () => readonly SegmentInfo[];

  constructor(files: FileOperationService, layout: Layout, segments: () => readonly SegmentInfo[]) {
    this.#files = files;
    this.#layout = layout;
    this.#segments = segments;
  }

  /** The lowest position after which every commit can still be read. */
  get oldest(): number {
    const first = this.#segments()[0];
    return first === undefined ? 0 : first.firstPosition - 1;
  }

  /** The place after `position`; `POSITION_EXPIRED` when what follows it was removed. */
  placeAfter(position: number): LogPlace {
    const segments = this.#segments();
    if (segments.length > 0 && position < this.oldest) throw expired();
    const segment = segments.findLast(({ firstPosition }) => firstPosition <= position + 1);
    if (segment === undefined) return { segment: 0, byte: 0, position };
    return {
      segment: segment.number,
      byte: segment.headerBytes,
      position: segment.firstPosition - 1,
    };
  }

  /** The frames after `place` up to `upTo`, in order; `place` moves along. */
  async *frames(place: LogPlace, after: number, upTo: number): AsyncGenerator<Frame> {
    while (place.position < upTo) {
      const segment = this.#segmentOf(place);
      if (segment.number !== place.segment) {
        place.segment = segment.number;
        place.byte = segment.headerBytes;
      }
      const file = this.#layout.segment(segment.number);
      const lines = scanLines(
        (at, length) => this.#read(segment, at, length),
        place.byte,
        segment.endByte,
      );
      for await (const { start, end, line } of lines) {
        const opened = openLine(line, 0, line.length);
        const frame = opened === undefined ? undefined : parseFrame(opened);
        if (frame === undefined) {
          if (segment.lastPosition === place.position) break;
          throw corrupt(file, start, 'a frame does not match its checksum');
        }
        if (frame.position !== place.position + 1) {
          throw corrupt(file, start, `commit ${place.position + 1} is missing`);
        }
        place.byte = end;
        place.position = frame.position;
        if (frame.position > after) yield frame;
        if (frame.position >= upTo) return;
      }
      if (place.position < segment.lastPosition && place.position < upTo) {
        throw corrupt(file, place.byte, `commit ${place.position + 1} is missing`);
      }
    }
  }

  #segmentOf(place: LogPlace): SegmentInfo {
    const next = place.position + 1;
    const segment = this.#segments().find(
      ({ firstPosition, lastPosition }) => firstPosition <= next && next <= lastPosition,
    );
    if (segment === undefined) throw expired();
    return segment;
  }

  async #read(segment: SegmentInfo, at: number, length: number): Promise<Buffer> {
    const file = this.#layout.segment(segment.number);
    try {
      return await this.#files.readRange(file, at, length);
    } catch (error) {
      if (!isStoreError(error, 'NOT_FOUND')) throw error;
      // Who removes a segment takes it off the list first: one that is still there was lost.
      if (!this.#segments().includes(segment)) throw expired();
      throw corrupt(file, at, 'the segment is missing');
    }
  }
}

function expired(): StoreError {
  const message = 'the log no longer holds what follows this position';
  return new StoreError('POSITION_EXPIRED', message);
}
