import type { Workload } from '../recording.ts';
import type { Stage } from '../stage.ts';
import { appendEvent, createRun, endRun, repeat, together } from './callers.ts';

/** One commit over two runs, with a mark in each. */
async function both(stage: Stage, first: string, second: string): Promise<void> {
  const [one, other] = [stage.mark(), stage.mark()];
  await stage.call([one, other], (store) =>
    store.transaction([first, second], async (tx) => {
      await tx.events.append(first, { type: 'e', payload: one });
      await tx.runs.update(second, { tags: { last: other } });
      await tx.events.append(second, { type: 'e', payload: other });
    }),
  );
}

export const transactions: Workload = {
  name: 'transactions over two runs',
  run: async (stage) => {
    await together(3, (n) => createRun(stage, `run ${n}`));
    await together(3, async (n) => {
      await repeat(2, () => both(stage, `run ${n}`, `run ${(n + 1) % 3}`));
      await appendEvent(stage, `run ${n}`);
    });
    const [parent, child] = [stage.mark(), stage.mark()];
    await stage.call([parent, child], (store) =>
      store.transaction(['run 0', 'child'], async (tx) => {
        await tx.runs.create({ id: 'child', workflow: 'w', input: child, parentRunId: 'run 0' });
        await tx.events.append('run 0', { type: 'child', payload: parent });
      }),
    );
    // One that throws stores nothing.
    const never = stage.mark();
    await stage.call([never], (store) =>
      store.transaction('run 0', async (tx) => {
        await tx.events.append('run 0', { type: 'e', payload: never });
        await tx.runs.update('run 0', { status: 'succeeded' });
      }),
    );
  },
};

async function deleteRun(stage: Stage, id: string): Promise<void> {
  await stage.call([`«deleted ${id}»`], (store) => store.runs.delete(id));
}

export const deletions: Workload = {
  name: 'deletions, and new runs of the same id',
  run: async (stage) => {
    await together(3, async (n) => {
      await createRun(stage, `run ${n}`);
      await repeat(2, () => appendEvent(stage, `run ${n}`, 150));
    });
    await stage.pass(PASS_MS);
    await together(2, (n) => deleteRun(stage, `run ${n}`));
    await createRun(stage, 'run 1');
    await appendEvent(stage, 'run 1', 150);
    await stage.pass(PASS_MS);
    await endRun(stage, 'run 2');
    await stage.pass(PASS_MS);
    await deleteRun(stage, 'run 2');
    await stage.pass(PASS_MS);
  },
};

/** Longer than any quiet time that a workload is played with. */
const PASS_MS = 60_000;
