import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Change } from '../../src/lib/model/change.ts';
import {
  EMPTY_ARTIFACT,
  EMPTY_EVENT,
  EMPTY_RUN,
  EMPTY_STEP,
} from '../../src/lib/model/represent.ts';
import { changeToText } from '../../src/lib/model/text.ts';
import {
  commitBody,
  isSealed,
  LINE_BYTES_MAX,
  openLine,
  parseFrame,
  scanLines,
  sealLine,
} from '../../src/lib/store/FileSystemStore/frame.ts';

const at = '2026-01-02T03:04:05.678Z';

const changes: readonly Change[] = [
  {
    type: 'run.created',
    runId: 'r"1',
    run: {
      ...EMPTY_RUN,
      id: 'r"1',
      workflow: 'w\u00e9',
      input: '{"b":1,"a":[1.5]}',
      createdAt: at,
    },
  },
  { type: 'run.updated', runId: 'r"1', version: 2, set: { status: 'running', output: '"x"' } },
  { type: 'run.metered', runId: 'r"1', metrics: { tokens: 7 } },
  { type: 'step.created', runId: 'r"1', step: { ...EMPTY_STEP, id: 's', name: 'fetch' } },
  { type: 'step.updated', runId: 'r"1', stepId: 's', version: 2, set: { progress: 0.5 } },
  {
    type: 'event.appended',
    runId: 'r"1',
    event: { ...EMPTY_EVENT, seq: 1, type: 't', recordedAt: at, occurredAt: at },
  },
  { type: 'artifact.put', runId: 'r"1', artifact: { ...EMPTY_ARTIFACT, name: 'a', version: 1 } },
  { type: 'run.deleted', runId: 'r"1', version: 3 },
];

const commit = sealLine(
  commitBody({ position: 7, at, durable: 5 }, changes.map(changeToText).join(',')),
);
const bytesOf = (line: string): Buffer => Buffer.from(line.replace(/\n$/, ''));

describe('a line with its checksum', () => {
  test('is one JSON object that ends with crc and a newline', () => {
    const line = sealLine('{"a":1,"b":"\u00e9"');
    expect(line).toMatch(/^\{"a":1,"b":"\u00e9","crc":"[0-9a-f]{8}"\}\n$/);
    expect(JSON.parse(line)).toMatchObject({ a: 1, b: '\u00e9' });
    expect(openLine(bytesOf(line))).toEqual({ a: 1, b: '\u00e9' });
  });

  test('has the CRC-32 that the standard gives for its bytes', () => {
    // The check value of CRC-32/ISO-HDLC is that of the digits 1 to 9.
    expect(sealLine('123456789')).toBe('123456789,"crc":"cbf43926"}\n');
  });

  test('is refused when any byte of it is another, at every place [FO-11]', () => {
    const line = bytesOf(commit);
    for (let i = 0; i < line.length; i++) {
      const damaged = Buffer.from(line);
      damaged[i] = (damaged[i] as number) ^ (1 << (i % 8));
      expect(openLine(damaged)).toBeUndefined();
    }
  });

  test('is refused when it is cut or lengthened anywhere (W2)', () => {
    const line = bytesOf(commit);
    for (let i = 0; i < line.length; i++) {
      expect(openLine(line, 0, i)).toBeUndefined();
      expect(openLine(line, i + 1, line.length)).toBeUndefined();
    }
    expect(openLine(Buffer.from(`${line.toString()} `))).toBeUndefined();
  });

  test('is refused with its checksum in capitals, and when it is no JSON', () => {
    const line = sealLine('{"a":1');
    const capitals = line.replace(/"([0-9a-f]{8})"/, (text) => text.toUpperCase());
    expect(capitals).not.toBe(line);
    expect(openLine(bytesOf(capitals))).toBeUndefined();
    const noJson = bytesOf(sealLine('{"a":'));
    expect(isSealed(noJson)).toBe(true);
    expect(openLine(noJson)).toBeUndefined();
    expect(openLine(bytesOf(sealLine('{')))).toBeUndefined();
    expect(openLine(Buffer.alloc(0))).toBeUndefined();
  });

  test('is found inside of other bytes by its place', () => {
    const line = sealLine('{"a":1');
    const around = Buffer.from(`xx${line}yy`);
    expect(openLine(around, 2, 2 + line.length - 1)).toEqual({ a: 1 });
  });
});

describe('a commit', () => {
  test('comes back with every kind of change as it was', () => {
    const line = openLine(bytesOf(commit)) ?? {};
    expect(parseFrame(line)).toEqual({ position: 7, at, durable: 5, changes });
  });

  test.each([
    { header: {} },
    { position: 0, at, durable: 0, changes: [] },
    { position: 1.5, at, durable: 0, changes: [] },
    { position: 1, at: 5, durable: 0, changes: [] },
    { position: 1, at, durable: -1, changes: [] },
    { position: 1, at, durable: 0, changes: {} },
  ])('is not what this line is: %j', (line) => {
    expect(parseFrame(line)).toBeUndefined();
  });

  test.each([{ type: 'run.renamed', runId: 'r' }, null, 5])(
    'with a change of a later version is refused, never skipped: %j',
    (change) => {
      const parse = () => parseFrame({ position: 1, at, durable: 0, changes: [change] });
      expect(parse).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_FORMAT' }));
    },
  );
});

interface Scanned {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

async function scan(bytes: Buffer, chunkBytes?: number, from = 0): Promise<Scanned[]> {
  const found: Scanned[] = [];
  const read = (position: number, length: number) =>
    Promise.resolve(Buffer.from(bytes.subarray(position, position + length)));
  for await (const { start, end, line } of scanLines(read, from, bytes.length, chunkBytes)) {
    found.push({ start, end, text: line.toString() });
  }
  return found;
}

describe('scanning lines', () => {
  test('finds the same lines and places whatever the chunks and the filler between', async () => {
    const pieces = fc.array(fc.stringMatching(/^[a-z]{0,9}$/), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 40 }), async (texts, chunkBytes) => {
        const expected: Scanned[] = [];
        let position = 0;
        for (const text of texts) {
          const end = position + text.length + 1;
          if (text !== '') expected.push({ start: position, end, text });
          position = end;
        }
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
        expect(await scan(bytes, chunkBytes)).toEqual(expected);
      }),
    );
  });

  test('gives nothing to open for bytes that no newline bounds (W2)', async () => {
    const whole = sealLine('{"a":1');
    const torn = `${whole}${whole.slice(0, -1)}`;
    const [first, second] = await scan(Buffer.from(torn));
    expect(first?.text).toBe(whole.slice(0, -1));
    expect(second).toEqual({ start: whole.length, end: torn.length, text: '' });
  });

  test('begins in the middle of a file, and ends where the file does', async () => {
    const bytes = Buffer.from('one\ntwo\nthree\n');
    expect(await scan(bytes, 4, 4)).toEqual([
      { start: 4, end: 8, text: 'two' },
      { start: 8, end: 14, text: 'three' },
    ]);
    const lines = scanLines(() => Promise.resolve(Buffer.alloc(0)), 0, 100);
    expect(await Array.fromAsync(lines)).toEqual([]);
  });

  test('passes 16 MB of filler in less time than 100 KB of short lines', async () => {
    const best = async (bytes: Buffer): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 5; i++) {
        const read = (at: number, length: number) =>
          Promise.resolve(bytes.subarray(at, at + length));
        const started = performance.now();
        const lines = await Array.fromAsync(scanLines(read, 0, bytes.length));
        times.push(performance.now() - started);
        expect(lines.at(-1)).toMatchObject({ end: bytes.length, line: Buffer.from('x') });
      }
      return Math.min(...times);
    };
    const filler = Buffer.alloc(16 * 1024 * 1024, '\n');
    filler[filler.length - 2] = 0x78;
    const lines = Buffer.from('x\n'.repeat(50_000));
    expect(await best(filler)).toBeLessThan(await best(lines));
  });

  test('takes a line of 40 MB, and does not gather one that is longer', async () => {
    const huge = Buffer.alloc(LINE_BYTES_MAX, 'x');
    huge[huge.length - 1] = 0x0a;
    const [line] = await scan(huge);
    expect(line?.text.length).toBe(LINE_BYTES_MAX - 1);

    const end = Buffer.from('\nnext\n');
    const [MiB, total] = [1024 * 1024, 400 * 1024 * 1024];
    const read = (at: number) => Promise.resolve(at < total ? Buffer.alloc(MiB, 'x') : end);
    const before = process.memoryUsage().rss;
    const lines = scanLines(read, 0, total + end.length, MiB);
    const found = await Array.fromAsync(lines, ({ line }) => line.toString());
    expect(found).toEqual(['', 'next']);
    expect(process.memoryUsage().rss - before).toBeLessThan(320 * MiB);
  });
});
