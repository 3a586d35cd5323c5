import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { type Commit, isStoreError, type OpenOptions, type Store } from '../../../src/index.ts';
import { aWhile, collect, refusal, Scene, take, until } from '../../fixtures/store/scene.ts';

const scene = new Scene();

/** How long a busy machine may take for what is otherwise done in milliseconds. */
const PATIENCE_MS = 10_000;

/** Segments of 4 KiB, of which those beyond 8 KiB go as soon as their runs are safe. */
const TRIMMING: OpenOptions = {
  segmentBytesMin: 4096,
  segmentBytesMax: 4096,
  journalBytesKeep: 8192,
  quietMs: 10,
};

async function fill(store: Store, events: number, runId = 'r'): Promise<void> {
  for (let n = 0; n < events; n++) {
    await store.events.append(runId, { type: 'e', payload: `${n}`.padEnd(700, '.') });
  }
}

const bytes = async (store: Store) => (await store.stats()).journal.bytes;

/** Waits until the checkpointer has made the journal as small as it may be. */
async function trimmed(store: Store, bytesMax = 16_384): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while ((await bytes(store)) > bytesMax && performance.now() < deadline) {
    scene.clock.advance(20);
    await aWhile(5);
  }
  expect(await bytes(store)).toBeLessThanOrEqual(bytesMax);
}

/** Lets the checkpointer work until the log no longer reaches back to `after`. */
async function expired(store: Store, after: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    scene.clock.advance(20);
    await aWhile(5);
    try {
      await take(store.watch({ after }), 1);
    } catch (error) {
      if (isStoreError(error, 'POSITION_EXPIRED')) return;
      throw error;
    }
  }
  throw new Error('the log was not trimmed');
}

async function opened(options: OpenOptions = {}): Promise<Store> {
  const store = await scene.open({ ...TRIMMING, ...options });
  await store.runs.create({ id: 'r', workflow: 'w' });
  return store;
}

describe('old segments', () => {
  test('are removed, and a watcher from before them is told so [W7]', async () => {
    const store = await opened();
    const start = store.position();
    await fill(store, 60);
    await trimmed(store);
    await refusal(take(store.watch({ after: start }), 1), 'POSITION_EXPIRED');
    await refusal(store.pins.create({ name: 'late', after: start }), 'POSITION_EXPIRED');
    expect(await collect(store.events.list('r'))).toHaveLength(60);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('are removed only after the run files that replace them are durable [W7] [W8]', async () => {
    const store = await opened();
    await fill(store, 40);
    await trimmed(store);
    const { calls } = scene.disk;
    const isSegment = (path: string) => /journal.\d{10}\.ndjson$/.test(path);
    const removed = calls.findIndex(({ op, path }) => op === 'unlink' && isSegment(path));
    const before = calls.slice(0, removed);
    const named = before.findLastIndex(({ op, to }) => op === 'rename' && /runs./.test(to ?? ''));
    const synced = before.findLastIndex(({ op, path }) => op === 'sync' && /runs.\w\w$/.test(path));
    expect(named).toBeGreaterThan(0);
    expect(synced).toBeGreaterThan(named);
  });

  test('under a watcher that reads them never make it skip a commit [W7]', async () => {
    const store = await opened();
    const from = store.position();
    await fill(store, 4);
    const seen: Commit[] = [];
    let outcome = '';
    const watching = (async () => {
      for await (const commit of store.watch({ after: from })) {
        seen.push(commit);
        await aWhile(2);
      }
    })().then(
      () => (outcome = 'ended'),
      (error: { code: string }) => (outcome = error.code),
    );
    await fill(store, 60);
    scene.clock.advance(20);
    await until(() => seen.length === 64 || outcome !== '');
    await store.close();
    await watching;
    expect(['ended', 'POSITION_EXPIRED']).toContain(outcome);
    expect(seen.length).toBeGreaterThan(5);
    const seqs = seen.map(({ changes: [change] }) =>
      change?.type === 'event.appended' ? change.event.seq : 0,
    );
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  });
});

describe('a pin', () => {
  test('holds the log for its reader, also after reopening, until it moves on [W7]', async () => {
    let store = await opened();
    const start = store.position();
    const pin = await store.pins.create({ name: 'backup' });
    expect(pin).toMatchObject({ name: 'backup', position: start, broken: false });
    await refusal(store.pins.create({ name: 'backup' }), 'ALREADY_EXISTS');
    await fill(store, 60);
    await store.close();
    store = await scene.open(TRIMMING);
    expect(await store.pins.list()).toMatchObject([{ name: 'backup', position: start }]);
    await fill(store, 5);
    scene.clock.advance(20);
    await aWhile();
    const commits = await take(store.watch({ after: start }), 65);
    expect(commits).toHaveLength(65);

    const moved = await store.pins.advance('backup', commits[50]?.position ?? '');
    expect(moved.position).toBe(commits[50]?.position);
    await fill(store, 5);
    await expired(store, start);
    expect(await take(store.watch({ after: moved.position }), 15)).toHaveLength(15);
    // It never goes back.
    const back = await store.pins.advance('backup', commits[45]?.position ?? '');
    expect(back.position).toBe(moved.position);

    await store.pins.release('backup');
    expect(await store.pins.list()).toEqual([]);
    await fill(store, 1);
    await trimmed(store);
    await refusal(take(store.watch({ after: moved.position }), 1), 'POSITION_EXPIRED');
    await refusal(store.pins.release('backup'), 'NOT_FOUND');
    await refusal(store.pins.advance('backup', start), 'NOT_FOUND');
  });

  test('breaks at its cap, and may then be set to what is still there', async () => {
    const store = await opened();
    const start = store.position();
    await store.pins.create({ name: 'slow', bytesMax: 20_000 });
    await fill(store, 60);
    await trimmed(store);
    expect(await store.pins.list()).toMatchObject([{ name: 'slow', broken: true }]);
    await refusal(take(store.watch({ after: start }), 1), 'POSITION_EXPIRED');
    await refusal(store.pins.advance('slow', start), 'POSITION_EXPIRED');
    const again = await store.pins.advance('slow', store.position());
    expect(again).toMatchObject({ broken: false, position: store.position() });
  });

  test('that holds more than the journal may have never stops writers', async () => {
    const store = await opened({ journalBytesMax: 12_000 });
    const start = store.position();
    await store.pins.create({ name: 'slow' });
    await fill(store, 60);
    expect(await bytes(store)).toBeGreaterThan(40_000);
    expect(await take(store.watch({ after: start }), 60)).toHaveLength(60);
  });

  const pinsIn = (text: string) => (JSON.parse(text) as { readonly pins: readonly object[] }).pins;

  test('of a damaged file is an error that names it', async () => {
    const store = await opened();
    await store.pins.create({ name: 'p' });
    await store.close();
    const path = scene.at('data', 'pins.json');
    const whole = await readFile(path, 'utf8');
    const [pin] = pinsIn(whole);
    const misshapen = [
      null,
      { ...pin, name: '' },
      { ...pin, name: 7 },
      { ...pin, position: '7' },
      { ...pin, position: -1 },
      { ...pin, bytesMax: Number.NaN },
      { ...pin, bytesMax: undefined },
      { ...pin, broken: 'no' },
      { ...pin, timeline: 'x' },
    ].map((each) => JSON.stringify([pin, each]));
    const changed = whole.replace('"position":', '"position":1');
    for (const text of ['{"not": "a list"}', 'no JSON', changed, ...misshapen]) {
      await writeFile(path, text);
      expect((await refusal(scene.open(), 'DATA_CORRUPT')).message).toContain(path);
      expect(scene.disk.openHandles).toBe(0);
    }
  });

  test('of an older file, which has no checksum and names no history, is of the one that the store is in', async () => {
    let store = await opened();
    const { position } = await store.pins.create({ name: 'p' });
    await store.close();
    const path = scene.at('data', 'pins.json');
    const [pin] = pinsIn(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify([{ ...pin, timeline: undefined }]));
    store = await scene.open(TRIMMING);
    expect(await store.pins.list()).toEqual([
      { name: 'p', position, bytesMax: 1024 ** 3, broken: false },
    ]);
  });

  test.each([
    [{ name: '' }],
    [{ name: 'p', bytesMax: 0 }],
    [{ name: 'p', bytesMax: 1.5 }],
    [{ name: 'p', after: 'no cursor' }],
    [{ name: 'p', after: Buffer.from('1.0.another').toString('base64url') }],
  ])('is not made of %j', async (pin) => {
    const store = await opened();
    await refusal(store.pins.create(pin), 'INVALID_ARGUMENT');
    expect(await store.pins.list()).toEqual([]);
  });

  test('of which two are changed at once keeps both changes', async () => {
    const store = await opened();
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name) => store.pins.create({ name })));
    await Promise.all([store.pins.release('a'), store.pins.release('c')]);
    const left = (await store.pins.list()).map(({ name }) => name);
    expect(left).toEqual(['b', 'd']);
  });
});

describe('watch', () => {
  test('ends when the store is closed, after what was durable', async () => {
    const store = await opened();
    const seen = collect(store.watch({ after: store.position() }));
    const idle = collect(store.watch());
    const tail = collect(store.events.tail('r'));
    await fill(store, 3);
    await store.close();
    expect(await seen).toHaveLength(3);
    expect((await idle).length).toBeLessThanOrEqual(3);
    expect((await tail).length).toBeLessThanOrEqual(3);
  });

  test('refuses a position that is not there yet, and one of another store', async () => {
    const store = await opened();
    const other = await scene.open({}, 'other');
    await refusal(take(store.watch({ after: other.position() }), 1), 'INVALID_ARGUMENT');
    const [, , id = ''] = Buffer.from(store.position(), 'base64url').toString().split('.');
    const cursor = (text: string) => Buffer.from(text).toString('base64url');
    const future = cursor(`1.99.${id}`);
    await refusal(take(store.watch({ after: future }), 1), 'POSITION_EXPIRED');
    const elsewhere = cursor(`2.0.${id}`);
    const left = await refusal(take(store.watch({ after: elsewhere }), 1), 'POSITION_EXPIRED');
    expect(left.retryable).toBe(false);
  });
});
