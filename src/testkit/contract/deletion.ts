import { bytesOf, collect, FAILED, refusal, RUNNING, type Suite } from './subject.ts';

export function deletionTests({ describe, it, expect, subject }: Suite): void {
  /** A run with one of each. */
  async function wholeRun(id: string, input: string): Promise<void> {
    const { runs, steps, events, artifacts } = subject.store;
    await runs.create({ id, workflow: 'w', input, tags: { a: input } });
    await steps.create(id, { id: 's', name: 's', idempotencyKey: 'k' });
    await events.append(id, { type: 'e', payload: input, idempotencyKey: 'k' });
    await artifacts.put(id, { name: 'a', body: input });
  }

  describe('the deletion of a run', () => {
    it('takes its steps, events and artifacts with it [RM-1]', async () => {
      await wholeRun('r', 'gone');
      await wholeRun('other', 'stays');
      await subject.store.runs.delete('r');
      const { runs, steps, events, artifacts } = await subject.throughReopen();
      const gone = [
        () => runs.get('r'),
        () => runs.update('r', {}),
        () => runs.delete('r'),
        () => steps.get('r', 's'),
        () => steps.list('r'),
        () => events.list('r'),
        () => events.append('r', { type: 'e' }),
        () => artifacts.get('r', 'a'),
        () => artifacts.list('r'),
        () => bytesOf(artifacts.open('r', 'a')),
      ];
      for (const call of gone) expect((await refusal(call)).code).toBe('NOT_FOUND');
      expect((await collect(runs.list())).map(({ id }) => id)).toEqual(['other']);
      expect(await collect(runs.list({ tags: { a: 'gone' } }))).toEqual([]);
      expect((await steps.get('other', 's')).name).toBe('s');
    });

    it('frees its id: what comes anew has nothing of what was [RM-1]', async () => {
      await wholeRun('r', 'old');
      await subject.store.events.append('r', { type: 'e' });
      await subject.store.runs.delete('r');
      await subject.store.runs.create({ id: 'r', workflow: 'again', input: 'new' });
      const store = await subject.throughReopen();
      expect(await store.runs.get('r')).toMatchObject({ version: 1, workflow: 'again', tags: {} });
      expect(await collect(store.steps.list('r'))).toEqual([]);
      expect(await collect(store.artifacts.list('r'))).toEqual([]);
      expect(await collect(store.events.list('r'))).toEqual([]);
      const event = { type: 'e', payload: 'new', idempotencyKey: 'k' };
      expect(await store.events.append('r', event)).toMatchObject({ seq: 1, payload: 'new' });
      const step = { name: 't', idempotencyKey: 'k', input: 1 };
      expect(await store.steps.create('r', step)).toMatchObject({ name: 't', version: 1 });
      expect(await store.artifacts.put('r', { name: 'a', body: 'b' })).toMatchObject({
        version: 1,
      });
    });

    it('frees its idempotency key [RM-4]', async () => {
      const run = { workflow: 'w', idempotencyKey: 'k' };
      const { id } = await subject.store.runs.create({ ...run, input: 1 });
      await subject.store.runs.delete(id);
      const store = await subject.throughReopen();
      expect(await store.runs.create({ ...run, input: 2 })).toMatchObject({ id, input: 2 });
    });

    it('is possible in every status, and inside a transaction [ST-1]', async () => {
      const { runs } = subject.store;
      for (const [id, patch] of Object.entries({ a: RUNNING, b: FAILED, c: {} })) {
        await runs.create({ id, workflow: 'w' });
        await runs.update(id, patch);
        await subject.store.transaction(id, (tx) => tx.runs.delete(id));
      }
      const store = await subject.throughReopen();
      expect(await collect(store.runs.list())).toEqual([]);
    });

    it('ends the tails of its events [EM-2]', async () => {
      await wholeRun('r', 'x');
      const { store } = subject;
      const tails = [store.events.tail('r'), store.events.tail('r', { after: 0 })];
      const waiting = [];
      for (const tail of tails) {
        const events = tail[Symbol.asyncIterator]();
        // It has begun once it has given something: then only the deletion ends it.
        expect((await events.next()).value).toMatchObject({ seq: 1 });
        waiting.push(events.next());
      }
      await store.runs.delete('r');
      for (const { done } of await Promise.all(waiting)) expect(done).toBe(true);
    });
  });
}
