import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isStoreError, type Store } from '../../src/index.ts';
import { type Ext4, Mounts, powerCutAbility } from '../fixtures/real/mounts.ts';
import { Trials } from '../fixtures/real/trials.ts';
import { expectWhole } from '../fixtures/real/whole.ts';
import { SMALL, WriterProcess } from '../fixtures/real/writerProcess.ts';
import { Scene } from '../fixtures/store/scene.ts';

const trials = new Trials('real-gone', 'storage that goes away');
const whereDisksCanDie = trials.where(powerCutAbility());
/** The kernel takes back what SQLite wrote and did not sync: to it the index is damaged then. */
const TYPED = ['STORAGE_FAILED', 'DATA_CORRUPT'];
const ROOMY = { segmentBytesMin: 256 * 1024, segmentBytesMax: 256 * 1024 };

describe('a disk that goes away under an open store', () => {
  let mounts: Mounts;
  let disk: Ext4;
  let url: string;
  let writer: WriterProcess;

  beforeEach(() => {
    mounts = new Mounts();
  });
  afterEach(() => {
    writer.kill();
    mounts.release();
  });

  async function start(tuning = SMALL): Promise<void> {
    disk = mounts.ext4(48, mounts.tmpfs('size=96m'));
    url = `file:${disk.folder}/store`;
    writer = new WriterProcess({ url, tuning });
    await writer.must({ do: 'open' });
    await writer.must({ do: 'write', rounds: 4, callers: 3 });
    expect(writer.refusals()).toEqual([]);
  }

  whereDisksCanDie('gives typed errors in bounded time, lets go, and comes back whole [ES-3]', () =>
    trials.fault('every call fails', async () => {
      await start();
      disk.cutPower('lost');
      const since = writer.outcomes.length;
      await writer.must({ do: 'write', rounds: 4, callers: 3 });
      for (const code of writer.refusals(since)) {
        // SQLite may take an index that it cannot read any more for a damaged one.
        expect(['OUTCOME_UNKNOWN', 'STORE_POISONED', ...TYPED]).toContain(code);
      }
      expect(writer.outcomes.slice(since).filter(({ outcome }) => outcome === 'ok')).toEqual([]);
      const { inspection } = await writer.must({ do: 'read' });
      // What memory has is served, right; the rest is refused, and never called missing.
      expect(inspection?.problems).toEqual([]);
      expect(inspection?.reads).toBeGreaterThan(0);
      for (const { outcome } of inspection?.errors ?? []) expect(TYPED).toContain(outcome);
      const listed = await writer.order({ do: 'list' });
      expect([undefined, ...TYPED]).toContain(listed.refusal?.outcome);
      const closed = await writer.order({ do: 'close' });
      expect(closed.status).toBe('closed');
      expect([undefined, ...TYPED]).toContain(closed.refusal?.outcome);
      const opened = await writer.order({ do: 'open' });
      expect(opened.refusal?.outcome).toBe('STORAGE_FAILED');
      await writer.end();
      disk.unmount();
      disk.mount();
      await expectWhole(url, writer.ledger);
    }),
  );

  whereDisksCanDie('and comes back while it is open has lost nothing meanwhile [ES-3] [W7]', () =>
    trials.fault('unmounted for a while', async () => {
      // The open segment takes all of it; a small tail makes every round ask for run files.
      await start({ ...SMALL, ...ROOMY, tailBytesMax: 1024 });
      disk.unmountLazily();
      await writer.must({ do: 'write', rounds: 2, callers: 3 });
      const { inspection: without } = await writer.must({ do: 'read' });
      expect(without?.problems).toEqual([]);
      // What would be made here now would be hidden later, and taken for safe.
      expect(readdirSync(disk.folder)).toEqual([]);
      disk.mount();
      const since = writer.outcomes.length;
      // Far enough that the segments of that time are removed.
      await writer.must({ do: 'write', rounds: 40, callers: 3 });
      expect(writer.refusals(since)).toEqual([]);
      const { inspection } = await writer.must({ do: 'read' });
      expect(inspection).toMatchObject({ errors: [], problems: [] });
      await writer.must({ do: 'close' });
      await writer.end();
      await expectWhole(url, writer.ledger);
    }),
  );
});

describe('network storage that goes away', () => {
  const scene = new Scene();

  /** Everything that a caller may ask for. */
  const calls = (store: Store): (() => PromiseLike<unknown>)[] => [
    () => store.runs.create({ workflow: 'w' }),
    () => store.runs.update('r', { tags: { a: 'b' } }),
    () => store.events.append('r', { type: 'e' }),
    () => store.steps.create('r', { name: 's' }),
    () => store.artifacts.put('r', { name: 'a', body: 'new bytes' }),
    () => store.transaction('r', (tx) => tx.events.append('r', { type: 'e' })),
    () => store.pins.create({ name: 'p' }),
    () => store.runs.delete('r'),
    () => store.verify(),
    () => store.artifacts.open('r', 'a')[Symbol.asyncIterator]().next(),
  ];
  const reads = (store: Store): (() => PromiseLike<unknown>)[] => [
    () => store.runs.get('r'),
    () => store.events.list('r'),
    () => store.steps.list('r'),
    () => store.artifacts.get('r', 'a'),
    () => store.runs.list(),
  ];

  test.each(['ESTALE', 'ENOTCONN', 'EIO'])(
    'with %s refuses what needs it, serves what memory has, closes, and comes back whole [ES-3]',
    (code) =>
      trials.fault(code, async () => {
        const store = await scene.open();
        await store.runs.create({ id: 'r', workflow: 'w' });
        await store.events.append('r', { type: 'e', payload: 'kept' });
        await store.artifacts.put('r', { name: 'a', body: 'bytes' });
        scene.disk.fault = () => code;
        for (const call of calls(store)) {
          const outcome = await Promise.resolve(call()).catch((error: unknown) => error);
          expect(isStoreError(outcome)).toBe(true);
        }
        for (const read of reads(store)) await read();
        const closed: unknown = await store.close().catch((error: unknown) => error);
        expect(isStoreError(closed, 'STORAGE_FAILED')).toBe(true);
        await expect(scene.open()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
        scene.disk.fault = () => undefined;
        await scene.drop(store);
        const again = await scene.open();
        expect((await again.events.list('r')).items.map(({ payload }) => payload)).toEqual([
          'kept',
        ]);
        expect((await again.runs.list()).items.map(({ id }) => id)).toEqual(['r']);
        expect((await again.artifacts.get('r', 'a')).version).toBe(1);
        expect((await again.verify()).findings).toEqual([]);
      }),
  );
});
