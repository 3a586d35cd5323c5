import type { StoredBlob } from '../../model/artifact.ts';
import { invalid } from '../../model/check.ts';
import type { ArtifactBody } from '../contract.ts';

/** Where the bytes of artifacts are put and read. */
export interface Blobs {
  put(body: ArtifactBody): Promise<StoredBlob>;
  /** All of it, checked against its digest, or the bytes of a range inside of it. */
  open(blob: StoredBlob, range?: ByteRange): AsyncIterable<Uint8Array>;
}

/** From `start` up to, not including, `end`: whole numbers inside of what they are a range of. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The blobs of one transaction, over all its tries: a stream can be read only once, and where it
 * comes again it stands for the bytes that it gave before.
 */
export class ReplayedBlobs implements Blobs {
  readonly #blobs: Blobs;
  readonly #byStream = new Map<object, Promise<StoredBlob>>();

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  put(body: ArtifactBody): Promise<StoredBlob> {
    if (typeof body === 'string' || body instanceof Uint8Array) return this.#blobs.put(body);
    const stored = this.#byStream.get(body) ?? this.#blobs.put(body);
    this.#byStream.set(body, stored);
    return stored;
  }

  open(blob: StoredBlob, range?: ByteRange): AsyncIterable<Uint8Array> {
    return this.#blobs.open(blob, range);
  }
}

/** The bytes of an artifact, piece by piece. `INVALID_ARGUMENT` for what has none. */
export async function* chunksOf(body: ArtifactBody): AsyncGenerator<Uint8Array> {
  if (typeof body === 'string' || body instanceof Uint8Array) {
    yield typeof body === 'string' ? Buffer.from(body) : body;
    return;
  }
  if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)) {
    throw invalid('artifact.body', 'must be a string, a Uint8Array or a stream of Uint8Array');
  }
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) {
      throw invalid('artifact.body', 'must be a stream of Uint8Array');
    }
    yield chunk;
  }
}
