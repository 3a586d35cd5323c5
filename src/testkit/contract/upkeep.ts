import { bytesOf, collect, refusal, RUNNING, type Suite, take } from './subject.ts';

export function upkeepTests({ describe, it, expect, subject }: Suite): void {
  describe('a store as a whole', () => {
    it('counts its runs by status, and verifies what it holds', async () => {
      const { runs, events, artifacts } = subject.store;
      for (const id of ['a', 'b', 'c']) await runs.create({ id, workflow: 'w' });
      await runs.update('a', RUNNING);
      await events.append('a', { type: 'e' });
      await artifacts.put('a', { name: 'x', body: 'x'.repeat(100_000) });
      await runs.delete('c');
      const store = await subject.throughReopen();
      const stats = await store.stats();
      expect(stats.runs).toEqual({
        queued: 1,
        running: 1,
        blocked: 0,
        succeeded: 0,
        failed: 0,
        cancelled: 0,
      });
      expect(stats.position).toBe(store.position());
      const report = await store.verify();
      expect(report).toMatchObject({ findings: [], runs: 2, events: 1 });
    });

    it('holds pins by name until they are released', async () => {
      const { store } = subject;
      const start = store.position();
      const pin = await store.pins.create({ name: 'backup', after: start, bytesMax: 1_000_000 });
      expect(pin).toMatchObject({ name: 'backup', position: start, broken: false });
      const again = await refusal(() => store.pins.create({ name: 'backup' }));
      expect(again.code).toBe('ALREADY_EXISTS');
      await store.runs.create({ id: 'r', workflow: 'w' });
      const here = store.position();
      expect(await store.pins.advance('backup', here)).toMatchObject({ position: here });
      const reopened = await subject.throughReopen();
      expect(await reopened.pins.list()).toMatchObject([{ name: 'backup', position: here }]);
      await reopened.pins.release('backup');
      expect(await reopened.pins.list()).toEqual([]);
      for (const call of [
        () => reopened.pins.release('backup'),
        () => reopened.pins.advance('backup', here),
      ]) {
        expect((await refusal(call)).code).toBe('NOT_FOUND');
      }
      expect((await collect(reopened.runs.list())).map(({ id }) => id)).toEqual(['r']);
    });

    it('lets go of readers that stop in the middle', async () => {
      const { store } = subject;
      await store.runs.create({ id: 'r', workflow: 'w' });
      await store.artifacts.put('r', { name: 'a', body: 'x'.repeat(300_000) });
      const after = store.position();
      await store.events.append('r', { type: 'e' });
      await take(store.artifacts.open('r', 'a'), 1);
      await take(store.watch({ after }), 1);
      await take(store.events.tail('r'), 1);
      const reopened = await subject.throughReopen();
      expect(await bytesOf(reopened.artifacts.open('r', 'a'))).toHaveLength(300_000);
    });
  });
}
