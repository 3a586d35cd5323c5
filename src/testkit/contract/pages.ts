import { collect, LIST_DEFAULT, numbers, type Suite } from './subject.ts';

export function pageTests({ describe, it, expect, subject }: Suite): void {
  async function create(...ids: readonly string[]): Promise<void> {
    for (const id of ids) await subject.store.runs.create({ id, workflow: 'w' });
  }
  const names = (prefix: string, count: number): string[] =>
    numbers(count).map((n) => `${prefix}${n}`);

  describe('pages of runs', () => {
    it('come newest first and neither skip nor repeat while runs are created [RM-1]', async () => {
      const old = names('old', 23);
      await create(...old);
      const store = await subject.throughReopen();
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.runs.list({ limit: 5, cursor });
        seen.push(...page.items.map(({ id }) => id));
        await create(`new${seen.length}`);
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      expect(seen).toEqual(old.toReversed());
    });

    it('neither skip nor repeat while runs are updated or deleted [RM-1]', async () => {
      const ids = names('r', 20);
      await create(...ids);
      const { store } = subject;
      const seen: string[] = [];
      for await (const { id } of store.runs.list({ limit: 3 })) {
        seen.push(id);
        await store.runs.update(id, { priority: seen.length });
        if (id === 'r10') await store.runs.delete('r1');
        if (id === 'r9') await store.runs.delete('r15');
      }
      expect(seen).toEqual(ids.toReversed().filter((id) => id !== 'r1'));
    });

    it('are of 50 unless told, and `next` is null exactly at the end', async () => {
      const ids = names('r', LIST_DEFAULT + 1);
      await Promise.all(ids.map((id) => create(id)));
      const store = await subject.throughReopen();
      const first = await store.runs.list();
      expect(first.items).toHaveLength(LIST_DEFAULT);
      const rest = await store.runs.list({ cursor: first.next ?? 'none' });
      expect(rest.items).toHaveLength(1);
      expect(rest.next).toBeNull();
      expect((await store.runs.list({ limit: LIST_DEFAULT + 1 })).next).toBeNull();
      const all = [...first.items, ...rest.items].map(({ id }) => id);
      expect(new Set(all).size).toBe(ids.length);
      expect((await collect(store.runs.list({ limit: 7 }))).map(({ id }) => id)).toEqual(all);
    });

    it('of an empty store are empty', async () => {
      const store = await subject.throughReopen();
      expect(await store.runs.list()).toEqual({ items: [], next: null });
      expect(await collect(store.runs.list())).toEqual([]);
    });
  });

  describe('pages of steps', () => {
    it('come in order of creation, filtered by status and parent [SM-1]', async () => {
      const { steps } = subject.store;
      await create('r');
      for (const id of ['c', 'a', 'b', 'd']) {
        await steps.create('r', { id, name: id, parentStepId: id < 'c' ? 'c' : undefined });
      }
      await steps.update('r', 'a', { status: 'running' });
      await steps.update('r', 'd', { status: 'cancelled' });
      const store = await subject.throughReopen();
      const ids = async (options: object): Promise<string[]> =>
        (await collect(store.steps.list('r', options))).map(({ id }) => id);
      expect(await ids({ limit: 1 })).toEqual(['c', 'a', 'b', 'd']);
      expect(await ids({ status: 'queued' })).toEqual(['c', 'b']);
      expect(await ids({ status: ['running', 'cancelled'], limit: 1 })).toEqual(['a', 'd']);
      expect(await ids({ parentStepId: 'c' })).toEqual(['a', 'b']);
      expect(await ids({ parentStepId: 'c', status: 'running' })).toEqual(['a']);
      expect(await ids({ status: 'failed' })).toEqual([]);
    });
  });
}
