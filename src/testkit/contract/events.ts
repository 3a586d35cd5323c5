import { collect, numbers, refusal, type Suite, take } from './subject.ts';
import { vandalize } from './runs.ts';

export function eventTests({ describe, it, expect, subject }: Suite): void {
  const aRun = () => subject.store.runs.create({ id: 'r', workflow: 'w' });
  async function append(...payloads: readonly number[]): Promise<void> {
    for (const payload of payloads) await subject.store.events.append('r', { type: 't', payload });
  }

  describe('events', () => {
    it('come back in order, numbered from 1 without gaps in their run [EM-1]', async () => {
      await aRun();
      await subject.store.runs.create({ id: 'other', workflow: 'w' });
      const occurredAt = new Date('2020-02-02T02:02:02.002Z');
      const first = await subject.store.events.append('r', {
        type: 'http.response',
        stepId: 's',
        payload: { status: 200 },
        occurredAt,
      });
      expect(first).toMatchObject({ runId: 'r', seq: 1, type: 'http.response', stepId: 's' });
      expect(first).toMatchObject({ payload: { status: 200 }, occurredAt, idempotencyKey: null });
      await subject.store.events.append('other', { type: 'elsewhere' });
      const second = await subject.store.events.append('r', { type: 'bare' });
      expect(second).toMatchObject({ seq: 2, payload: null, stepId: null });
      expect(second.occurredAt).toEqual(second.recordedAt);
      const store = await subject.throughReopen();
      expect(await collect(store.events.list('r'))).toEqual([first, second]);
      expect(await store.events.append('r', { type: 'next' })).toMatchObject({ seq: 3 });
      expect(await collect(store.events.list('other'))).toHaveLength(1);
    });

    it('a repeated key gives back the first event and adds none [EM-1]', async () => {
      await aRun();
      const event = { type: 't', payload: { a: 1, b: 2 }, idempotencyKey: 'k' };
      const first = await subject.store.events.append('r', event);
      await append(1, 2);
      const store = await subject.throughReopen();
      const again = await store.events.append('r', { ...event, payload: { b: 2, a: 1 } });
      expect(again).toEqual(first);
      for (const other of [
        { ...event, payload: 3 },
        { ...event, type: 'u' },
      ]) {
        const error = await refusal(() => store.events.append('r', other));
        expect(error.code).toBe('IDEMPOTENCY_CONFLICT');
      }
      expect(await collect(store.events.list('r'))).toHaveLength(3);
    });

    it('of a run that is not there are refused [EM-1]', async () => {
      const { events } = subject.store;
      const calls = [
        () => events.append('ghost', { type: 't' }),
        () => events.list('ghost'),
        () => take(events.tail('ghost'), 1),
      ];
      for (const call of calls) {
        expect(await refusal(call)).toMatchObject({ code: 'NOT_FOUND', id: 'ghost' });
      }
    });

    it('are listed after any seq, page by page, and `next` is null at the end', async () => {
      await aRun();
      await append(...numbers(9));
      const store = await subject.throughReopen();
      const page = await store.events.list('r', { after: 2, limit: 3 });
      expect(page.items.map(({ seq }) => seq)).toEqual([3, 4, 5]);
      await store.events.append('r', { type: 'meanwhile' });
      const rest = store.events.list('r', { after: 2, limit: 3, cursor: page.next ?? 'none' });
      expect((await collect(rest)).map(({ seq }) => seq)).toEqual([6, 7, 8, 9, 10]);
      const last = await store.events.list('r', { after: 10 });
      expect(last).toEqual({ items: [], next: null });
      const whole = await store.events.list('r', { limit: 10 });
      expect(whole.next).toBeNull();
    });

    it('are fresh copies', async () => {
      await aRun();
      vandalize(await subject.store.events.append('r', { type: 't', payload: { a: [1] } }));
      vandalize(await subject.store.events.list('r'));
      const store = await subject.throughReopen();
      const [event] = (await store.events.list('r')).items;
      expect(event).toMatchObject({ seq: 1, type: 't', payload: { a: [1] } });
    });
  });

  describe('a tail of events', () => {
    it('begins at any seq with what is stored and goes on with what comes [EM-2]', async () => {
      await aRun();
      await append(...numbers(5));
      const store = await subject.throughReopen();
      for (const after of [0, 3, 5]) {
        const stored = (await collect(store.events.list('r'))).length;
        const tail = take(store.events.tail('r', { after }), stored - after + 2);
        await append(-1, -2);
        const seqs = (await tail).map(({ seq }) => seq);
        expect(seqs).toEqual(numbers(stored + 2).slice(after));
      }
    });

    it('that begins beyond the last event waits for the one after it [EM-2]', async () => {
      await aRun();
      await append(1);
      const tail = take(subject.store.events.tail('r', { after: 2 }), 1);
      await append(2, 3);
      expect(await tail).toMatchObject([{ seq: 3, payload: 3 }]);
    });

    it('gives each reader every event once, while writers go on [EM-2]', async () => {
      await aRun();
      const { events } = subject.store;
      const readers = [0, 10, 50].map((after) => take(events.tail('r', { after }), 100 - after));
      await Promise.all(numbers(100).map(() => events.append('r', { type: 't' })));
      const seqs = (await Promise.all(readers)).map((reader) => reader.map(({ seq }) => seq));
      expect(seqs).toEqual([0, 10, 50].map((after) => numbers(100).slice(after)));
    });

    it('ends without an error when its signal aborts [EM-2]', async () => {
      await aRun();
      await append(1);
      const abort = new AbortController();
      const tail = collect(subject.store.events.tail('r', { signal: abort.signal }));
      await append(2);
      abort.abort();
      const seqs = (await tail).map(({ seq }) => seq);
      expect(seqs).toEqual(numbers(seqs.length));
      const late = subject.store.events.tail('r', { signal: AbortSignal.abort() });
      expect(await collect(late)).toEqual([]);
    });
  });
}
