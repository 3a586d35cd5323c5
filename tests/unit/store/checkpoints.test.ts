import { readdir, rm, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import type { OpenOptions, Store } from '../../../src/index.ts';
import { aWhile, collect, refusal, Scene, until } from '../../fixtures/store/scene.ts';
import { isRunFile } from '../../fixtures/store/testDisk.ts';

const scene = new Scene();

const runFileNames = async (): Promise<string[]> => {
  const names = await readdir(scene.at('data', 'runs'), { recursive: true });
  return names.filter((name) => /^..[\\/][^.].*\.ndjson$/.test(name)).toSorted();
};

/** Appends `count` events, a few at a time. */
async function fill(store: Store, runId: string, count: number, bytes = 300): Promise<void> {
  for (let n = 0; n < count; n += 10) {
    const some = Array.from({ length: Math.min(10, count - n) }, (_, i) =>
      store.events.append(runId, { type: 'e', payload: `${n + i} `.padEnd(bytes, '.') }),
    );
    await Promise.all(some);
  }
}

/** Moves the clock, and lets the checkpointer do all it finds to do. */
async function allSaved(store: Store): Promise<void> {
  for (let n = 0; n < 3; n++) {
    scene.clock.advance(3_000);
    for (let idle = 0; idle < 20; idle++) {
      if (!scene.disk.isIdle) idle = 0;
      await aWhile(1);
    }
  }
  expect(store.status).toBe('open');
}

describe('a run with more events than memory keeps', () => {
  test('moves to parts, and any page across parts and memory is exact', async () => {
    const store = await scene.open({ tailBytesMax: 10_000, segmentBytesMin: 256 * 1024 });
    await store.runs.create({ id: 'r', workflow: 'w' });
    await fill(store, 'r', 500);
    await until(() => scene.disk.calls.some(isRunFile));
    expect((await store.stats()).memory.bytes).toBeLessThan(500 * 600);
    for (const [after, limit] of [
      [0, 1000],
      [0, 7],
      [133, 200],
      [460, 60],
      [499, 5],
      [500, 5],
    ]) {
      const { items, next } = await store.events.list('r', { after, limit });
      const expected = Math.min(limit ?? 0, 500 - (after ?? 0));
      expect(items.map(({ seq }) => seq)).toEqual(
        Array.from({ length: expected }, (_, i) => (after ?? 0) + i + 1),
      );
      for (const { seq, payload } of items) expect(payload).toBe(`${seq - 1} `.padEnd(300, '.'));
      expect(next === null).toBe((after ?? 0) + expected >= 500);
    }
    expect(await collect(store.events.list('r', { limit: 13 }))).toHaveLength(500);
    await store.runs.update('r', { status: 'running' });
    await store.runs.update('r', { status: 'succeeded' });
    await store.close();
    const again = await scene.open();
    expect(await collect(again.events.list('r', { limit: 99 }))).toHaveLength(500);
    expect((await again.verify()).findings).toEqual([]);
  });

  test('is read while parts are merged and verified while runs are written [W8]', async () => {
    const store = await scene.open({
      tailBytesMax: 1_000,
      segmentBytesMax: 4096,
      journalBytesKeep: 4096,
      quietMs: 5,
    });
    await store.runs.create({ id: 'r', workflow: 'w' });
    let isWriting = true;
    const writing = fill(store, 'r', 400).finally(() => (isWriting = false));
    let pages = 0;
    while (isWriting) {
      const events = await collect(store.events.list('r', { limit: 17 }));
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
      expect((await store.verify()).findings).toEqual([]);
      scene.clock.advance(6);
      pages++;
    }
    await writing;
    expect(pages).toBeGreaterThan(2);
  });
});

describe('a quiet run', () => {
  test('is moved to its file, and served from there', async () => {
    const store = await scene.open({ quietMs: 1_000 });
    await store.runs.create({ id: 'r', workflow: 'w', input: { a: 1 } });
    await store.steps.create('r', { id: 's', name: 's' });
    expect(await runFileNames()).toEqual([]);
    await allSaved(store);
    expect(await runFileNames()).toHaveLength(1);
    expect((await store.steps.get('r', 's')).name).toBe('s');
  });

  test('that is deleted and made again has nothing of its predecessor', async () => {
    const store = await scene.open({ quietMs: 1_000 });
    const key = { idempotencyKey: 'k' };
    for (let life = 1; life <= 3; life++) {
      await store.runs.create({ id: 'r', workflow: 'w', input: life });
      expect((await store.events.append('r', { type: `e${life}`, ...key })).seq).toBe(1);
      if (life === 2) await allSaved(store);
      if (life < 3) await store.runs.delete('r');
    }
    await allSaved(store);
    const copy = await scene.openCopy('copy');
    for (const each of [store, copy]) {
      expect((await each.runs.get('r')).input).toBe(3);
      expect((await each.events.list('r')).items.map(({ type }) => type)).toEqual(['e3']);
      expect((await each.verify()).findings).toEqual([]);
    }
    await store.runs.delete('r');
    await allSaved(store);
    expect(await runFileNames()).toEqual([]);
  });

  test('deleted and made again at once takes the old key anew [EM-2]', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.events.append('r', { type: 'old', idempotencyKey: 'k' });
    const [, , event] = await Promise.all([
      store.runs.delete('r'),
      store.runs.create({ id: 'r', workflow: 'w' }),
      store.events.append('r', { type: 'new', idempotencyKey: 'k' }),
    ]);
    expect(event).toMatchObject({ seq: 1, type: 'new' });
    await store.transaction('r', async (tx) => {
      await tx.runs.delete('r');
      await tx.runs.create({ id: 'r', workflow: 'w' });
      await tx.events.append('r', { type: 'other' });
    });
    const free = await store.events.append('r', { type: 'third', idempotencyKey: 'k' });
    expect(free).toMatchObject({ seq: 2, type: 'third' });
  });
});

describe('a run file that is lost', () => {
  test('is an error that says so: the run is not said to be unknown', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'lost', workflow: 'w' });
    await store.runs.create({ id: 'kept', workflow: 'w' });
    await store.events.append('lost', { type: 'e' });
    await store.close();
    const name = (await runFileNames()).find((file) => file.includes('lost'));
    await rm(scene.at('data', 'runs', name ?? ''));
    const again = await scene.open();
    await refusal(collect(again.events.list('lost')), 'DATA_CORRUPT');
    await refusal(collect(again.steps.list('lost')), 'DATA_CORRUPT');
    await refusal(again.runs.update('lost', { tags: {} }), 'DATA_CORRUPT');
    await refusal(
      again.transaction(['kept', 'lost'], async (tx) => tx.runs.get('kept')),
      'DATA_CORRUPT',
    );
    expect((await again.runs.get('kept')).id).toBe('kept');
    await again.runs.update('kept', { tags: { a: 'b' } });
    const { findings } = await again.verify();
    expect(findings).toMatchObject([{ code: 'DATA_CORRUPT' }]);
    expect(findings[0]?.file).toContain('lost');
  });

  test('does not look like a deletion after a crash', async () => {
    const first = await scene.open();
    await first.runs.create({ id: 'lost', workflow: 'w' });
    await first.close();
    const store = await scene.open();
    await store.events.append('lost', { type: 'e' });
    await scene.disk.copy(scene.at('data'), scene.at('copy'));
    const name = (await runFileNames()).find((file) => file.includes('lost'));
    await rm(scene.at('copy', 'runs', name ?? ''));
    const copy = await scene.open({}, 'copy');
    expect((await copy.runs.list()).items.map(({ id }) => id)).toEqual(['lost']);
    await refusal(collect(copy.steps.list('lost')), 'DATA_CORRUPT');
    expect((await copy.verify()).findings).toMatchObject([{ code: 'DATA_CORRUPT' }]);
  });

  test('or damaged is found by verify, which goes on and can be stopped', async () => {
    const store = await scene.open();
    for (const id of ['a', 'b', 'c']) await store.runs.create({ id, workflow: 'w' });
    await store.close();
    const [name] = await runFileNames();
    await writeFile(scene.at('data', 'runs', name ?? ''), 'garbage\n');
    const again = await scene.open();
    const progress: number[] = [];
    const report = await again.verify({ onProgress: (done) => progress.push(done) });
    expect(report).toMatchObject({ runs: 3, findings: [{ code: 'DATA_CORRUPT' }] });
    expect(progress.length).toBeGreaterThan(2);
    expect(progress).toEqual(progress.toSorted((x, y) => x - y));
    await refusal(again.verify({ signal: AbortSignal.abort() }), 'ABORTED');
  });
});

describe('memory that keeps no clean run', () => {
  const options = (cacheBytesMax: number): OpenOptions => ({
    cacheBytesMax,
    quietMs: 5,
    journalBytesKeep: 4096,
    segmentBytesMax: 4096,
    tailBytesMax: 500,
  });

  test.each([0, 1, 1_000, 3_000])(
    'with %i bytes: no update is lost and no run is split in two',
    async (bytes) => {
      const store = await scene.open(options(bytes));
      const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
      await Promise.all(ids.map((id) => store.runs.create({ id, workflow: 'w' })));
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let n = 0; n < 12; n++) {
          const id = ids[(writer + n) % ids.length] ?? '';
          await store.events.append(id, { type: 'e', payload: `${writer} ${n}` });
          scene.clock.advance(6);
          await aWhile(1);
          await store.runs.get(id);
          await store.transaction(id, async (tx) => {
            const count = Number((await tx.runs.get(id)).tags['count'] ?? 0);
            await aWhile(1);
            await tx.runs.update(id, { tags: { count: String(count + 1) } });
          });
          expect((await store.steps.list(id)).items).toEqual([]);
        }
      });
      await Promise.all(writers);
      let counted = 0;
      const payloads = new Set<unknown>();
      for (const id of ids) {
        counted += Number((await store.runs.get(id)).tags['count']);
        const events = await collect(store.events.list(id));
        expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
        for (const { payload } of events) payloads.add(payload);
      }
      expect(counted).toBe(96);
      expect(payloads.size).toBe(96);
      expect((await store.verify()).findings).toEqual([]);
    },
    15_000,
  );

  test('a run larger than the whole cache is read and written all the same', async () => {
    const first = await scene.open();
    await first.runs.create({ id: 'large', workflow: 'w', input: 'x'.repeat(50_000) });
    await first.steps.create('large', { id: 's', name: 's', input: 'y'.repeat(50_000) });
    await first.close();
    const store = await scene.open({ cacheBytesMax: 20_000 });
    for (let n = 0; n < 3; n++) {
      expect((await store.steps.get('large', 's')).input).toHaveLength(50_000);
      await aWhile(3);
    }
    const seen = await Promise.all([1, 2, 3].map(() => store.steps.list('large')));
    expect(seen.map(({ items }) => items.length)).toEqual([1, 1, 1]);
    await store.steps.update('large', 's', { status: 'running' });
    expect((await store.steps.get('large', 's')).status).toBe('running');
  });

  test('a staged run stays while others come and go; who loses runs again', async () => {
    const first = await scene.open();
    for (const id of ['a', 'b', 'c']) await first.runs.create({ id, workflow: 'w' });
    await first.close();
    const store = await scene.open({ cacheBytesMax: 1, quietMs: 5 });
    let tries = 0;
    await store.transaction(['a', 'b'], async (tx) => {
      tries++;
      for (const id of ['b', 'c', 'a']) await store.steps.list(id);
      scene.clock.advance(10);
      await aWhile(5);
      // Past the transaction, from outside of it.
      if (tries === 1) await outside(() => store.runs.update('a', { tags: { by: 'other' } }));
      const { tags } = await tx.runs.get('a');
      await tx.runs.update('b', { tags: { seen: tags['by'] ?? 'nobody' } });
    });
    expect(tries).toBe(2);
    expect((await store.runs.get('b')).tags).toEqual({ seen: 'other' });
  });

  test('a transaction that others always overtake gives up in the end', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'a', workflow: 'w' });
    let tries = 0;
    const work = store.transaction('a', async (tx) => {
      tries++;
      await outside(() => store.runs.update('a', { tags: { n: `${tries}` } }));
      await tx.runs.update('a', { tags: { n: 'mine' } });
    });
    await refusal(work, 'VERSION_CONFLICT');
    expect(tries).toBe(10);
    expect((await store.runs.get('a')).tags).toEqual({ n: '10' });
  });
});

/** Runs `work` as another caller would: not in the callback's own context. */
const queue: (() => void)[] = [];
function outside<T>(work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    queue.push(() => void work().then(resolve, reject));
  });
}
const pump = setInterval(() => queue.shift()?.(), 1);
pump.unref();
