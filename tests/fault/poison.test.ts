import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { isStoreError } from '../../src/index.ts';
import { collect, refusal, Scene, until } from '../fixtures/store/scene.ts';
import { type Call, type Fault, isJournalWrite } from '../fixtures/store/testDisk.ts';

const scene = new Scene();

/** The next call that matches meets the fault, once; tells whether it has. */
function once(matches: (call: Call) => boolean, fault: Fault): { struck: boolean } {
  const state = { struck: false };
  scene.disk.fault = (call) => {
    if (state.struck || !matches(call)) return undefined;
    state.struck = true;
    return fault;
  };
  return state;
}

describe('a failed write of the journal', () => {
  test.each([
    ['fails', 'EIO', false],
    ['is short', 'short', false],
    ['meets a full disk', 'ENOSPC', false],
    ['fails though its bytes arrived', 'late', true],
  ] as const)(
    'poisons when it %s: reads go on, nothing more is acknowledged [W3] [ST-1]',
    async (_how, fault, arrives) => {
      const store = await scene.open();
      await store.runs.create({ id: 'before', workflow: 'w' });
      once(isJournalWrite, fault);
      const first = store.runs.create({ id: 'first', workflow: 'w' });
      await until(() => scene.disk.calls.filter(isJournalWrite).length >= 2);
      const queued = store.runs.create({ id: 'queued', workflow: 'w' });
      const failed = await refusal(first, 'OUTCOME_UNKNOWN');
      expect(failed.cause).toBeInstanceOf(Error);
      await refusal(queued, 'STORE_POISONED');
      expect(store.status).toBe('poisoned');
      const writes = scene.disk.calls.filter(isJournalWrite).length;
      await refusal(store.runs.create({ id: 'later', workflow: 'w' }), 'STORE_POISONED');
      await refusal(store.events.append('before', { type: 'e' }), 'STORE_POISONED');
      await refusal(
        store.transaction('before', async (tx) => tx.runs.get('before')),
        'STORE_POISONED',
      );
      await refusal(store.pins.create({ name: 'p' }), 'STORE_POISONED');
      expect((await store.runs.get('before')).id).toBe('before');
      await refusal(store.runs.get('first'), 'NOT_FOUND');
      expect((await store.runs.list()).items.map(({ id }) => id)).toEqual(['before']);
      await store.close();
      // Nothing was retried on that file, not even its end.
      expect(scene.disk.calls.filter(isJournalWrite)).toHaveLength(writes);

      const again = await scene.open();
      expect((await again.runs.get('before')).id).toBe('before');
      const ids = (await again.runs.list()).items.map(({ id }) => id);
      expect(ids.includes('first')).toBe(arrives);
      expect(ids).not.toContain('queued');
      await again.runs.create({ id: 'later', workflow: 'w' });
      expect((await again.verify()).findings).toEqual([]);
    },
  );

  test('takes the last word of watchers and of those who wait for events [W3]', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    const seen = collect(store.watch());
    const tailed = collect(store.events.tail('r'));
    once(isJournalWrite, 'EIO');
    await refusal(store.events.append('r', { type: 'e' }), 'OUTCOME_UNKNOWN');
    await store.close();
    expect(await seen).toEqual([]);
    expect(await tailed).toEqual([]);
  });

  test('falls back for everyone whose answer rested on it [W3] [W10]', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    once(isJournalWrite, 'EIO');
    const key = { idempotencyKey: 'k' };
    const outcomes = await Promise.allSettled([
      store.steps.create('r', { name: 's', id: 's', ...key }),
      store.steps.create('r', { name: 's', id: 's', ...key }),
      store.steps.create('r', { name: 'other', id: 's' }),
      store.runs.create({ id: 'new', workflow: 'w' }),
      store.runs.create({ id: 'new', workflow: 'w' }),
      store.steps.get('r', 's'),
      store.runs.delete('r').then(() => store.runs.get('r')),
    ]);
    const codes = outcomes.map((it) =>
      it.status === 'rejected' && isStoreError(it.reason) ? it.reason.code : it.status,
    );
    const unknown = 'OUTCOME_UNKNOWN';
    expect(codes).toEqual([unknown, unknown, unknown, unknown, unknown, 'NOT_FOUND', unknown]);
    expect((await store.steps.list('r')).items).toEqual([]);
  });
});

describe('the change to another segment', () => {
  test.each([
    ['the end of the old one', (call: Call) => isJournalWrite(call) && call.bytes! < 200],
    ['its rename', ({ op, to }: Call) => op === 'rename' && /\d{10}\.ndjson$/.test(to ?? '')],
    ['the sync of the folder', ({ op, path }: Call) => op === 'sync' && path.endsWith('journal')],
    ['the close of the old one', ({ op, path }: Call) => op === 'close' && /0001.nd/.test(path)],
  ])('poisons when %s fails, and reopening loses nothing [W3] [W5]', async (_what, matches) => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    const state = once(matches, 'EIO');
    let acknowledged = 0;
    const append = () => store.events.append('r', { type: 'e', payload: 'x'.repeat(500) });
    while (!state.struck || store.status === 'open') {
      try {
        await append();
        acknowledged++;
      } catch (error) {
        if (!isStoreError(error, 'OUTCOME_UNKNOWN')) throw error;
      }
    }
    await refusal(append(), 'STORE_POISONED');
    await store.close();
    const again = await scene.open();
    const { items } = await again.events.list('r', { limit: 1000 });
    expect(items.length).toBeGreaterThanOrEqual(acknowledged);
    expect(items.length).toBeLessThanOrEqual(acknowledged + 1);
    expect((await again.verify()).findings).toEqual([]);
  });
});

describe('a close that fails', () => {
  test.each([
    ['the end of the journal', isJournalWrite],
    ['a run file', ({ op, path }: Call) => op === 'write' && path.includes('runs')],
    ['the mark of the index', ({ op, to }: Call) => op === 'rename' && !!to?.endsWith('d.json')],
  ])('rejects with a StoreError when %s fails, and lets the store go', async (_what, matches) => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    once(matches, 'EIO');
    const error: unknown = await store.close().catch((reason: unknown) => reason);
    expect(isStoreError(error)).toBe(true);
    expect(store.status).toBe('closed');
    await scene.drop(store);
    const again = await scene.open();
    expect((await again.runs.get('r')).id).toBe('r');
    expect((await again.verify()).findings).toEqual([]);
  });
});

describe('a pause of the process', () => {
  /** The clock jumps while the bytes are on their way. */
  function pauseDuringWrite(): void {
    scene.disk.fault = (call) => {
      if (isJournalWrite(call)) scene.clock.ms += 5_000;
      return undefined;
    };
  }

  test('poisons when another owner came meanwhile: nothing is acknowledged [W11]', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    const owner = JSON.parse(await readFile(scene.at('data', 'owner.json'), 'utf8')) as object;
    const other = JSON.stringify({ ...owner, token: 'another' });
    await writeFile(scene.at('data', 'owner.json'), other);
    pauseDuringWrite();
    const error = await refusal(store.events.append('r', { type: 'e' }), 'OUTCOME_UNKNOWN');
    expect(isStoreError(error.cause, 'STORE_LOCKED')).toBe(true);
    expect(store.status).toBe('poisoned');
    expect((await store.events.list('r')).items).toEqual([]);
  });

  test('acknowledges when the store is still its own [W11]', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    pauseDuringWrite();
    expect((await store.events.append('r', { type: 'e' })).seq).toBe(1);
    expect(store.status).toBe('open');
  });
});
