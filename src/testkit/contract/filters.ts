import type { Run, RunFilter } from '../../index.ts';
import { collect, FAILED, RUNNING, type Suite, SUCCEEDED } from './subject.ts';

type Condition = readonly [RunFilter, (run: Run) => boolean];

export function filterTests({ describe, it, expect, subject }: Suite): void {
  /** Runs that differ in all that can be asked for. */
  async function someRuns(): Promise<void> {
    const { runs } = subject.store;
    for (let i = 0; i < 24; i++) {
      const { id } = await runs.create({
        id: `r${i}`,
        workflow: i % 2 === 0 ? 'even' : 'odd',
        project: i % 3 === 0 ? 'p' : undefined,
        parentRunId: i % 4 === 0 ? 'r0' : undefined,
        parentStepId: i % 8 === 0 ? 's' : undefined,
        tags: { team: i % 5 === 0 ? 'a' : 'b', n: String(i % 2) },
      });
      if (i % 6 === 1) await runs.update(id, RUNNING);
      if (i % 6 === 2) await runs.update(id, FAILED);
      if (i % 6 === 3) {
        await runs.update(id, RUNNING);
        await runs.update(id, SUCCEEDED);
      }
    }
  }

  const conditions = (middle: Date, ended: Date): readonly Condition[] => [
    [{ status: 'queued' }, (run) => run.status === 'queued'],
    [
      { status: ['running', 'failed'] },
      (run) => run.status === 'running' || run.status === 'failed',
    ],
    [{ workflow: 'odd' }, (run) => run.workflow === 'odd'],
    [{ project: 'p' }, (run) => run.project === 'p'],
    [{ parentRunId: 'r0' }, (run) => run.parentRunId === 'r0'],
    [{ parentStepId: 's' }, (run) => run.parentStepId === 's'],
    [{ tags: { team: 'a' } }, (run) => run.tags['team'] === 'a'],
    [{ tags: { team: 'b', n: '1' } }, (run) => run.tags['team'] === 'b' && run.tags['n'] === '1'],
    [{ createdAfter: middle }, (run) => run.createdAt >= middle],
    [{ createdBefore: middle }, (run) => run.createdAt < middle],
    [{ endedAfter: ended }, (run) => run.endedAt !== null && run.endedAt >= ended],
    [{ endedBefore: ended }, (run) => run.endedAt !== null && run.endedAt < ended],
  ];

  describe('filters of runs', () => {
    it('give what they ask for, alone and two by two, page by page [RM-1]', async () => {
      await someRuns();
      const store = await subject.throughReopen();
      const all = await collect(store.runs.list());
      const { createdAt } = await store.runs.get('r12');
      const { endedAt } = await store.runs.get('r14');
      const list = conditions(createdAt, endedAt ?? createdAt);
      for (const [filter, fits] of list) {
        for (const [more, fitsToo] of list) {
          const wanted = all.filter((run) => fits(run) && fitsToo(run));
          // Two conditions on the same field: the later one stands.
          if (Object.keys(filter).some((key) => key in more) && filter !== more) continue;
          const found = await collect(store.runs.list({ ...filter, ...more, limit: 5 }));
          expect([filter, more, ids(found)]).toEqual([filter, more, ids(wanted)]);
        }
      }
    });

    it('that nothing meets give an empty page, and an unmet tag is not any tag [RM-1]', async () => {
      await someRuns();
      const { runs } = await subject.throughReopen();
      const empty = { items: [], next: null };
      expect(await runs.list({ workflow: 'ghost' })).toEqual(empty);
      expect(await runs.list({ workflow: "' OR 1=1 --" })).toEqual(empty);
      expect(await runs.list({ tags: { team: 'a', ghost: '' } })).toEqual(empty);
      expect((await collect(runs.list({ tags: {} }))).length).toBe(24);
    });

    it('see what was changed at once [RM-1]', async () => {
      const { runs } = subject.store;
      await runs.create({ id: 'r', workflow: 'w', tags: { a: '1' } });
      const found = async (filter: RunFilter): Promise<number> =>
        (await runs.list(filter)).items.length;
      expect([await found({ tags: { a: '1' } }), await found({ tags: { b: '2' } })]).toEqual([
        1, 0,
      ]);
      await runs.update('r', { ...RUNNING, tags: { b: '2' } });
      expect([await found({ tags: { a: '1' } }), await found({ tags: { b: '2' } })]).toEqual([
        0, 1,
      ]);
      expect([await found({ status: 'queued' }), await found({ status: 'running' })]).toEqual([
        0, 1,
      ]);
      await runs.delete('r');
      expect(await found({})).toBe(0);
    });
  });
}

const ids = (runs: readonly Run[]): string[] => runs.map(({ id }) => id);
