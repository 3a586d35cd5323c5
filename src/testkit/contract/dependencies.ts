import type { NewStep, Step } from '../../index.ts';
import { collect, FAILED, refusal, RUNNING, type Suite, SUCCEEDED } from './subject.ts';

export function dependencyTests({ describe, it, expect, subject }: Suite): void {
  /** A run `r` with these steps, `{ b: ['a'] }` meaning that b depends on a. */
  async function stepsOf(
    graph: Readonly<Record<string, readonly string[]>>,
    rest: Partial<NewStep> = {},
  ): Promise<void> {
    await subject.store.runs.create({ id: 'r', workflow: 'w' });
    for (const [id, dependsOn] of Object.entries(graph)) {
      await subject.store.steps.create('r', { id, name: id, dependsOn, ...rest });
    }
  }

  async function walk(id: string, ...patches: readonly object[]): Promise<void> {
    for (const patch of patches) await subject.store.steps.update('r', id, patch);
  }

  const ids = (steps: readonly Step[]): string[] => steps.map(({ id }) => id);
  async function statuses(): Promise<Record<string, string>> {
    const steps = await collect(subject.store.steps.list('r'));
    return Object.fromEntries(steps.map(({ id, status }) => [id, status]));
  }

  describe('dependencies between steps', () => {
    it('counts what remains and tells what is ready [SM-3]', async () => {
      await stepsOf({ a: [], b: [], c: ['a', 'b'] });
      expect(ids(await subject.store.steps.ready('r'))).toEqual(['a', 'b']);
      expect((await subject.store.steps.get('r', 'c')).remaining).toBe(2);
      await walk('a', RUNNING, SUCCEEDED);
      const store = await subject.throughReopen();
      expect((await store.steps.get('r', 'c')).remaining).toBe(1);
      const early = await refusal(() => store.steps.update('r', 'c', RUNNING));
      expect(early).toMatchObject({ code: 'INVALID_TRANSITION', id: 'c' });
      expect(ids(await store.steps.ready('r'))).toEqual(['b']);
      await walk('b', RUNNING, SUCCEEDED);
      expect(ids(await store.steps.ready('r'))).toEqual(['c']);
      expect(await store.steps.update('r', 'c', RUNNING)).toMatchObject({ remaining: 0 });
      expect(await store.steps.ready('r')).toEqual([]);
    });

    it('a step whose time has not come is not ready [SM-3]', async () => {
      await stepsOf({ past: [] }, { availableAt: new Date(0) });
      const availableAt = new Date('2999-01-01T00:00:00.000Z');
      await subject.store.steps.create('r', { id: 'future', name: 'future', availableAt });
      const store = await subject.throughReopen();
      expect(ids(await store.steps.ready('r'))).toEqual(['past']);
      await store.steps.update('r', 'future', { availableAt: null });
      expect(ids(await store.steps.ready('r'))).toEqual(['past', 'future']);
    });

    it('skips what can no longer start, in turn and with the reason [SM-3]', async () => {
      await stepsOf({ a: [], b: ['a'], c: ['b'], free: [] });
      await walk('a', RUNNING, FAILED);
      const store = await subject.throughReopen();
      const b = await store.steps.get('r', 'b');
      expect(b).toMatchObject({ status: 'skipped', skippedBy: 'a' });
      expect(b.reason ?? '').toContain('its dependency a did not succeed');
      expect(await store.steps.get('r', 'c')).toMatchObject({ status: 'skipped', skippedBy: 'b' });
      await store.steps.create('r', { id: 'late', name: 'late', dependsOn: ['c'] });
      expect(await statuses()).toEqual({
        a: 'failed',
        b: 'skipped',
        c: 'skipped',
        free: 'queued',
        late: 'skipped',
      });
    });

    it('a reset queues again what was skipped on its account [SM-3]', async () => {
      await stepsOf({ a: [], b: ['a'], c: ['b'], d: ['c', 'a'] });
      await walk('a', RUNNING, FAILED);
      const store = await subject.throughReopen();
      await store.steps.retry('r', 'a');
      expect(await statuses()).toEqual({ a: 'queued', b: 'queued', c: 'queued', d: 'queued' });
      expect(await store.steps.get('r', 'c')).toMatchObject({ reason: null, skippedBy: null });
    });

    it('a step that waits by policy is left queued [SM-3]', async () => {
      await stepsOf({ a: [] });
      const patient = {
        id: 'b',
        name: 'b',
        dependsOn: ['a'],
        onDependencyFailure: 'wait',
      } as const;
      await subject.store.steps.create('r', patient);
      await walk('a', RUNNING, FAILED);
      const store = await subject.throughReopen();
      expect(await store.steps.get('r', 'b')).toMatchObject({ status: 'queued', remaining: 1 });
      expect(await store.steps.ready('r')).toEqual([]);
    });

    it('refuses cycles with their path, missing steps and doubles [SM-3]', async () => {
      await stepsOf({ a: [], b: ['a'], c: ['b'] });
      const store = await subject.throughReopen();
      const cycle = await refusal(() => store.steps.update('r', 'a', { dependsOn: ['c'] }));
      expect(cycle.code).toBe('INVALID_ARGUMENT');
      expect(cycle.message).toContain('patch.dependsOn[0]');
      expect(cycle.message).toContain('a → c → b → a');
      const create = (dependsOn: string[]) => () =>
        store.steps.create('r', { id: 'd', name: 'd', dependsOn });
      expect((await refusal(create(['d']))).code).toBe('INVALID_ARGUMENT');
      expect((await refusal(create(['a', 'a']))).code).toBe('INVALID_ARGUMENT');
      expect(await refusal(create(['ghost']))).toMatchObject({ code: 'NOT_FOUND', id: 'ghost' });
      expect((await refusal(() => store.steps.get('r', 'd'))).code).toBe('NOT_FOUND');
    });
  });
}
