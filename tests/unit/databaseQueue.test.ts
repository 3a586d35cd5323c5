import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { openStore } from '../../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-queue-'));

test.each(['sqlite', 'file'])('%s: a batch carries no more than it may', async (scheme) => {
  const max = 20_000;
  const options = { queueBytesMax: max, batchBytesMax: max };
  const store = await openStore(`${scheme}:${join(folder, scheme)}`, options);
  await store.runs.create({ id: 'r', workflow: 'w' });
  const payload = 'x'.repeat(700);
  const before = (await store.stats()).writes;
  await Promise.all(
    Array.from({ length: 400 }, () => store.events.append('r', { type: 'e', payload })),
  );
  const { bytes, batches } = (await store.stats()).writes;
  await store.close();
  expect((bytes - before.bytes) / (batches - before.batches)).toBeLessThan(max + 1_000);
});

test.each(['sqlite', 'file'])(
  '%s: one that may carry nothing carries one commit',
  async (scheme) => {
    const options = { queueBytesMax: 0, batchBytesMax: 0 };
    await using store = await openStore(`${scheme}:${join(folder, `${scheme}0`)}`, options);
    await store.runs.create({ id: 'r', workflow: 'w' });
    await Promise.all(Array.from({ length: 50 }, () => store.events.append('r', { type: 'e' })));
    expect((await store.events.list('r')).items).toHaveLength(50);
  },
);

afterAll(() => rmSync(folder, { recursive: true }));
