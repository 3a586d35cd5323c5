import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { IS_SOAK, proveApart, PROOF_TIMEOUT_MS, recordFigure, SEED } from '../fixtures/proof.ts';
import type { Order, Report } from './crashes/explore.ts';

const STATES_MIN = IS_SOAK ? 5_000_000 : 100_000;
/** Of them, with the index in a real SQLite file. */
const REAL_INDEX_STATES_MIN = IS_SOAK ? 100_000 : 2_000;
/** Processes that work side by side. */
const LANES = 2;
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
      const lane = async (n: number): Promise<Report[]> => {
        const statesMin = Math.ceil((STATES_MIN - REAL_INDEX_STATES_MIN) / LANES);
        const simulated = await explore({ seed: SEED + n, stride: LANES, statesMin });
        const order = { seed: SEED + (n + 1) * ROUNDS_APART, realIndex: true };
        return [simulated, await explore({ ...order, statesMin: REAL_INDEX_STATES_MIN / LANES })];
      };
      const lanes = await Promise.all([...Array(LANES).keys()].map(lane));
      const all = lanes.flat();
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
