import { collect, numbers, outcomes, RUNNING, type Suite, SUCCEEDED } from './subject.ts';

export function concurrencyTests({ describe, it, expect, subject }: Suite): void {
  const eight = <T>(call: (n: number) => Promise<T>): Promise<T>[] => numbers(8).map(call);

  describe('calls at the same time', () => {
    it('200 appends give 200 events, each once, with a dense seq [EM-1]', async () => {
      await subject.store.runs.create({ id: 'r', workflow: 'w' });
      const events = await Promise.all(
        numbers(200).map((payload) => subject.store.events.append('r', { type: 't', payload })),
      );
      expect(events.map(({ seq }) => seq)).toEqual(numbers(200));
      const store = await subject.throughReopen();
      const stored = await collect(store.events.list('r'));
      expect(stored.map(({ seq }) => seq)).toEqual(numbers(200));
      expect(stored.map(({ payload }) => payload)).toEqual(numbers(200));
    });

    it('eight creations with one key make one run [RM-4]', async () => {
      const { values } = await outcomes(
        eight(() => subject.store.runs.create({ workflow: 'w', idempotencyKey: 'k', input: 1 })),
      );
      expect(new Set(values.map(({ id }) => id)).size).toBe(1);
      expect(values).toHaveLength(8);
      const store = await subject.throughReopen();
      expect(await collect(store.runs.list())).toHaveLength(1);
    });

    it('eight creations with one id make one run and seven refusals [RM-1]', async () => {
      const { values, codes } = await outcomes(
        eight((n) => subject.store.runs.create({ id: 'r', workflow: `w${n}` })),
      );
      expect(values).toHaveLength(1);
      expect(codes).toEqual(Array.from({ length: 7 }, () => 'ALREADY_EXISTS'));
      const store = await subject.throughReopen();
      expect(await collect(store.runs.list())).toEqual(values);
    });

    it('eight creations with one key make one step [SM-2]', async () => {
      await subject.store.runs.create({ id: 'r', workflow: 'w' });
      const { values, codes } = await outcomes(
        eight((n) =>
          subject.store.steps.create('r', { name: 's', idempotencyKey: 'k', input: n % 4 === 0 }),
        ),
      );
      expect(new Set(values.map(({ id }) => id)).size).toBe(1);
      expect(codes).toEqual(Array.from({ length: 2 }, () => 'IDEMPOTENCY_CONFLICT'));
      const store = await subject.throughReopen();
      expect(await collect(store.steps.list('r'))).toHaveLength(1);
    });

    it('of eight that end a step one wins [SM-1]', async () => {
      const { runs, steps } = subject.store;
      await runs.create({ id: 'r', workflow: 'w' });
      await steps.create('r', { id: 's', name: 's' });
      await steps.update('r', 's', RUNNING);
      const { values, codes } = await outcomes(
        eight((output) => steps.update('r', 's', { ...SUCCEEDED, output })),
      );
      expect(values).toHaveLength(1);
      expect(codes).toEqual(Array.from({ length: 7 }, () => 'INVALID_TRANSITION'));
      const store = await subject.throughReopen();
      expect(await store.steps.get('r', 's')).toMatchObject({
        output: values[0]?.output,
        version: 3,
      });
    });

    it('of eight that saw the same version one writes [RM-3]', async () => {
      const { runs } = subject.store;
      await runs.create({ id: 'r', workflow: 'w' });
      const { values, codes } = await outcomes(
        eight((priority) => runs.update('r', { priority }, { ifVersion: 1 })),
      );
      expect(values).toHaveLength(1);
      expect(codes).toEqual(Array.from({ length: 7 }, () => 'VERSION_CONFLICT'));
      const store = await subject.throughReopen();
      expect(await store.runs.get('r')).toEqual(values[0]);
    });

    it('a call may rest on one that was made before it and not awaited', async () => {
      const { runs, steps, events } = subject.store;
      const results = await Promise.all([
        runs.create({ id: 'r', workflow: 'w' }),
        runs.update('r', RUNNING),
        steps.create('r', { id: 'a', name: 'a' }),
        steps.create('r', { id: 'b', name: 'b', dependsOn: ['a'] }),
        events.append('r', { type: 'first' }),
        events.append('r', { type: 'second' }),
      ]);
      expect(results.map((result) => ('status' in result ? result.status : result.seq))).toEqual([
        'queued',
        'running',
        'queued',
        'queued',
        1,
        2,
      ]);
      const store = await subject.throughReopen();
      expect(await store.runs.get('r')).toMatchObject({ status: 'running', version: 2 });
      expect(await store.steps.get('r', 'b')).toMatchObject({ remaining: 1 });
    });

    it('fifty runs written side by side do not disturb each other', async () => {
      await Promise.all(
        numbers(50).map(async (n) => {
          const { runs, events } = subject.store;
          await runs.create({ id: `r${n}`, workflow: 'w' });
          for (const payload of numbers(5)) await events.append(`r${n}`, { type: 't', payload });
          await runs.update(`r${n}`, RUNNING);
        }),
      );
      const store = await subject.throughReopen();
      const runs = await collect(store.runs.list({ status: 'running' }));
      expect(new Set(runs.map(({ id }) => id)).size).toBe(50);
      for (const { id } of runs) {
        const events = await collect(store.events.list(id));
        expect(events.map(({ payload }) => payload)).toEqual(numbers(5));
      }
    });
  });
}
