import {
  RUN_STATUSES,
  type RunPatch,
  type RunStatus,
  STEP_STATUSES,
  type StepPatch,
  type StepStatus,
} from '../../index.ts';
import { FAILED, refusal, type Suite } from './subject.ts';

/** From a status, the ones it may go to; and how a new entity gets to it. */
const RUN: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  queued: ['running', 'failed', 'cancelled'],
  running: ['queued', 'blocked', 'succeeded', 'failed', 'cancelled'],
  blocked: ['queued', 'running', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};
const STEP: Readonly<Record<StepStatus, readonly StepStatus[]>> = {
  queued: ['running', 'skipped', 'cancelled'],
  running: ['succeeded', 'failed', 'cancelled', 'timed_out'],
  succeeded: [],
  failed: [],
  cancelled: [],
  timed_out: [],
  skipped: [],
};
const BY_WAY_OF_RUNNING: ReadonlySet<string> = new Set([
  'blocked',
  'succeeded',
  'failed',
  'timed_out',
]);

const patchTo = (status: string): never =>
  (status === 'failed' ? FAILED : { status }) as RunPatch & StepPatch as never;

export function transitionTests({ describe, it, expect, subject }: Suite): void {
  async function runIn(status: RunStatus): Promise<string> {
    const { runs } = subject.store;
    const { id } = await runs.create({ workflow: 'w' });
    if (BY_WAY_OF_RUNNING.has(status)) await runs.update(id, patchTo('running'));
    if (status !== 'queued') await runs.update(id, patchTo(status));
    return id;
  }

  async function stepIn(runId: string, status: StepStatus): Promise<string> {
    const { steps } = subject.store;
    const { id } = await steps.create(runId, { name: 's' });
    if (BY_WAY_OF_RUNNING.has(status)) await steps.update(runId, id, patchTo('running'));
    if (status !== 'queued') await steps.update(runId, id, patchTo(status));
    return id;
  }

  describe('transitions', () => {
    it('a run goes where the table allows and nowhere else [RM-2]', async () => {
      for (const from of RUN_STATUSES) {
        for (const to of RUN_STATUSES) {
          const id = await runIn(from);
          if (RUN[from].includes(to)) {
            expect((await subject.store.runs.update(id, patchTo(to))).status).toBe(to);
            continue;
          }
          const before = await subject.store.runs.get(id);
          const error = await refusal(() => subject.store.runs.update(id, patchTo(to)));
          expect(error).toMatchObject({ code: 'INVALID_TRANSITION', id });
          expect(await subject.store.runs.get(id)).toEqual(before);
        }
      }
    });

    it('a step goes where the table allows and nowhere else [SM-1]', async () => {
      const run = await subject.store.runs.create({ workflow: 'w' });
      for (const from of STEP_STATUSES) {
        for (const to of STEP_STATUSES) {
          const id = await stepIn(run.id, from);
          const update = () => subject.store.steps.update(run.id, id, patchTo(to));
          if (STEP[from].includes(to)) {
            expect((await update()).status).toBe(to);
            continue;
          }
          const before = await subject.store.steps.get(run.id, id);
          expect(await refusal(update)).toMatchObject({ code: 'INVALID_TRANSITION', id });
          expect(await subject.store.steps.get(run.id, id)).toEqual(before);
        }
      }
    });

    it('what has ended is still so afterwards, and only a reset leaves it [RM-2]', async () => {
      const id = await runIn('failed');
      const store = await subject.throughReopen();
      expect((await refusal(() => store.runs.update(id, patchTo('running')))).code).toBe(
        'INVALID_TRANSITION',
      );
      await store.runs.reset(id);
      expect((await store.runs.update(id, patchTo('running'))).status).toBe('running');
    });

    it('steps are written while the run has not ended; events and artifacts always', async () => {
      const { store } = subject;
      for (const status of RUN_STATUSES) {
        const id = await runIn(status);
        const open = RUN[status].length > 0;
        if (open) await store.steps.create(id, { name: 's' });
        else {
          const error = await refusal(() => store.steps.create(id, { name: 's' }));
          expect(error).toMatchObject({ code: 'INVALID_TRANSITION', id });
        }
        await store.events.append(id, { type: 'e' });
        await store.artifacts.put(id, { name: 'a', body: status });
      }
    });
  });
}
