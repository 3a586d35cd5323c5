import type { Workload } from '../recording.ts';
import { appendEvent, createRun, repeat, together, workOn } from './callers.ts';

const HOUR_MS = 3_600_000;
const PASS_MS = 60_000;

export const clockJumps: Workload = {
  name: 'a clock that jumps in both directions',
  run: async (stage) => {
    await createRun(stage, 'r');
    await repeat(5, async () => {
      stage.clock.ms += stage.random.below(4 * HOUR_MS) - 2 * HOUR_MS;
      await together(2, () => appendEvent(stage, 'r', 400));
      if (stage.random.chance(0.5)) await stage.pass(PASS_MS);
    });
    stage.clock.ms -= 24 * HOUR_MS;
    await workOn(stage, 'r', 'step');
    await stage.close();
    stage.clock.ms -= 24 * HOUR_MS;
    await stage.reopen();
    await appendEvent(stage, 'r');
  },
};

export const sessions: Workload = {
  name: 'a store that is closed and opened again',
  run: async (stage) => {
    await repeat(3, async (session) => {
      await together(2, async (n) => {
        const id = `run ${session}.${n}`;
        await createRun(stage, id);
        await appendEvent(stage, id, 500);
      });
      await stage.close();
      await stage.reopen();
    });
    await appendEvent(stage, 'run 0.0');
  },
};

export const kills: Workload = {
  name: 'processes that are killed in the middle of their writes',
  run: async (stage) => {
    await createRun(stage, 'r');
    await repeat(3, async () => {
      const calls = together(4, async (n) => {
        await appendEvent(stage, 'r', 100 * n);
        await appendEvent(stage, 'r', 100);
      });
      for (let turns = stage.random.below(120); turns > 0; turns--) await Promise.resolve();
      await stage.kill();
      await calls;
      if (stage.random.chance(0.5)) await stage.pass(PASS_MS);
    });
    await appendEvent(stage, 'r');
  },
};
