import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type OpenOptions, repairStore, type Store } from '../../src/index.ts';
import { collect, refusal, Scene, until } from '../fixtures/store/scene.ts';

const scene = new Scene();

/** The journal keeps little: what a damaged file had, it does not have. */
const SHORT: OpenOptions = {
  segmentBytesMin: 1024,
  segmentBytesMax: 1024,
  journalBytesKeep: 0,
  tailBytesMax: 1_000,
  quietMs: 10,
};

async function files(runId: string, name = 'data'): Promise<string[]> {
  const names = await readdir(scene.at(name, 'runs'), { recursive: true });
  const own = names.filter((path) => new RegExp(`^..[\\\\/]${runId}\\.\\d+\\.ndjson$`).test(path));
  const number = (path: string) => Number(path.split('.').at(-2));
  const sorted = own.toSorted((a, b) => number(a) - number(b));
  return sorted.map((path) => scene.at(name, 'runs', path));
}

/** Changes one byte; `at` counts from the end when it is negative. */
async function rot(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  const place = at < 0 ? bytes.length + at : at;
  bytes[place] = (bytes[place] as number) ^ 1;
  await writeFile(path, bytes);
}

/** Ten runs with an event each, in their files; the journal has nothing of them. */
async function tenRuns(): Promise<void> {
  const store = await scene.open(SHORT);
  for (let n = 0; n < 10; n++) {
    await store.runs.create({ id: `r${n}`, workflow: 'w', input: n });
    await store.events.append(`r${n}`, { type: 'e', payload: 'x'.repeat(300) });
  }
  await store.close();
}

/** Moves the clock until the checkpointer has written one more run file, and is done. */
async function saved(): Promise<void> {
  const count = () =>
    scene.disk.calls.filter(({ to }) => /runs.[0-9a-f]{2}./.test(to ?? '')).length;
  const before = count();
  await until(() => {
    scene.clock.advance(11);
    return scene.disk.isIdle && count() > before;
  });
}

async function expectDamaged(store: Store, runId: string, file: string): Promise<void> {
  const work: (() => Promise<unknown>)[] = [
    () => store.runs.get(runId),
    async () => store.steps.list(runId),
    async () => store.events.list(runId),
    () => store.runs.update(runId, { priority: 1 }),
    () => store.runs.create({ id: runId, workflow: 'w' }),
    () => store.events.append(runId, { type: 'e' }),
    () => store.transaction(runId, async (tx) => tx.runs.get(runId)),
  ];
  for (const each of work) expect((await refusal(each(), 'DATA_CORRUPT')).message).toContain(file);
  const ids = (await collect(store.runs.list())).map(({ id }) => id).toSorted();
  expect(ids).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9].map((n) => `r${n}`));
  expect((await store.runs.get('r5')).input).toBe(5);
  expect((await store.verify()).findings).toMatchObject([{ code: 'DATA_CORRUPT', file }]);
}

describe('one damaged run among others, when the index is made anew', () => {
  test.each([
    ['footer', -30],
    ['first line', 20],
  ])('keeps none from being served: its %s', async (_what, at) => {
    await tenRuns();
    const [file = ''] = await files('r3');
    await rot(file, at);
    await rm(scene.at('data', 'index'), { recursive: true });
    let store = await scene.open(SHORT);
    await expectDamaged(store, 'r3', file);
    // It is known after a clean close, after a kill, and when only read.
    await store.close();
    store = await scene.open(SHORT);
    await expectDamaged(store, 'r3', file);
    await scene.disk.copy(scene.at('data'), scene.at('killed'));
    await store.close();
    await rm(scene.at('data'), { recursive: true });
    await scene.disk.copy(scene.at('killed'), scene.at('data'));
    store = await scene.open(SHORT);
    await expectDamaged(store, 'r3', file);
    await store.close();
    const { findings } = await repairStore(`file:${scene.at('data')}`, { lockWaitMs: 0 });
    expect(findings).toMatchObject([{ code: 'DATA_CORRUPT', file }]);

    store = await scene.open(SHORT);
    await store.runs.delete('r3');
    await refusal(store.runs.get('r3'), 'NOT_FOUND');
    expect((await store.verify()).findings).toEqual([]);
    await store.runs.create({ id: 'r3', workflow: 'w', input: 'again' });
    await store.close();
    await rm(scene.at('data', 'index'), { recursive: true });
    store = await scene.open(SHORT);
    expect((await store.runs.get('r3')).input).toBe('again');
    expect((await store.events.list('r3')).items).toEqual([]);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('is served again when its file came back from a backup', async () => {
    await tenRuns();
    const [file = ''] = await files('r3');
    const backup = await readFile(file);
    await rot(file, -30);
    await rm(scene.at('data', 'index'), { recursive: true });
    let store = await scene.open(SHORT);
    await refusal(store.runs.get('r3'), 'DATA_CORRUPT');
    await store.close();
    await writeFile(file, backup);
    store = await scene.open(SHORT);
    expect((await store.runs.get('r3')).input).toBe(3);
    expect(await collect(store.events.list('r3'))).toHaveLength(1);
    expect(await collect(store.runs.list())).toHaveLength(10);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('keeps none from being read', async () => {
    await tenRuns();
    const [file = ''] = await files('r3');
    await rot(file, -30);
    const store = await scene.open({ ...SHORT, readOnly: true });
    await refusal(store.runs.get('r3'), 'DATA_CORRUPT');
    expect(await collect(store.runs.list())).toHaveLength(9);
    expect((await store.verify()).findings).toMatchObject([{ code: 'DATA_CORRUPT', file }]);
  });

  test('whose id cannot be told is reported', async () => {
    const store = await scene.open(SHORT);
    await store.runs.create({ id: 'ß'.repeat(90), workflow: 'w' });
    await store.close();
    await tenRuns();
    const names = await readdir(scene.at('data', 'runs'), { recursive: true });
    const file = join(scene.at('data', 'runs'), names.find((name) => name.includes('~')) ?? '');
    await rot(file, -30);
    await rm(scene.at('data', 'index'), { recursive: true });
    const again = await scene.open(SHORT);
    expect((await again.verify()).findings).toMatchObject([{ code: 'DATA_CORRUPT', file }]);
  });
});

describe('a damaged run', () => {
  test('that the index knows is deleted without being read, and its files go', async () => {
    await tenRuns();
    const [file = ''] = await files('r3');
    await rot(file, 20);
    let store = await scene.open(SHORT);
    await refusal(collect(store.steps.list('r3')), 'DATA_CORRUPT');
    await refusal(store.runs.delete('r3', { ifVersion: 7 }), 'VERSION_CONFLICT');
    await refusal(collect(store.steps.list('r3')), 'DATA_CORRUPT');
    await store.runs.delete('r3');
    await refusal(store.runs.get('r3'), 'NOT_FOUND');
    await store.close();
    expect(await files('r3')).toEqual([]);
    store = await scene.open(SHORT);
    await refusal(store.runs.get('r3'), 'NOT_FOUND');
    expect((await store.verify()).findings).toEqual([]);
  });

  test('whose deletion fails is not served as if it had no steps', async () => {
    await tenRuns();
    const [file = ''] = await files('r3');
    await rot(file, 20);
    const store = await scene.open(SHORT);
    scene.disk.fault = ({ op, path }) =>
      op === 'write' && path.includes('journal') ? 'EIO' : undefined;
    await expect(store.runs.delete('r3')).rejects.toBeDefined();
    await refusal(collect(store.steps.list('r3')), 'DATA_CORRUPT');
  });

  test('that the log goes on after is refused, and keeps no other from being replayed', async () => {
    await tenRuns();
    const store = await scene.open(SHORT);
    await store.runs.update('r3', { priority: 3 });
    await store.runs.update('r5', { priority: 5 });
    await scene.disk.copy(scene.at('data'), scene.at('killed'));
    const [file = ''] = await files('r3', 'killed');
    await rot(file, -30);
    for (const readOnly of [true, false]) {
      const killed = await scene.open({ ...SHORT, readOnly }, 'killed');
      expect((await killed.runs.get('r5')).priority).toBe(5);
      await refusal(killed.runs.get('r3'), 'DATA_CORRUPT');
      expect(await collect(killed.runs.list())).toHaveLength(9);
      expect((await killed.verify()).findings).toMatchObject([{ code: 'DATA_CORRUPT', file }]);
      await killed.close();
    }
    const again = await scene.open(SHORT, 'killed');
    await expectDamaged(again, 'r3', file);
  });

  test('that nobody knows the version of is not deleted under a condition', async () => {
    await tenRuns();
    const [file = ''] = await files('r3');
    await rot(file, -30);
    await rm(scene.at('data', 'index'), { recursive: true });
    const store = await scene.open(SHORT);
    const refused = await refusal(store.runs.delete('r3', { ifVersion: 1 }), 'DATA_CORRUPT');
    expect(refused.message).toContain(file);
    await store.runs.delete('r3');
    await refusal(store.runs.get('r3'), 'NOT_FOUND');
  });

  test('that the log has from its creation on is made whole from it', async () => {
    const store = await scene.open({ quietMs: 10 });
    await store.runs.create({ id: 'r', workflow: 'w', input: 'whole' });
    await store.events.append('r', { type: 'e', payload: 1, idempotencyKey: 'k' });
    await saved();
    await scene.disk.copy(scene.at('data'), scene.at('killed'));
    await rot((await files('r', 'killed'))[0] ?? '', -30);
    let killed = await scene.open({}, 'killed');
    expect((await killed.runs.get('r')).input).toBe('whole');
    await killed.events.append('r', { type: 'e', payload: 1, idempotencyKey: 'k' });
    await killed.close();
    await rm(scene.at('killed', 'index'), { recursive: true });
    killed = await scene.open({}, 'killed');
    expect(await collect(killed.events.list('r'))).toHaveLength(1);
    expect((await killed.verify()).findings).toEqual([]);
  });
});

describe('files that a power cut left', () => {
  /** A run in several parts, whose events the journal has no more. */
  async function partsOf(store: Store): Promise<string[]> {
    await store.runs.create({ id: 'safe', workflow: 'w' });
    await store.runs.create({ id: 'r', workflow: 'w' });
    for (let bytes = 3_000; bytes > 300; bytes -= 500) {
      await store.events.append('r', { type: 'e', payload: 'x'.repeat(bytes) });
      await saved();
    }
    const parts = await files('r');
    expect(parts.length).toBeGreaterThan(2);
    return parts;
  }

  test.each(['as it was', 'missing'])(
    'of a deleted run, newer ones without older ones, are removed; the index is %s [W8]',
    async (how) => {
      const store = await scene.open({ ...SHORT, tailBytesMax: 100_000 });
      await partsOf(store);
      await scene.disk.copy(scene.at('data', 'runs'), scene.at('before'));
      scene.disk.fault = ({ op, path }) =>
        op === 'unlink' && path.includes('runs') ? 'EIO' : undefined;
      await store.runs.delete('r');
      await scene.disk.copy(scene.at('data'), scene.at('cut'));
      scene.disk.fault = () => undefined;
      const parts = await files('r', 'cut');
      for (const part of parts.slice(0, -1)) await rm(part);
      if (how === 'missing') await rm(scene.at('cut', 'index'), { recursive: true });
      const reader = await scene.open({ ...SHORT, readOnly: true }, 'cut');
      await refusal(reader.runs.get('r'), 'NOT_FOUND');
      await reader.close();
      const cut = await scene.open(SHORT, 'cut');
      await refusal(cut.runs.get('r'), 'NOT_FOUND');
      expect((await cut.runs.get('safe')).id).toBe('safe');
      expect((await cut.verify()).findings).toEqual([]);
      await cut.runs.create({ id: 'r', workflow: 'w', input: 'again' });
      await cut.close();
      expect(await files('r', 'cut')).toHaveLength(1);
    },
  );

  test.each(['as it was', 'missing'])(
    'of parts that were replaced are removed when the index is %s [W8]',
    async (how) => {
      const store = await scene.open({ quietMs: 10 });
      await store.runs.create({ id: 'r', workflow: 'w' });
      for (let n = 1; n <= 5; n++) {
        await store.runs.update('r', { priority: n });
        await saved();
      }
      await scene.disk.copy(scene.at('data'), scene.at('cut'));
      const before = await files('r', 'cut');
      expect(before.length).toBeGreaterThan(2);
      if (how === 'missing') await rm(scene.at('cut', 'index'), { recursive: true });
      await (await scene.open({ readOnly: true }, 'cut')).close();
      expect(await files('r', 'cut')).toEqual(before);
      const cut = await scene.open({}, 'cut');
      expect(await files('r', 'cut')).toEqual(before.slice(-1));
      expect((await cut.runs.get('r')).priority).toBe(5);
      expect((await cut.verify()).findings).toEqual([]);
    },
  );
});

describe('a journal that ends before what was acknowledged', () => {
  test.each(['the index', 'a clean close'])('is refused: %s knows of more [W9]', async (who) => {
    const store = await scene.open({ quietMs: 10 });
    for (let n = 1; n <= 5; n++) await store.runs.create({ id: `r${n}`, workflow: 'w' });
    await store.stats();
    if (who === 'a clean close') await store.close();
    await scene.disk.copy(scene.at('data'), scene.at('cut'));
    await rm(scene.at('cut', 'runs'), { recursive: true });
    const path = scene.at('cut', 'journal', '0000000001.ndjson');
    const bytes = await readFile(path);
    bytes[bytes.indexOf('"position":5,') + 60] = 0x21;
    // Not the seal: damage in a sealed segment is refused anyway.
    const sealed = bytes.indexOf('{"sealed"');
    if (sealed > 0) bytes.fill('\n', sealed);
    await writeFile(path, bytes);
    for (let n = 0; n < 2; n++) {
      const { message } = await refusal(scene.open({}, 'cut'), 'JOURNAL_CORRUPT');
      expect(message).toContain(`${path}, byte `);
      expect(message).toContain(`it ends with commit 4, and ${who} has commit 5`);
    }
    const reader = await scene.open({ readOnly: true }, 'cut');
    expect(await collect(reader.runs.list())).toHaveLength(4);
    await reader.close();
    await repairStore(`file:${scene.at('cut')}`, { lockWaitMs: 0 });
    const repaired = await scene.open({}, 'cut');
    expect(await collect(repaired.runs.list())).toHaveLength(4);
    expect((await repaired.runs.create({ id: 'r5', workflow: 'w' })).id).toBe('r5');
  });
});
