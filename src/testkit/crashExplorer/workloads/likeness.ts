import type { Workload } from '../recording.ts';
import { createRun, repeat, together } from './callers.ts';

/**
 * Frames as long as those of the second life: where one of them is torn and is written anew, the one
 * after it stands exactly where the log could take it for the next.
 */
export const likeness: Workload = {
  name: 'commits of one length in one batch',
  run: async (stage) => {
    await repeat(2, (round) =>
      together(4, (n) => createRun(stage, `in the first life ${round}${n}`)),
    );
  },
};
