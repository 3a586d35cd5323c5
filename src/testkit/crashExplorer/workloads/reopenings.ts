import type { Workload } from '../recording.ts';
import { appendEvent, createRun, repeat, together } from './callers.ts';

const PASS_MS = 60_000;

/** The bytes of the failed write are in doubt for good, and later commits have their positions. */
export const reopenings: Workload = {
  name: 'a store that is opened again after a failed write',
  run: async (stage) => {
    await createRun(stage, 'r');
    await repeat(3, async (round) => {
      let left = 1 + stage.random.below(3);
      stage.disk.fault = ({ op, path }) =>
        op === 'write' && path.includes('journal') && --left === 0 ? 'EIO' : undefined;
      await together(3, (n) => appendEvent(stage, 'r', 100 * n));
      await appendEvent(stage, 'r', 50 * round);
      stage.disk.fault = () => undefined;
      await stage.kill();
      await together(2, () => appendEvent(stage, 'r', 100));
      if (round === 1) await stage.pass(PASS_MS);
    });
  },
};
