import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  CHUNK_BYTES_MAX,
  CHUNK_MS_MAX,
  type OutputChunk,
  OutputChunker,
} from '../../src/cli/recording/outputChunker.ts';

/** A chunker whose time passes only when the test says so. */
function bench() {
  const chunks: OutputChunk[] = [];
  let now = 1_000;
  let timer: { at: number; task: () => void } | undefined;
  const clock = {
    now: () => now,
    after(ms: number, task: () => void) {
      const mine = { at: now + ms, task };
      timer = mine;
      return () => {
        if (timer === mine) timer = undefined;
      };
    },
  };
  const pass = (ms: number): void => {
    now += ms;
    const due = timer;
    if (due === undefined || due.at > now) return;
    timer = undefined;
    due.task();
  };
  return { chunks, pass, chunker: new OutputChunker('stdout', clock, (c) => chunks.push(c)) };
}

const bytesOf = (chunks: readonly OutputChunk[]): Buffer =>
  Buffer.concat(chunks.map(({ data }) => data));

describe('output is gathered', () => {
  test('for 50 ms from its first byte, and has that byte’s time', () => {
    const { chunks, chunker, pass } = bench();
    chunker.add(Buffer.from('a'));
    pass(CHUNK_MS_MAX - 1);
    chunker.add(Buffer.from('b'));
    expect(chunks).toEqual([]);
    pass(1);
    expect(chunks).toMatchObject([{ text: 'ab', at: 1_000 }]);
  });

  test('or until it is 16 KiB, whichever comes first', () => {
    const { chunks, chunker, pass } = bench();
    chunker.add(Buffer.alloc(CHUNK_BYTES_MAX * 2 + 1, 'x'));
    expect(chunks.map(({ data }) => data.length)).toEqual([CHUNK_BYTES_MAX, CHUNK_BYTES_MAX]);
    pass(CHUNK_MS_MAX);
    expect(chunks.at(-1)?.text).toBe('x');
  });

  test('a character that is cut waits for its other bytes', () => {
    const { chunks, chunker, pass } = bench();
    const euro = Buffer.from('€');
    chunker.add(Buffer.concat([Buffer.from('a'), euro.subarray(0, 2)]));
    pass(CHUNK_MS_MAX);
    expect(chunks).toMatchObject([{ text: 'a' }]);
    chunker.add(euro.subarray(2));
    pass(CHUNK_MS_MAX);
    expect(chunks[1]).toMatchObject({ text: '€' });
  });

  test('what never becomes a character comes out as bytes at the end', () => {
    const { chunks, chunker } = bench();
    chunker.add(Buffer.from([0xe2, 0x82]));
    chunker.end();
    expect(chunks).toMatchObject([{ text: undefined, data: Buffer.from([0xe2, 0x82]) }]);
  });

  test('whatever the bytes and however they come, all come out in order, none too large', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => Buffer.from(text)),
      fc.nat(40_000).map((length) => Buffer.alloc(length, 'añ€😀')),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(piece, fc.nat(60))), (pieces) => {
        const { chunks, chunker, pass } = bench();
        for (const [data, ms] of pieces) {
          chunker.add(Buffer.from(data));
          pass(ms);
        }
        chunker.end();
        expect(bytesOf(chunks).equals(Buffer.concat(pieces.map(([data]) => data)))).toBe(true);
        for (const { data, text } of chunks) {
          expect(data.length).toBeGreaterThan(0);
          expect(data.length).toBeLessThanOrEqual(CHUNK_BYTES_MAX);
          if (text !== undefined) expect(Buffer.from(text).equals(data)).toBe(true);
        }
      }),
    );
  });

  test('text stays text wherever it is cut', () => {
    const text = 'añ€😀'.repeat(5_000);
    fc.assert(
      fc.property(fc.array(fc.nat(Buffer.byteLength(text)), { maxLength: 20 }), (cuts) => {
        const { chunks, chunker, pass } = bench();
        const all = Buffer.from(text);
        const sorted = [0, ...cuts.toSorted((a, b) => a - b), all.length];
        for (const [i, end] of sorted.entries()) {
          chunker.add(all.subarray(sorted[i - 1] ?? 0, end));
          pass(CHUNK_MS_MAX);
        }
        chunker.end();
        expect(chunks.map((chunk) => chunk.text).join('')).toBe(text);
      }),
    );
  });
});
