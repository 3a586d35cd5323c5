import { LIMITS, type Transaction } from '../../index.ts';
import { collect, numbers, refusal, RUNNING, type Suite, SUCCEEDED, take } from './subject.ts';

export function transactionTests({ describe, it, expect, subject }: Suite): void {
  async function runsNamed(...ids: readonly string[]): Promise<void> {
    for (const id of ids)
      await subject.store.runs.create({ id, workflow: 'w', metadata: { n: 0 } });
  }

  describe('a transaction', () => {
    it('commits all it did at once, as one commit of the log [ST-1]', async () => {
      await runsNamed('r');
      const before = subject.store.position();
      const result = await subject.store.transaction('r', async (tx) => {
        await tx.steps.create('r', { id: 's', name: 's' });
        await tx.steps.update('r', 's', RUNNING);
        await tx.steps.update('r', 's', { ...SUCCEEDED, output: 1 });
        const event = await tx.events.append('r', { type: 'done', stepId: 's' });
        await tx.artifacts.put('r', { name: 'a', body: 'bytes' });
        await tx.runs.update('r', RUNNING);
        return event.seq;
      });
      expect(result).toBe(1);
      const store = await subject.throughReopen();
      const [commit] = await take(store.watch({ after: before }), 1);
      expect(commit?.position).toBe(store.position());
      expect(commit?.changes.map(({ type }) => type)).toEqual([
        'step.created',
        'step.updated',
        'step.updated',
        'event.appended',
        'artifact.put',
        'run.updated',
      ]);
      expect(await store.steps.get('r', 's')).toMatchObject({ status: 'succeeded', output: 1 });
      expect(await store.runs.get('r')).toMatchObject({ status: 'running', version: 2 });
      expect(await store.artifacts.get('r', 'a')).toMatchObject({ version: 1, size: 5 });
    });

    it('reads its own writes, and nobody else does before it has returned [ST-1]', async () => {
      await runsNamed('r');
      const { store } = subject;
      await store.transaction('r', async (tx) => {
        await tx.runs.update('r', { priority: 7 });
        await tx.steps.create('r', { id: 'a', name: 'a' });
        await tx.steps.create('r', { id: 'b', name: 'b', dependsOn: ['a'] });
        await tx.artifacts.put('r', { name: 'x', body: 'x' });
        expect((await tx.runs.get('r')).priority).toBe(7);
        expect((await tx.steps.get('r', 'b')).remaining).toBe(1);
        expect((await collect(tx.steps.list('r'))).map(({ id }) => id)).toEqual(['a', 'b']);
        expect((await tx.steps.ready('r')).map(({ id }) => id)).toEqual(['a']);
        expect((await tx.artifacts.get('r', 'x')).version).toBe(1);
        expect((await store.runs.get('r')).priority).toBe(0);
        expect((await refusal(() => store.steps.get('r', 'a'))).code).toBe('NOT_FOUND');
      });
      expect((await store.runs.get('r')).priority).toBe(7);
    });

    it('that throws leaves nothing and rethrows what was thrown [ST-1]', async () => {
      await runsNamed('r');
      const before = subject.store.position();
      const boom = new Error('boom');
      const thrown: unknown = await subject.store
        .transaction('r', async (tx) => {
          await tx.runs.update('r', RUNNING);
          await tx.events.append('r', { type: 't' });
          throw boom;
        })
        .catch((error: unknown) => error);
      expect(thrown).toBe(boom);
      const store = await subject.throughReopen();
      expect(store.position()).toBe(before);
      expect(await store.runs.get('r')).toMatchObject({ status: 'queued', version: 1 });
      expect(await collect(store.events.list('r'))).toEqual([]);
    });

    it('over two runs is all or nothing [ST-1]', async () => {
      await runsNamed('a', 'b');
      const both = async (tx: Transaction, fail: boolean): Promise<void> => {
        await tx.runs.update('a', RUNNING);
        await tx.steps.create('b', { id: 's', name: 's' });
        if (fail) await tx.runs.update('b', SUCCEEDED);
      };
      const { store } = subject;
      const error = await refusal(() => store.transaction(['a', 'b'], (tx) => both(tx, true)));
      expect(error).toMatchObject({ code: 'INVALID_TRANSITION', id: 'b' });
      expect((await store.runs.get('a')).status).toBe('queued');
      expect(await collect(store.steps.list('b'))).toEqual([]);
      const before = store.position();
      await store.transaction(['a', 'b'], (tx) => both(tx, false));
      const reopened = await subject.throughReopen();
      expect((await reopened.runs.get('a')).status).toBe('running');
      expect(await collect(reopened.steps.list('b'))).toHaveLength(1);
      const [commit] = await take(reopened.watch({ after: before }), 1);
      expect(commit?.changes.map(({ runId }) => runId)).toEqual(['a', 'b']);
    });

    it('may go on after a refusal that it caught [ST-1]', async () => {
      await runsNamed('r');
      await subject.store.transaction('r', async (tx) => {
        expect((await refusal(() => tx.runs.update('r', SUCCEEDED))).code).toBe(
          'INVALID_TRANSITION',
        );
        await tx.runs.update('r', RUNNING);
      });
      const store = await subject.throughReopen();
      expect(await store.runs.get('r')).toMatchObject({ status: 'running', version: 2 });
    });

    it('creates runs, and what belongs to them [ST-1]', async () => {
      await runsNamed('parent');
      await subject.store.transaction(['parent', 'child'], async (tx) => {
        await tx.runs.create({ id: 'child', workflow: 'w', parentRunId: 'parent' });
        await tx.steps.create('child', { id: 's', name: 's' });
        await tx.events.append('parent', { type: 'spawned', payload: 'child' });
      });
      const store = await subject.throughReopen();
      expect(await store.steps.get('child', 's')).toMatchObject({ runId: 'child' });
      expect((await store.runs.list({ parentRunId: 'parent' })).items).toHaveLength(1);
      const taken = await refusal(() =>
        store.transaction('child', (tx) => tx.runs.create({ id: 'child', workflow: 'w' })),
      );
      expect(taken.code).toBe('ALREADY_EXISTS');
    });

    it('that changes nothing is no commit', async () => {
      await runsNamed('r');
      const before = subject.store.position();
      await subject.store.transaction('r', (tx) => tx.runs.get('r'));
      expect(subject.store.position()).toBe(before);
    });

    it('names its runs: others, and none at all, are refused', async () => {
      await runsNamed('r', 'other');
      const { store } = subject;
      const refused = [
        () => store.transaction([], async () => undefined),
        () => store.transaction('', async () => undefined),
        () => store.transaction('r', (tx) => tx.runs.update('other', RUNNING)),
        () => store.transaction('r', (tx) => tx.runs.create({ id: 'new', workflow: 'w' })),
      ];
      for (const call of refused) expect((await refusal(call)).code).toBe('INVALID_ARGUMENT');
      const missing = await refusal(() => store.transaction('ghost', (tx) => tx.runs.get('ghost')));
      expect(missing).toMatchObject({ code: 'NOT_FOUND', id: 'ghost' });
    });
  });

  describe('a transaction and other writers', () => {
    it('runs again on what they wrote, when they were first [ST-1]', async () => {
      await runsNamed('r');
      const { store } = subject;
      const [inside, outside] = [gate(), gate()];
      let calls = 0;
      const done = store.transaction('r', async (tx) => {
        calls++;
        const { priority } = await tx.runs.get('r');
        inside.open();
        await outside.opened;
        await tx.runs.update('r', { priority: priority + 1 });
      });
      await inside.opened;
      await store.runs.update('r', { priority: 10 });
      outside.open();
      await done;
      expect(calls).toBe(2);
      expect(await store.runs.get('r')).toMatchObject({ priority: 11, version: 3 });
    });

    it('gives up after a bounded number of times', async () => {
      await runsNamed('r');
      const { store } = subject;
      let calls = 0;
      let [inside, outside] = [gate(), gate()];
      const done = refusal(() =>
        store.transaction('r', async (tx) => {
          calls++;
          await tx.runs.update('r', { priority: -1 });
          inside.open();
          await outside.opened;
        }),
      );
      for (const n of numbers(LIMITS.transactionTriesMax)) {
        await inside.opened;
        const release = outside;
        [inside, outside] = [gate(), gate()];
        await store.runs.update('r', { priority: n });
        release.open();
      }
      expect(await done).toMatchObject({ code: 'VERSION_CONFLICT', retryable: true });
      expect(calls).toBe(LIMITS.transactionTriesMax);
      expect((await store.runs.get('r')).priority).toBe(LIMITS.transactionTriesMax);
    });

    it('loses no increment of eight at the same time [ST-1]', async () => {
      await runsNamed('r');
      const increment = () =>
        subject.store.transaction('r', async (tx) => {
          const { metadata } = await tx.runs.get('r');
          await tx.runs.update('r', { metadata: { n: Number(metadata['n']) + 1 } });
        });
      await Promise.all(numbers(8).map(increment));
      const store = await subject.throughReopen();
      expect(await store.runs.get('r')).toMatchObject({ metadata: { n: 8 }, version: 9 });
    });

    it('refuses a write past `tx` instead of waiting for itself', async () => {
      await runsNamed('r');
      const { store } = subject;
      const past = [
        () => store.runs.update('r', RUNNING),
        () => store.runs.delete('r'),
        () => store.steps.create('r', { name: 's' }),
        () => store.events.append('r', { type: 't' }),
        () => store.artifacts.put('r', { name: 'a', body: 'x' }),
        () => store.transaction('r', async () => undefined),
      ];
      for (const write of past) {
        const error = await refusal(() =>
          store.transaction('r', async () => {
            await write();
          }),
        );
        expect(error.code).toBe('NESTED_TRANSACTION');
      }
      await store.runs.update('r', RUNNING);
    });

    it('refuses what is done with `tx` after it has ended', async () => {
      await runsNamed('r');
      const { store } = subject;
      const tx = await store.transaction('r', async (tx) => tx);
      const calls = [
        () => tx.runs.update('r', RUNNING),
        () => tx.runs.get('r'),
        () => tx.steps.create('r', { name: 's' }),
        () => tx.events.append('r', { type: 't' }),
        () => tx.artifacts.put('r', { name: 'a', body: 'x' }),
      ];
      for (const call of calls) expect((await refusal(call)).code).toBe('TRANSACTION_ENDED');
      expect(await store.runs.get('r')).toMatchObject({ version: 1 });
    });
  });
}

interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
}

function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
