import { openAt } from './contenders/holdfast.ts';
import { median, percentile, times } from './harness/measure.ts';
import { payload } from './harness/payload.ts';
import type { Question } from './harness/question.ts';

/** The floor that users were promised; PF-7 is answered with the many callers. */
export const serviceLevels: Question = {
  id: 'p',
  title: 'Promised service levels',
  async ask({ folder, quick, progress }) {
    progress('service levels');
    await using store = await openAt(await folder('service-levels'));
    const { id } = await store.runs.create({ workflow: 'bench' });
    const count = quick ? 50 : 500;
    // Larger than what may ride inside a frame, and never the same: a real file, synced.
    const files = await times(count, (n) => {
      const body = `${n} ${'x'.repeat(100_000)}`;
      return store.artifacts.put(id, { name: `file-${n}`, body });
    });
    const commits = await times(count, (n) =>
      store.transaction(id, async (tx) => {
        const step = await tx.steps.create(id, { name: `step-${n}` });
        await tx.steps.update(id, step.id, { status: 'running' });
        await tx.events.append(id, { type: 'message', stepId: step.id, payload: payload(n) });
        await tx.steps.update(id, step.id, { status: 'succeeded' });
      }),
    );
    return [
      {
        name: 'a small file stored as an artifact (100 KB) [PF-1]',
        value: median(files),
        unit: 'ms',
        target: { is: '<', value: 10 },
        note: `p99 ${percentile(files, 0.99).toFixed(1)} ms`,
      },
      {
        name: 'a transaction of four writes [PF-6]',
        value: median(commits),
        unit: 'ms',
        target: { is: '<', value: 100 },
        note: `p99 ${percentile(commits, 0.99).toFixed(1)} ms`,
      },
    ];
  },
};
