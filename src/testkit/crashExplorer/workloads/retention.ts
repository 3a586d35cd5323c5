import type { Workload } from '../recording.ts';
import { appendEvent, createRun, repeat, together } from './callers.ts';

const PASS_MS = 60_000;

export const pins: Workload = {
  name: 'a reader that holds on to the log',
  run: async (stage) => {
    await createRun(stage, 'r');
    await stage.pin('reader');
    await repeat(4, async () => {
      await together(3, () => appendEvent(stage, 'r', 500));
      await stage.pass(PASS_MS);
    });
    // Many segments go at once.
    await stage.unpin('reader');
    await appendEvent(stage, 'r');
    await stage.pass(PASS_MS);
  },
};

export const forgottenRuns: Workload = {
  name: 'deletions of runs that the log does not hold any more',
  run: async (stage) => {
    await together(2, async (n) => {
      await createRun(stage, `run ${n}`);
      await appendEvent(stage, `run ${n}`, 150);
    });
    await createRun(stage, 'other');
    await stage.pass(PASS_MS);
    await repeat(4, async () => {
      await together(3, () => appendEvent(stage, 'other', 500));
      await stage.pass(PASS_MS);
    });
    await together(2, async (n) => {
      const id = `run ${n}`;
      await stage.call([`«deleted ${id}»`], (store) => store.runs.delete(id));
    });
    await createRun(stage, 'run 0');
    await stage.pass(PASS_MS);
  },
};
