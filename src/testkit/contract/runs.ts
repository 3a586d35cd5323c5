import { FAILED, refusal, RUNNING, SUCCEEDED, type Suite } from './subject.ts';

export function runTests({ describe, it, expect, subject }: Suite): void {
  const later = new Date('2031-05-06T07:08:09.010Z');

  describe('runs', () => {
    it('gives back a run as it was created [RM-1]', async () => {
      const created = await subject.store.runs.create({
        id: 'mine',
        workflow: 'summarize',
        project: 'p',
        definition: 'summarize@1',
        parentRunId: 'parent',
        parentStepId: 'parent-step',
        input: { url: 'https://example.org', depth: [1, { a: null }] },
        tags: { team: 'search', empty: '' },
        metadata: { nested: { ok: true } },
        trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        priority: -3,
        availableAt: later,
      });
      expect(created).toMatchObject({
        id: 'mine',
        version: 1,
        status: 'queued',
        input: { url: 'https://example.org', depth: [1, { a: null }] },
        output: null,
        error: null,
        tags: { team: 'search', empty: '' },
        metadata: { nested: { ok: true } },
        metrics: {},
        priority: -3,
        availableAt: later,
        startedAt: null,
        endedAt: null,
        attempt: 1,
        attempts: [],
      });
      const store = await subject.throughReopen();
      expect(await store.runs.get('mine')).toEqual(created);
    });

    it('makes an id of its own when none is brought [RM-1]', async () => {
      const a = await subject.store.runs.create({ workflow: 'w' });
      const b = await subject.store.runs.create({ workflow: 'w' });
      expect(a.id).not.toBe(b.id);
      expect(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(a.id)).toBe(
        true,
      );
    });

    it('refuses an id that is taken, and one that is not there [RM-1]', async () => {
      await subject.store.runs.create({ id: 'taken', workflow: 'w' });
      const store = await subject.throughReopen();
      const taken = await refusal(() => store.runs.create({ id: 'taken', workflow: 'other' }));
      expect(taken).toMatchObject({ code: 'ALREADY_EXISTS', id: 'taken' });
      const missing = await refusal(() => store.runs.get('ghost'));
      expect(missing).toMatchObject({ code: 'NOT_FOUND', id: 'ghost', retryable: false });
      expect((await store.runs.get('taken')).workflow).toBe('w');
    });

    it('updates fields and moves the version by one [RM-1]', async () => {
      const { runs } = subject.store;
      const run = await runs.create({ workflow: 'w', tags: { a: '1', b: '2' } });
      const updated = await runs.update(run.id, {
        tags: { c: '3' },
        metadata: { n: 1 },
        priority: 5,
      });
      expect(updated).toMatchObject({ version: 2, tags: { c: '3' }, metadata: { n: 1 } });
      expect(Object.keys(updated.tags)).toEqual(['c']);
      expect(updated.updatedAt.getTime()).toBeGreaterThanOrEqual(run.updatedAt.getTime());
      const unchanged = await runs.update(run.id, {});
      expect(unchanged).toEqual(updated);
      const store = await subject.throughReopen();
      expect(await store.runs.get(run.id)).toEqual(updated);
    });

    it('refuses a stale version and changes nothing [RM-3]', async () => {
      const run = await subject.store.runs.create({ workflow: 'w' });
      await subject.store.runs.update(run.id, { priority: 1 }, { ifVersion: 1 });
      const store = await subject.throughReopen();
      const stale = [
        () => store.runs.update(run.id, { priority: 2 }, { ifVersion: 1 }),
        () => store.runs.reset(run.id, { ifVersion: 1 }),
        () => store.runs.retry(run.id, { ifVersion: 3 }),
        () => store.runs.delete(run.id, { ifVersion: 1 }),
      ];
      for (const call of stale) {
        const error = await refusal(call);
        expect(error).toMatchObject({ code: 'VERSION_CONFLICT', id: run.id, retryable: true });
      }
      expect(await store.runs.get(run.id)).toMatchObject({ version: 2, priority: 1 });
      await store.runs.update(run.id, { priority: 2 }, { ifVersion: undefined });
      await store.runs.update(run.id, { priority: 3 }, { ifVersion: 3 });
    });

    it('gives back the first run for a repeated key, whatever became of it [RM-4]', async () => {
      const first = { workflow: 'w', idempotencyKey: 'k', input: { a: 1, b: [2] } };
      const run = await subject.store.runs.create(first);
      const updated = await subject.store.runs.update(run.id, RUNNING);
      const store = await subject.throughReopen();
      const again = await store.runs.create({ ...first, input: { b: [2], a: 1 } });
      expect(again).toEqual(updated);
      const error = await refusal(() => store.runs.create({ ...first, input: { a: 2 } }));
      expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', id: run.id });
      const elsewhere = await store.runs.create({ ...first, workflow: 'x', input: { a: 2 } });
      expect(elsewhere.id).not.toBe(run.id);
    });

    it('keeps who tried, when, and how it ended, over a reset [RM-2]', async () => {
      const { runs } = subject.store;
      const { id } = await runs.create({ workflow: 'w' });
      await runs.update(id, { status: 'running', worker: 'w1' });
      await runs.update(id, { ...FAILED, output: 'partial' });
      const reset = await runs.retry(id, { availableAt: later });
      expect(reset).toMatchObject({
        status: 'queued',
        attempt: 2,
        output: null,
        error: null,
        startedAt: null,
        endedAt: null,
        availableAt: later,
      });
      await runs.update(id, { status: 'running', worker: 'w2' });
      await runs.update(id, { status: 'succeeded', output: 'whole' });
      const store = await subject.throughReopen();
      const run = await store.runs.get(id);
      expect(run).toMatchObject({
        output: 'whole',
        attempts: [
          { attempt: 1, worker: 'w1', status: 'failed', error: FAILED.error },
          { attempt: 2, worker: 'w2', status: 'succeeded', error: null },
        ],
      });
      for (const { startedAt, endedAt } of run.attempts) {
        expect((endedAt ?? new Date(0)).getTime()).toBeGreaterThanOrEqual(startedAt.getTime());
      }
    });

    it('resets whatever has ended, and retries only what did not succeed [RM-2]', async () => {
      const { runs } = subject.store;
      const { id } = await runs.create({ workflow: 'w' });
      expect((await refusal(() => runs.reset(id))).code).toBe('INVALID_TRANSITION');
      await runs.update(id, RUNNING);
      await runs.update(id, SUCCEEDED);
      expect((await refusal(() => runs.retry(id))).code).toBe('INVALID_TRANSITION');
      expect(await runs.reset(id)).toMatchObject({ status: 'queued', attempt: 2 });
    });

    it('gives fresh copies: changing one changes nothing in the store', async () => {
      const input = { list: [1], inner: { a: 1 } };
      const tags: Record<string, string> = { a: '1' };
      const created = await subject.store.runs.create({ id: 'r', workflow: 'w', input, tags });
      input.list.push(2);
      tags['b'] = '2';
      vandalize(created);
      vandalize(await subject.store.runs.get('r'));
      const store = await subject.throughReopen();
      const [listed] = (await store.runs.list()).items;
      for (const run of [listed, await store.runs.get('r')]) {
        expect(run).toMatchObject({ input: { list: [1], inner: { a: 1 } }, tags: { a: '1' } });
        expect(Object.keys(run?.tags ?? {})).toEqual(['a']);
        expect((run?.createdAt ?? new Date(0)).getTime()).toBeGreaterThan(0);
        vandalize(run);
      }
    });
  });
}

/** Overwrites all that can be reached from an object. */
export function vandalize(value: unknown): void {
  if (value instanceof Date) value.setTime(0);
  if (value instanceof Uint8Array) value.fill(0);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  for (const [key, item] of Object.entries(value)) {
    vandalize(item);
    if (typeof item !== 'object') Reflect.set(value, key, 'vandalized');
  }
  if (!(value instanceof Date)) Reflect.set(value, 'vandal', true);
}
