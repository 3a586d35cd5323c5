import { beforeAll, expect, test } from '@jest/globals';
import { IS_SOAK, proveApart, recordFigure, SEED } from '../fixtures/proof.ts';
import { sharedPostgres } from '../services/postgres.ts';
import type { Task } from './commands/run.ts';
import type { SequencesReport } from './commands/sequences.ts';

const SCRIPT = new URL('commands/run.ts', import.meta.url);
const FACTOR = IS_SOAK ? 50 : 1;
/** For a machine that is busy: CI needs a tenth of it. */
const TIME_MAX_MS = FACTOR * 300_000;
const SPARE_MS = 30_000;

let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  env = { ...process.env, HOLDFAST_TEST_POSTGRES_URL: (await sharedPostgres()).url };
});

const run = (task: Pick<Task, 'where' | 'count'>): Promise<SequencesReport> =>
  proveApart(SCRIPT, { ...task, seed: SEED, timeMaxMs: TIME_MAX_MS } satisfies Task, env);

test(
  'two processes on a database answer sequences of commands as the reference does, over reopenings and kills ' +
    '[EM-3] [ST-1] [RM-1] [SM-1]',
  async () => {
    const reports = await Promise.all([
      run({ where: 'sqlite', count: 100 * FACTOR }),
      run({ where: 'postgres', count: 50 * FACTOR }),
    ]);
    const failures = reports.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
    const sequences = reports.reduce((sum, report) => sum + report.sequences, 0);
    const broken = failures.length;
    const count = sequences.toLocaleString('en');
    const line = `command sequences on databases: ${count}, differing from the reference: ${broken}`;
    recordFigure({ name: 'database-commands', line, broken });
    // Jest shows the seed and the path: HOLDFAST_SEED does the same again.
    expect(failures).toEqual([]);
    expect(sequences).toBe(150 * FACTOR);
  },
  TIME_MAX_MS + SPARE_MS,
);
