import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { IS_SOAK, proveApart, PROOF_TIMEOUT_MS, recordFigure, SEED } from '../fixtures/proof.ts';
import type { Order, Report } from './crashes/explore.ts';

const STATES_MIN = IS_SOAK ? 5_000_000 : 100_000;
/** Of them, with the index in a real SQLite file. */
const REAL_INDEX_STATES_MIN = IS_SOAK ? 100_000 : 2_000;
/** Between the seeds of processes that work side by side. */
const STRIDE = 2;
const ROUNDS_APART = 1_000_000;

const PROGRESS = join(import.meta.dirname, '..', '..', 'coverage', 'soak');

/** Hours of it may be stopped, and go on with the same seed. */
const explore = (order: Order) => {
  const name = `crashes-${order.seed}${order.realIndex === true ? '-index' : ''}.json`;
  const kept = IS_SOAK ? { progress: join(PROGRESS, name) } : {};
  const script = new URL('crashes/explore.ts', import.meta.url);
  return proveApart<Report>(script, { ...order, ...kept });
};

describe('a power cut at any operation of the disk', () => {
  test(
    'leaves every acknowledged commit whole and nothing else, in each way in which it can fall ' +
      '[W1] [W2] [W4] [W5] [W6] [W7] [W8] [W9] [W10] [W11] [EM-3] [ST-1]',
    async () => {
      const half = Math.ceil((STATES_MIN - REAL_INDEX_STATES_MIN) / 2);
      const reports = await Promise.all([
        explore({ seed: SEED, stride: STRIDE, statesMin: half }),
        explore({ seed: SEED + 1, stride: STRIDE, statesMin: half }).then(async (report) => {
          const order = { seed: SEED + ROUNDS_APART, statesMin: REAL_INDEX_STATES_MIN };
          return [report, await explore({ ...order, realIndex: true })];
        }),
      ]);
      const all = reports.flat();
      const states = all.reduce((sum, report) => sum + report.states, 0);
      const broken = all.flatMap((report) => report.broken);
      const line = `crash states: ${states.toLocaleString('en')}, broken: ${broken.length}`;
      recordFigure({ name: 'crash-states', line, broken: broken.length });
      expect(broken).toEqual([]);
      expect(states).toBeGreaterThanOrEqual(STATES_MIN);
    },
    PROOF_TIMEOUT_MS,
  );
});
