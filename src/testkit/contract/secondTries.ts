import { AsyncLocalStorage } from 'node:async_hooks';
import { LIMITS } from '../../index.ts';
import { RUNNING, type Suite, textOf } from './subject.ts';

export function secondTryTests({ describe, it, expect, subject }: Suite): void {
  /** Calls as another writer does, who is in no transaction, from inside of one that waits for it. */
  const outside = AsyncLocalStorage.snapshot();

  /** A run with two steps, which others only ever change together. */
  async function runWithTwins(): Promise<void> {
    const { runs, steps } = subject.store;
    await runs.create({ id: 'r', workflow: 'w' });
    for (const id of ['one', 'two']) await steps.create('r', { id, name: id });
  }

  describe('a transaction that runs again', () => {
    it('stores the bytes of a stream that its first try has read [ST-1]', async () => {
      await runWithTwins();
      const { store } = subject;
      let reads = 0;
      async function* stream(): AsyncGenerator<Uint8Array> {
        reads++;
        yield Buffer.from('precious ');
        yield Buffer.from('bytes');
      }
      const body = stream();
      let tries = 0;
      await store.transaction('r', async (tx) => {
        tries++;
        await tx.artifacts.put('r', { name: 'streamed', body });
        await tx.artifacts.put('r', { name: 'try', body: `${tries}` });
        if (tries === 1) await outside(() => store.runs.update('r', { priority: 1 }));
      });
      expect([tries, reads]).toEqual([2, 1]);
      const reopened = await subject.throughReopen();
      const { artifacts } = reopened;
      expect(await artifacts.get('r', 'streamed')).toMatchObject({ size: 14, version: 1 });
      expect(await textOf(artifacts.open('r', 'streamed'))).toBe('precious bytes');
      expect(await textOf(artifacts.open('r', 'try'))).toBe('2');
    });

    it('does so after any error that may rest on a mixture of before and after', async () => {
      await runWithTwins();
      const { store } = subject;
      let tries = 0;
      const statuses = await store.transaction('r', async (tx) => {
        tries++;
        const one = await tx.steps.get('r', 'one');
        if (tries === 1) {
          await outside(() =>
            store.transaction('r', async (other) => {
              for (const id of ['one', 'two']) await other.steps.update('r', id, RUNNING);
            }),
          );
          throw new TypeError('what I saw cannot be');
        }
        return [one.status, (await tx.steps.get('r', 'two')).status];
      });
      expect(statuses).toEqual(['running', 'running']);
      expect(tries).toBe(2);
    });

    it('rejects with the last error when others never let it be', async () => {
      await runWithTwins();
      const { store } = subject;
      let tries = 0;
      const thrown: unknown = await store
        .transaction('r', async () => {
          tries++;
          await outside(() => store.runs.update('r', { priority: tries }));
          throw new Error(`try ${tries}`);
        })
        .catch((error: unknown) => error);
      expect(tries).toBe(LIMITS.transactionTriesMax);
      expect((thrown as Error).message).toBe(`try ${tries}`);
    });
  });

  describe('what a transaction hands out', () => {
    it('is no more than what goes through its staging', async () => {
      await runWithTwins();
      const seen = await subject.store.transaction('r', async (tx) => ({
        parts: Object.keys(tx).toSorted(),
        past: [
          ...['list', 'tail'].map((call) => call in tx.events),
          ...['open', 'list'].map((call) => call in tx.artifacts),
          'list' in tx.runs,
        ],
      }));
      expect(seen.parts).toEqual(['artifacts', 'events', 'runs', 'steps']);
      expect(seen.past).toEqual([false, false, false, false, false]);
    });
  });
}
