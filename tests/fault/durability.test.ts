import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { LosingDisk } from '../fixtures/store/losingDisk.ts';
import { collect, Scene } from '../fixtures/store/scene.ts';
import { segmentsIn } from '../fixtures/store/journals.ts';
import { TestDisk } from '../fixtures/store/testDisk.ts';

const scene = new Scene();

describe('a power cut that takes every byte of the journal that was not made durable', () => {
  test('takes no acknowledged commit, in whatever segment it stands [W1]', async () => {
    const disk = new LosingDisk(scene.at('data', 'journal'));
    scene.disk = new TestDisk(disk.fileSystem);
    const store = await scene.open({ segmentBytesMax: 4096, journalBytesKeep: 1_000_000 });
    await store.runs.create({ id: 'r', workflow: 'w' });
    for (let n = 1; n <= 40; n++) {
      await store.events.append('r', { type: 'e', payload: 'x'.repeat(300) });
      const copy = scene.at(`cut ${n}`);
      if (n % 8 !== 0) continue;
      await scene.disk.copy(scene.at('data'), copy);
      await disk.lose(`${copy}/journal`);
      const after = await scene.open({ fileSystem: new TestDisk() }, `cut ${n}`);
      expect(await collect(after.events.list('r'))).toHaveLength(n);
      await scene.drop(after);
    }
    expect((await segmentsIn(scene.at('data'))).size).toBeGreaterThan(3);
  });

  test('takes nothing of a segment that has its name: it is as long as it was made [W5]', async () => {
    const disk = new LosingDisk(scene.at('data', 'journal'));
    scene.disk = new TestDisk(disk.fileSystem);
    const store = await scene.open({ segmentBytesMax: 4096, journalBytesKeep: 1_000_000 });
    await store.runs.create({ id: 'r', workflow: 'w' });
    for (let n = 1; n <= 20; n++) {
      await store.events.append('r', { type: 'e', payload: 'x'.repeat(300) });
    }
    await scene.disk.copy(scene.at('data'), scene.at('cut'));
    await disk.lose(scene.at('cut', 'journal'));
    const segments = await segmentsIn(scene.at('data'));
    expect(segments.size).toBeGreaterThan(1);
    for (const [name, bytes] of segments) {
      expect((await readFile(scene.at('cut', 'journal', name))).equals(bytes)).toBe(true);
    }
  });
});
