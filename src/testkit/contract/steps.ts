import { collect, FAILED, refusal, RUNNING, type Suite, SUCCEEDED } from './subject.ts';
import { vandalize } from './runs.ts';

export function stepTests({ describe, it, expect, subject }: Suite): void {
  const aRun = () => subject.store.runs.create({ id: 'r', workflow: 'w' });

  describe('steps', () => {
    it('gives back a step as it was created [SM-1]', async () => {
      await aRun();
      const created = await subject.store.steps.create('r', {
        id: 's',
        name: 'fetch',
        kind: 'http',
        input: { url: 'x' },
        parentStepId: 'outer',
        trace: 't',
        availableAt: new Date('2031-01-01T00:00:00.000Z'),
        onDependencyFailure: 'wait',
      });
      expect(created).toMatchObject({
        id: 's',
        runId: 'r',
        version: 1,
        name: 'fetch',
        kind: 'http',
        status: 'queued',
        input: { url: 'x' },
        output: null,
        dependsOn: [],
        remaining: 0,
        onDependencyFailure: 'wait',
        attempt: 1,
        attempts: [],
      });
      const store = await subject.throughReopen();
      expect(await store.steps.get('r', 's')).toEqual(created);
      expect(await collect(store.steps.list('r'))).toEqual([created]);
    });

    it('refuses a step, or its run, that is not there or that is taken [SM-1]', async () => {
      await aRun();
      await subject.store.steps.create('r', { id: 's', name: 's' });
      const store = await subject.throughReopen();
      const taken = await refusal(() => store.steps.create('r', { id: 's', name: 's' }));
      expect(taken).toMatchObject({ code: 'ALREADY_EXISTS', id: 's' });
      const missing = [
        () => store.steps.get('r', 'ghost'),
        () => store.steps.update('r', 'ghost', RUNNING),
        () => store.steps.reset('r', 'ghost'),
        () => store.steps.retry('r', 'ghost'),
        () => store.steps.get('ghost', 's'),
        () => store.steps.create('ghost', { name: 's' }),
        () => store.steps.update('ghost', 's', RUNNING),
        () => store.steps.list('ghost'),
        () => store.steps.ready('ghost'),
      ];
      for (const call of missing) {
        expect(await refusal(call)).toMatchObject({ code: 'NOT_FOUND', id: 'ghost' });
      }
    });

    it('keeps output, progress, metrics and attempts through a whole life [SM-1]', async () => {
      await aRun();
      const { steps } = subject.store;
      await steps.create('r', { id: 's', name: 's' });
      await steps.update('r', 's', { status: 'running', worker: 'w1' });
      await steps.update('r', 's', { progress: 0.5, metrics: { ms: 7 } });
      await steps.update('r', 's', { ...FAILED, output: 'partial' });
      const queued = await steps.reset('r', 's');
      expect(queued).toMatchObject({ status: 'queued', attempt: 2, progress: null, metrics: {} });
      expect(queued).toMatchObject({ output: null, error: null, startedAt: null, endedAt: null });
      await steps.update('r', 's', { status: 'running', worker: 'w2' });
      const ended = await steps.update('r', 's', { ...SUCCEEDED, output: { n: 1 } });
      expect(ended).toMatchObject({
        version: 7,
        output: { n: 1 },
        attempts: [
          { attempt: 1, worker: 'w1', status: 'failed', error: FAILED.error },
          { attempt: 2, worker: 'w2', status: 'succeeded', error: null },
        ],
      });
      const store = await subject.throughReopen();
      expect(await store.steps.get('r', 's')).toEqual(ended);
      expect((await refusal(() => store.steps.retry('r', 's'))).code).toBe('INVALID_TRANSITION');
    });

    it('refuses a stale version of a step [RM-3]', async () => {
      await aRun();
      await subject.store.steps.create('r', { id: 's', name: 's' });
      await subject.store.steps.update('r', 's', RUNNING, { ifVersion: 1 });
      const store = await subject.throughReopen();
      const stale = () => store.steps.update('r', 's', SUCCEEDED, { ifVersion: 1 });
      expect(await refusal(stale)).toMatchObject({ code: 'VERSION_CONFLICT', id: 's' });
      expect((await store.steps.get('r', 's')).status).toBe('running');
    });

    it('gives back the first step for a repeated key, even when the run has ended [SM-2]', async () => {
      await aRun();
      const first = { name: 's', idempotencyKey: 'k', input: { a: 1, b: 2 } };
      const created = await subject.store.steps.create('r', first);
      await subject.store.runs.update('r', FAILED);
      const store = await subject.throughReopen();
      const again = await store.steps.create('r', { ...first, input: { b: 2, a: 1 } });
      expect(again).toEqual(created);
      const error = await refusal(() => store.steps.create('r', { ...first, input: 1 }));
      expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', id: created.id });
      await store.runs.create({ id: 'other', workflow: 'w' });
      const elsewhere = await store.steps.create('other', { ...first, input: 1 });
      expect(elsewhere.id).not.toBe(created.id);
    });

    it('sums the metrics of the steps into the run, without moving its version', async () => {
      await aRun();
      const { steps } = subject.store;
      for (const id of ['a', 'b']) await steps.create('r', { id, name: id });
      await steps.update('r', 'a', { metrics: { tokens: 10, ms: 1 } });
      await steps.update('r', 'b', { metrics: { tokens: 5 } });
      await steps.update('r', 'a', { metrics: { tokens: 2 } });
      const store = await subject.throughReopen();
      expect(await store.runs.get('r')).toMatchObject({
        version: 1,
        metrics: { tokens: 7, ms: 0 },
      });
    });

    it('gives fresh copies: changing one changes nothing in the store', async () => {
      await aRun();
      await subject.store.steps.create('r', { id: 'a', name: 'a' });
      const created = await subject.store.steps.create('r', {
        id: 's',
        name: 's',
        dependsOn: ['a'],
        input: new Uint8Array([1, 2]),
      });
      vandalize(created);
      vandalize(await subject.store.steps.get('r', 's'));
      const store = await subject.throughReopen();
      vandalize(await store.steps.list('r'));
      expect(await store.steps.get('r', 's')).toMatchObject({
        name: 's',
        dependsOn: ['a'],
        input: new Uint8Array([1, 2]),
      });
    });
  });
}
