const CHECKSUM_BYTES = 4;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** By the two bits that stand for them in the descriptor of a frame. */
const DICTIONARY_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const RUN_LENGTH_BLOCK = 1;

type Field = 'magic' | 'skippable size' | 'descriptor' | 'block';
type Step = Field | 'skipping';

/**
 * Follows zstd frames by their lengths alone (RFC 8878, 3.1), to tell a frame that is whole from one
 * that was cut off: the decoder of Node 22 takes either for the end. What the bytes stand for, and
 * whether they are right, the decoder says.
 *
 *     magic ──> descriptor ──> skipping the rest of the header ──> block ──> skipping it ──> … ──> magic
 *       └────> skippable size ──> skipping ──> magic
 */
export class ZstdFrames {
  #step: Step = 'magic';
  /** What comes behind that which is skipped. */
  #next: Step = 'magic';
  /** Bytes still to be skipped. */
  #skip = 0;
  #hasChecksum = false;
  /** The beginning of a field that is not there as a whole yet. */
  #field: number[] = [];

  /** Nothing is under way. */
  get isBetweenFrames(): boolean {
    return this.#step === 'magic' && this.#field.length === 0;
  }

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const step = this.#step;
      if (step === 'skipping') {
        const skipped = Math.min(this.#skip, bytes.length - at);
        at += skipped;
        this.#skip -= skipped;
        if (this.#skip === 0) this.#step = this.#next;
      } else {
        this.#field.push(bytes[at++] ?? 0);
        if (this.#field.length === fieldBytes(step)) this.#understand(step);
      }
    }
  }

  #understand(step: Field): void {
    const field = Buffer.from(this.#field).readUIntLE(0, this.#field.length);
    this.#field = [];
    switch (step) {
      case 'magic': {
        const isSkippable = (field & ~0xf) >>> 0 === SKIPPABLE_MAGIC;
        this.#step = isSkippable ? 'skippable size' : 'descriptor';
        break;
      }
      case 'skippable size':
        this.#skipTo('magic', field);
        break;
      case 'descriptor':
        this.#hasChecksum = (field & 0b100) !== 0;
        this.#skipTo('block', headerBytes(field));
        break;
      case 'block':
        this.#takeBlock(field);
    }
  }

  #takeBlock(header: number): void {
    const isLast = (header & 1) === 1;
    const isRunLength = ((header >> 1) & 0b11) === RUN_LENGTH_BLOCK;
    const content = isRunLength ? 1 : header >> 3;
    const checksum = isLast && this.#hasChecksum ? CHECKSUM_BYTES : 0;
    this.#skipTo(isLast ? 'magic' : 'block', content + checksum);
  }

  #skipTo(next: Step, bytes: number): void {
    this.#next = next;
    this.#skip = bytes;
    this.#step = bytes === 0 ? next : 'skipping';
  }
}

function fieldBytes(field: Field): number {
  if (field === 'descriptor') return 1;
  return field === 'block' ? 3 : 4;
}

/** What is left of the header of a frame behind its descriptor. */
function headerBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0b10_0000) !== 0;
  const dictionary = DICTIONARY_BYTES[descriptor & 0b11] ?? 0;
  const size = CONTENT_SIZE_BYTES[descriptor >> 6] ?? 0;
  // A single segment says its size in any case, and needs no window.
  return dictionary + (isSingleSegment ? Math.max(1, size) : 1 + size);
}
