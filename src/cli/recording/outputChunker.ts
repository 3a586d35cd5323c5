import { isUtf8 } from 'node:buffer';
import type { Clock } from '../../index.ts';

export type OutputSource = 'stdout' | 'stderr';

/** A stretch of output as it is recorded: whole characters where it is UTF-8. */
export interface OutputChunk {
  readonly source: OutputSource;
  /** When its first byte came. Milliseconds since 1970. */
  readonly at: number;
  readonly data: Buffer;
  /** `undefined` when the bytes are no text: no UTF-8, or with a NUL among them. */
  readonly text: string | undefined;
}

export const CHUNK_BYTES_MAX = 16 * 1024;
export const CHUNK_MS_MAX = 50;

/**
 * Gathers what a command writes until it is 16 KiB, or 50 ms old, and hands it on. A character that
 * is cut by a border waits for its other bytes, so that text stays text.
 */
export class OutputChunker {
  readonly #source: OutputSource;
  readonly #clock: Clock;
  readonly #emit: (chunk: OutputChunk) => void;
  #pending: Buffer[] = [];
  #bytes = 0;
  #since = 0;
  #cancel: (() => void) | undefined;

  constructor(source: OutputSource, clock: Clock, emit: (chunk: OutputChunk) => void) {
    this.#source = source;
    this.#clock = clock;
    this.#emit = emit;
  }

  add(data: Buffer): void {
    if (data.length === 0) return;
    if (this.#bytes === 0) this.#since = this.#clock.now();
    this.#pending.push(data);
    this.#bytes += data.length;
    if (this.#bytes >= CHUNK_BYTES_MAX) this.#emitFull();
    if (this.#bytes > 0) this.#cancel ??= this.#clock.after(CHUNK_MS_MAX, () => this.#flush());
  }

  /** Hands on all that is left. Nothing may be added afterwards. */
  end(): void {
    this.#stopTimer();
    if (this.#bytes > 0) this.#emitPart(this.#take());
  }

  #emitFull(): void {
    this.#stopTimer();
    let rest = this.#take();
    while (rest.length >= CHUNK_BYTES_MAX) {
      const full = rest.subarray(0, CHUNK_BYTES_MAX);
      const cut = full.length - unfinishedBytes(full);
      this.#emitPart(rest.subarray(0, cut));
      rest = rest.subarray(cut);
      this.#since = this.#clock.now();
    }
    this.#keep(rest);
  }

  #flush(): void {
    this.#cancel = undefined;
    const all = this.#take();
    const cut = all.length - unfinishedBytes(all);
    if (cut > 0) {
      this.#emitPart(all.subarray(0, cut));
      this.#since = this.#clock.now();
    }
    this.#keep(all.subarray(cut));
  }

  #take(): Buffer {
    const all = this.#pending.length === 1 ? this.#pending[0] : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#bytes = 0;
    return all ?? Buffer.alloc(0);
  }

  #keep(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#pending = [rest];
    this.#bytes = rest.length;
  }

  #emitPart(data: Buffer): void {
    // In JSON a NUL takes six characters: bytes with them are kept as bytes.
    const text = isUtf8(data) && !data.includes(0) ? data.toString('utf8') : undefined;
    this.#emit({ source: this.#source, at: this.#since, data, text });
  }

  #stopTimer(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

/** How many bytes at the end begin a UTF-8 character that is not complete: 0 to 3. */
function unfinishedBytes(data: Buffer): number {
  for (let back = 1; back <= Math.min(3, data.length); back++) {
    const byte = data[data.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return wanted > back ? back : 0;
  }
  return 0;
}
