import { describe, expect, test } from '@jest/globals';
import { IS_SOAK, proveApart, recordFigure, SEED } from '../fixtures/proof.ts';
import { BROKEN_STORES } from './commands/brokenStores.ts';
import type { Task } from './commands/run.ts';
import type { SequencesReport } from './commands/sequences.ts';

const SCRIPT = new URL('commands/run.ts', import.meta.url);
const FACTOR = IS_SOAK ? 20 : 1;
/** For a machine that is busy: CI needs a tenth of it. */
const TIME_MAX_MS = FACTOR * 300_000;
const SPARE_MS = 30_000;

const run = (task: Omit<Task, 'seed' | 'timeMaxMs'>): Promise<SequencesReport> =>
  proveApart(SCRIPT, { ...task, seed: SEED, timeMaxMs: TIME_MAX_MS } satisfies Task);

describe('sequences of up to forty commands', () => {
  test(
    'are answered as by the reference, over reopenings, kills and power cuts [EM-3] [ST-1] [RM-1] [SM-1]',
    async () => {
      const reports = await Promise.all([
        run({ where: 'simulated', count: 800 * FACTOR }),
        run({ where: 'folder', count: 60 * FACTOR }),
      ]);
      const failures = reports.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
      const sequences = reports.reduce((sum, report) => sum + report.sequences, 0);
      const broken = failures.length;
      const line = `command sequences: ${sequences.toLocaleString('en')}, differing from the reference: ${broken}`;
      recordFigure({ name: 'commands', line, broken });
      // Jest shows the seed and the path: HOLDFAST_SEED does the same again.
      expect(failures).toEqual([]);
      expect(sequences).toBe(860 * FACTOR);
    },
    TIME_MAX_MS + SPARE_MS,
  );

  test.each(Object.entries(BROKEN_STORES))(
    'tell a store that %s',
    async (broken, { seenIn }) => {
      const { failure } = await run({ where: 'simulated', count: 400, broken });
      expect(failure?.message).toMatch(seenIn);
    },
    TIME_MAX_MS + SPARE_MS,
  );
});
