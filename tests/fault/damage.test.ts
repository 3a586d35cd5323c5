import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import type { Store } from '../../src/index.ts';
import {
  damaged,
  frame,
  JournalBuilder,
  RUN,
  type SegmentPlan,
  segmentsIn,
} from '../fixtures/store/journals.ts';
import { refusal, Scene } from '../fixtures/store/scene.ts';
import type { Call } from '../fixtures/store/testDisk.ts';

const scene = new Scene();

/** A journal of these segments; each tells the last position that counts in it. */
async function journal(...segments: readonly (SegmentPlan & { last: number })[]) {
  const builder = await new JournalBuilder(scene.at('data')).begin();
  for (const plan of segments) await builder.segment(plan, plan.last);
  return builder;
}

/** The positions of the commits that are served: 1 made the run, each later one an event. */
async function served(store: Store): Promise<number[]> {
  const { items } = await store.events.list(RUN, { limit: 100 });
  expect(items.map(({ payload }) => payload)).toEqual(
    items.map(({ seq }) => `payload of ${seq + 1}`),
  );
  return [1, ...items.map(({ seq }) => seq + 1)];
}

/** Opening recovers what counts, changes no old byte, and the store goes on, twice. */
async function expectRecovered(positions: readonly number[]): Promise<Store> {
  const before = await segmentsIn(scene.at('data'));
  const store = await scene.open();
  expect(await served(store)).toEqual(positions);
  const after = await segmentsIn(scene.at('data'));
  for (const [name, bytes] of before) expect(after.get(name)?.equals(bytes)).toBe(true);
  const { seq } = await store.events.append(RUN, { type: 'e', payload: 'new' });
  expect(seq).toBe(positions.length);
  expect((await store.verify()).findings).toEqual([]);
  const copy = await scene.openCopy('copy');
  expect((await copy.events.list(RUN, { limit: 100 })).items).toHaveLength(positions.length);
  expect((await copy.verify()).findings).toEqual([]);
  return store;
}

describe('a tail that was never acknowledged is left behind', () => {
  test('when the last batch is torn in the middle [W9]', async () => {
    const torn = frame(4, 2).subarray(0, 40);
    await journal({ lines: [frame(1, 0), frame(2, 1), frame(3, 2), torn], last: 3 });
    const store = await expectRecovered([1, 2, 3]);
    const { recovery } = await store.stats();
    // Only what no later frame proves durable is copied: 3 was of the same batch.
    expect(recovery).toMatchObject({ clean: false, commitsCopied: 1 });
    expect(recovery.bytesLeftBehind).toBeGreaterThanOrEqual(torn.length);
  });

  test('when a bad frame stands before good ones of its batch [W9]', async () => {
    const lines = [frame(1, 0), frame(2, 1), damaged(frame(3, 2)), frame(4, 2), frame(5, 2)];
    await journal({ lines, last: 2 });
    const store = await expectRecovered([1, 2]);
    const left = lines.slice(2).reduce((sum, { length }) => sum + length, 0);
    expect((await store.stats()).recovery.bytesLeftBehind).toBe(left);
  });

  test('when a frame of the batch never came, and those after it did [W9]', async () => {
    const hole = Buffer.alloc(frame(3, 2).length, '\n');
    await journal({ lines: [frame(1, 0), frame(2, 1), hole, frame(4, 2)], last: 2 });
    await expectRecovered([1, 2]);
  });

  test.each([
    ['zeros', Buffer.alloc(300)],
    ['text without an end', Buffer.from('x'.repeat(3_000))],
    ['a line that is not JSON', Buffer.from('{"position":3,"durable":9}\n')],
    ['an old frame', frame(2, 1)],
    ['a frame of the future', frame(9, 2)],
  ])('when %s come after the end [W9] [W2]', async (_what, garbage) => {
    await journal({ lines: [frame(1, 0), frame(2, 1)], garbage, last: 2 });
    await expectRecovered([1, 2]);
  });

  test('when the newest segment has its header only [W4]', async () => {
    await journal(
      { lines: [frame(1, 0), frame(2, 1)], sealed: true, last: 2 },
      { lines: [], last: 2 },
    );
    const store = await expectRecovered([1, 2]);
    expect((await store.stats()).recovery.commitsCopied).toBe(0);
  });
});

describe('frames whose durability is not proven', () => {
  test('are copied, byte by byte, into the next segment before they are served [W4]', async () => {
    const unproven = [frame(3, 2), frame(4, 2)];
    const builder = await journal({ lines: [frame(1, 0), frame(2, 1), ...unproven], last: 4 });
    await expectRecovered([1, 2, 3, 4]);
    const copied = await readFile(builder.path(2));
    expect(copied.includes(Buffer.concat(unproven))).toBe(true);
    const header = JSON.parse(copied.subarray(0, copied.indexOf('\n')).toString()) as {
      header: { durable: number; predecessor: { byte: number; position: number } };
    };
    const { durable, predecessor } = header.header;
    expect(durable).toBe(4);
    expect(predecessor.position).toBe(2);
    // The file, its bytes, and only then its name, are made durable (W5).
    const calls = scene.disk.calls.filter(({ path }) => path.includes('journal'));
    const named = calls.findIndex(({ op, to }) => op === 'rename' && to === builder.path(2));
    const written = calls.findLastIndex(({ op }, i) => op === 'write' && i < named);
    expect(calls[written]?.bytes).toBe(Buffer.concat(unproven).length);
    expect(calls.slice(named).some(({ op }) => op === 'sync')).toBe(true);
  });

  test('in an old segment past the end that its successor states are ignored [W4] [W11]', async () => {
    const builder = await journal({ lines: [frame(1, 0), frame(2, 1)], last: 2 });
    await builder.segment({ lines: [frame(3, 2)] }, 3);
    // The former owner woke up and went on writing in its old segment.
    const late = Buffer.concat([frame(3, 2), frame(4, 3)]);
    const old = await readFile(builder.path(1));
    late.copy(old, old.length - 512 + 1);
    await writeFile(builder.path(1), Buffer.concat([old.subarray(0, -512), late]));
    await expectRecovered([1, 2, 3]);
  });

  test('survive a crash during their recovery, and another one [W4]', async () => {
    await journal({ lines: [frame(1, 0), frame(2, 0), frame(3, 0)], last: 3 });
    for (let n = 1; n <= 3; n++) {
      const copy = await scene.openCopy(`crash ${n}`);
      expect(await served(copy)).toEqual([1, 2, 3]);
    }
    let renames = 0;
    scene.disk.fault = ({ op, to }) =>
      op === 'rename' && to?.includes('journal') && ++renames < 3 ? 'EIO' : undefined;
    for (let n = 0; n < 2; n++) {
      await expect(scene.open()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      expect(scene.disk.openHandles).toBeGreaterThanOrEqual(0);
    }
    await expectRecovered([1, 2, 3]);
  });
});

describe('damage of what was acknowledged is refused, and never cut away', () => {
  async function expectCorrupt(file: string, byte: number, prefix: readonly number[]) {
    const before = await segmentsIn(scene.at('data'));
    const error = await refusal(scene.open(), 'JOURNAL_CORRUPT');
    expect(error.id).toBe(file);
    expect(error.message).toContain(`${file}, byte ${byte}: `);
    expect(await segmentsIn(scene.at('data'))).toEqual(before);
    const reader = await scene.open({ readOnly: true });
    if (prefix.length > 0) expect(await served(reader)).toEqual(prefix);
    else await refusal(reader.runs.get(RUN), 'NOT_FOUND');
    await refusal(reader.runs.create({ workflow: 'w' }), 'STORE_READ_ONLY');
    await refusal(reader.events.append(RUN, { type: 'e' }), 'STORE_READ_ONLY');
    await refusal(reader.pins.create({ name: 'p' }), 'STORE_READ_ONLY');
    await reader.close();
    expect(await segmentsIn(scene.at('data'))).toEqual(before);
  }
  const offset = async (builder: JournalBuilder, segment: number, line: Buffer) =>
    (await readFile(builder.path(segment))).indexOf(line);

  test('a bad frame with a later one that says it was durable [W9]', async () => {
    const bad = damaged(frame(3, 2));
    const lines = [frame(1, 0), frame(2, 1), bad, frame(4, 3)];
    const builder = await journal({ lines, last: 4 });
    await expectCorrupt(builder.path(1), await offset(builder, 1, bad), [1, 2]);
  });

  test('a frame that is missing before one that says it was durable [W9]', async () => {
    const next = frame(4, 3);
    const builder = await journal({ lines: [frame(1, 0), frame(2, 1), next], last: 4 });
    await expectCorrupt(builder.path(1), await offset(builder, 1, next), [1, 2]);
  });

  test('a frame that the header says was copied [W9] [W4]', async () => {
    const bad = damaged(frame(3, 1));
    const builder = await journal(
      { lines: [frame(1, 0)], last: 1 },
      { lines: [frame(2, 1), bad], durable: 3, last: 3 },
    );
    await expectCorrupt(builder.path(2), await offset(builder, 2, bad), [1, 2]);
  });

  test('a copied frame that is cut off at the end of the file [W9]', async () => {
    const lines = [frame(2, 1)];
    const builder = await journal(
      { lines: [frame(1, 0)], last: 1 },
      { lines, durable: 3, last: 3 },
    );
    const end = (await offset(builder, 2, frame(2, 1))) + frame(2, 1).length;
    await expectCorrupt(builder.path(2), end, [1, 2]);
  });

  test('a bad frame in the newest segment when that was sealed [W9]', async () => {
    const bad = damaged(frame(2, 1));
    const builder = await journal({ lines: [frame(1, 0), bad], sealed: true, last: 2 });
    await expectCorrupt(builder.path(1), await offset(builder, 1, bad), [1]);
  });

  test('something after the end of a sealed segment [W9]', async () => {
    const garbage = Buffer.from('late words\n');
    const builder = await journal({ lines: [frame(1, 0)], sealed: true, garbage, last: 1 });
    await expectCorrupt(builder.path(1), await offset(builder, 1, garbage), [1]);
  });

  test('a bad frame in an old segment [W9]', async () => {
    const bad = damaged(frame(2, 1));
    const builder = await journal(
      { lines: [frame(1, 0), bad], sealed: true, last: 2 },
      { lines: [frame(3, 2)], last: 3 },
    );
    await expectCorrupt(builder.path(1), await offset(builder, 1, bad), [1]);
  });

  test('a header that does not match its checksum [W4]', async () => {
    const builder = await journal(
      { lines: [frame(1, 0)], sealed: true, last: 1 },
      { lines: [frame(2, 1)], last: 2 },
    );
    const bytes = await readFile(builder.path(2));
    bytes[20] = 0x21;
    await writeFile(builder.path(2), bytes);
    await expectCorrupt(builder.path(2), 0, [1]);
  });

  test('an empty file in the place of a segment [W4]', async () => {
    const builder = await journal({ lines: [frame(1, 0)], sealed: true, last: 1 });
    await writeFile(builder.path(2), '');
    await expectCorrupt(builder.path(2), 0, [1]);
  });

  test('a segment that is missing in the middle [W9]', async () => {
    const builder = await journal(
      { lines: [frame(1, 0)], sealed: true, last: 1 },
      { lines: [frame(2, 1)], sealed: true, last: 2 },
      { lines: [frame(3, 2)], last: 3 },
    );
    await rm(builder.path(2));
    await expectCorrupt(builder.path(3), 0, [1]);
  });

  test('a first segment that says it goes on after nothing, behind another', async () => {
    const builder = await journal({ lines: [frame(1, 0)], sealed: true, last: 1 });
    const other = await new JournalBuilder(scene.at('data')).segment(
      { number: 2, lines: [frame(1, 0)] },
      1,
    );
    await expectCorrupt(other.path(2), 0, [1]);
    expect(builder.path(2)).toBe(other.path(2));
  });

  test('a segment of another store', async () => {
    const builder = await journal({ lines: [frame(1, 0)], storeId: 'another', last: 1 });
    await expectCorrupt(builder.path(1), 0, []);
  });

  test('bad bytes under a reader of the log are an error, never a commit [W9]', async () => {
    const store = await scene.open();
    const before = store.position();
    await store.runs.create({ id: 'one', workflow: 'w' });
    await store.runs.create({ id: 'two', workflow: 'w' });
    const path = scene.at('data', 'journal', '0000000001.ndjson');
    const bytes = await readFile(path);
    bytes[bytes.indexOf('"two"') + 1] = 0x54;
    await writeFile(path, bytes);
    const watched = store.watch({ after: before })[Symbol.asyncIterator]();
    expect((await watched.next()).value).toMatchObject({ changes: [{ runId: 'one' }] });
    await refusal(watched.next(), 'JOURNAL_CORRUPT');
    const { findings } = await store.verify();
    expect(findings).toMatchObject([{ code: 'JOURNAL_CORRUPT' }]);
  });
});

describe('opening only to read', () => {
  test('serves what a crash left, acknowledged and not proven, and changes nothing [W10]', async () => {
    await journal({ lines: [frame(1, 0), frame(2, 1), frame(3, 1)], last: 3 });
    const before = await segmentsIn(scene.at('data'));
    const store = await scene.open({ readOnly: true });
    expect(await served(store)).toEqual([1, 2, 3]);
    expect((await store.verify()).findings).toEqual([]);
    const synced = ({ op, path }: { op: string; path: string }) =>
      op === 'sync' && path.endsWith('1.ndjson');
    expect(scene.disk.calls.some(synced)).toBe(true);
    await store.close();
    expect(await segmentsIn(scene.at('data'))).toEqual(before);
    await expectRecovered([1, 2, 3]);
  });

  test('says so when what it read cannot be made durable [W10]', async () => {
    await journal({ lines: [frame(1, 0)], last: 1 });
    scene.disk.fault = ({ op, path }) =>
      op === 'sync' && path.endsWith('1.ndjson') ? 'EIO' : undefined;
    const error = await refusal(scene.open({ readOnly: true }), 'STORAGE_FAILED');
    expect(error.cause).toMatchObject({ code: 'EIO' });
  });
});

describe('a recovery that fails', () => {
  const isCopy = ({ op, path, bytes }: Call) =>
    op === 'write' && path.includes('.holdfast-') && path.includes('journal') && bytes !== 4096;

  test.each([
    ['header', 1],
    ['copies', 2],
  ])('on writing the %s lets everything go, and the next one succeeds [W4]', async (_what, nth) => {
    await journal({ lines: [frame(1, 0), frame(2, 1), frame(3, 1)], last: 3 });
    let copies = 0;
    scene.disk.fault = (call) => (isCopy(call) && ++copies === nth ? 'EIO' : undefined);
    await refusal(scene.open(), 'STORAGE_FAILED');
    expect(scene.disk.openHandles).toBe(0);
    await expectRecovered([1, 2, 3]);
  });

  test('because of damage further back writes nothing [W9]', async () => {
    await journal(
      { lines: [frame(1, 0), damaged(frame(2, 1))], sealed: true, last: 2 },
      { lines: [frame(3, 2)], last: 3 },
    );
    const before = await segmentsIn(scene.at('data'));
    for (let n = 0; n < 3; n++) await refusal(scene.open(), 'JOURNAL_CORRUPT');
    expect(await segmentsIn(scene.at('data'))).toEqual(before);
  });
});
