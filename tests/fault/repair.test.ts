import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { repairStore, type Store } from '../../src/index.ts';
import { damaged, frame, JournalBuilder, RUN, segmentsIn } from '../fixtures/store/journals.ts';
import { refusal, Scene } from '../fixtures/store/scene.ts';

const scene = new Scene();

const repair = (name = 'data') => {
  const { disk: fileSystem, clock } = scene;
  const options = { fileSystem, clock, lockWaitMs: 0, segmentBytesMin: 4096 };
  return repairStore(`file:${scene.at(name)}`, options);
};

async function damagedStore(): Promise<ReadonlyMap<string, Buffer>> {
  const builder = await new JournalBuilder(scene.at('data')).begin();
  const lines = [frame(1, 0), frame(2, 1), damaged(frame(3, 2)), frame(4, 3)];
  await builder.segment({ lines, sealed: true }, 4);
  await builder.segment({ lines: [frame(5, 4)] }, 5);
  await refusal(scene.open(), 'JOURNAL_CORRUPT');
  return segmentsIn(scene.at('data'));
}

async function oldCursor(): Promise<string> {
  const reader = await scene.open({ readOnly: true });
  const position = reader.position();
  await reader.close();
  return position;
}

const payloads = async (store: Store) =>
  (await store.events.list(RUN, { limit: 100 })).items.map(({ payload }) => payload);

describe('repair', () => {
  test('keeps a copy and what stands before the damage; the store takes writes again [W8] [W9]', async () => {
    const before = await damagedStore();
    const report = await repair();
    expect(report).toMatchObject({ commitsKept: 2, commitsDropped: 2, segmentsKept: before.size });
    expect(report.bytesDropped).toBe(frame(4, 3).length + frame(5, 4).length);
    expect(report.findings).toMatchObject([{ code: 'JOURNAL_CORRUPT' }]);
    const kept = report.keptIn ?? '';
    for (const [name, bytes] of before) {
      expect((await readFile(join(kept, name))).equals(bytes)).toBe(true);
    }

    const store = await scene.open();
    expect(await payloads(store)).toEqual(['payload of 2']);
    expect((await store.events.append(RUN, { type: 'e', payload: 'new' })).seq).toBe(2);
    expect((await store.verify()).findings).toEqual([]);
    await store.close();
    const again = await scene.open();
    expect(await payloads(again)).toEqual(['payload of 2', 'new']);
    // A second repair finds nothing to do.
    await again.close();
    expect(await repair()).toMatchObject({ keptIn: null, commitsDropped: 0, findings: [] });
  });

  test('begins a new history: cursors of the old one have expired', async () => {
    await damagedStore();
    const old = await oldCursor();
    await repair();
    const store = await scene.open();
    await store.events.append(RUN, { type: 'e' });
    const watched = store.watch({ after: old })[Symbol.asyncIterator]();
    await refusal(watched.next(), 'POSITION_EXPIRED');
    await refusal(store.pins.create({ name: 'p', after: old }), 'POSITION_EXPIRED');
    expect((await store.pins.create({ name: 'p' })).position).toBe(store.position());
  });

  test('breaks the pins of the old history: they hold nothing back until they are set anew', async () => {
    await damagedStore();
    const [, , id = ''] = Buffer.from(await oldCursor(), 'base64url')
      .toString()
      .split('.');
    const old = { name: 'backup', position: 1, bytesMax: 1_000, broken: false, timeline: 1 };
    await writeFile(scene.at('data', 'pins.json'), JSON.stringify([old]));
    await repair();
    let store = await scene.open();
    const position = Buffer.from(`1.1.${id}`).toString('base64url');
    const broken = { name: 'backup', position, bytesMax: 1_000, broken: true };
    expect(await store.pins.list()).toEqual([broken]);
    await store.pins.create({ name: 'other' });
    await store.close();
    store = await scene.open();
    expect((await store.pins.list())[0]).toEqual(broken);
    await refusal(store.pins.advance('backup', position), 'POSITION_EXPIRED');
    const here = store.position();
    expect(await store.pins.advance('backup', here)).toEqual({
      ...broken,
      position: here,
      broken: false,
    });
    await store.close();
    store = await scene.open();
    expect(await store.pins.list()).toMatchObject([{ name: 'other' }, { broken: false }]);
  });

  test('of a folder without a store is refused and makes nothing', async () => {
    await refusal(repair('typo'), 'NOT_FOUND');
    expect(await readdir(scene.folder)).toEqual([]);
  });

  test('interrupted at any of its calls it loses nothing and can be done again [W8]', async () => {
    await damagedStore();
    await scene.disk.copy(scene.at('data'), scene.at('original'));
    let interrupted = 0;
    for (let nth = 1; ; nth += 13) {
      await rm(scene.at('data'), { recursive: true });
      await scene.disk.copy(scene.at('original'), scene.at('data'));
      let calls = 0;
      scene.disk.fault = () => (++calls >= nth ? 'EIO' : undefined);
      const failed = await repair().then(
        () => false,
        () => true,
      );
      scene.disk.fault = () => undefined;
      if (!failed) break;
      interrupted++;
      expect(scene.disk.openHandles).toBe(0);
      await repair();
      const store = await scene.open();
      expect((await payloads(store))[0]).toBe('payload of 2');
      expect((await store.verify()).findings).toEqual([]);
      await store.events.append(RUN, { type: 'e' });
      await scene.drop(store);
    }
    expect(interrupted).toBeGreaterThan(5);
  }, 20_000);

  test('keeps what run files say although the journal says less', async () => {
    const store = await scene.open({ segmentBytesMin: 1024, quietMs: 10 });
    await store.runs.create({ id: 'saved', workflow: 'w' });
    for (let n = 0; n < 5; n++) {
      await store.events.append('saved', { type: 'e', payload: 'x'.repeat(300) });
    }
    await store.close();
    for (const name of await readdir(scene.at('data', 'journal'))) {
      await writeFile(scene.at('data', 'journal', name), 'no header');
    }
    await refusal(scene.open(), 'JOURNAL_CORRUPT');
    const report = await repair();
    expect(report.commitsKept).toBe(0);
    const again = await scene.open();
    expect((await again.events.list('saved')).items).toHaveLength(5);
    expect((await again.events.append('saved', { type: 'e' })).seq).toBe(6);
    await again.close();
    const third = await scene.open();
    expect((await third.events.list('saved')).items).toHaveLength(6);
  });

  test('of damage that only verify finds loses no run', async () => {
    const store = await scene.open({ segmentBytesMax: 4096 });
    await store.runs.create({ id: 'r', workflow: 'w' });
    for (let n = 0; n < 20; n++) {
      await store.events.append('r', { type: 'e', payload: 'x'.repeat(700) });
    }
    await store.close();
    const first = scene.at('data', 'journal', '0000000001.ndjson');
    const bytes = await readFile(first);
    bytes[bytes.indexOf('xxx')] = 0x79;
    await writeFile(first, bytes);
    const opened = await scene.open();
    expect((await opened.verify()).findings).toMatchObject([{ code: 'JOURNAL_CORRUPT' }]);
    await opened.close();
    expect((await repair()).findings).toMatchObject([{ code: 'JOURNAL_CORRUPT' }]);
    const again = await scene.open();
    expect((await again.events.list('r')).items).toHaveLength(20);
    expect((await again.verify()).findings).toEqual([]);
  });

  test('of a store that is well changes nothing', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.close();
    expect(await repair()).toMatchObject({ keptIn: null, commitsKept: 1, findings: [] });
  });

  test('of something else than a damaged journal fails as opening does', async () => {
    const store = await scene.open();
    await store.close();
    await writeFile(scene.at('data', 'store.json'), 'not JSON');
    const { message } = await refusal(repair(), 'DATA_CORRUPT');
    expect(message).toContain('store.json');
  });
});
