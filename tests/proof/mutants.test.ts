import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { IS_SOAK, PROOF_TIMEOUT_MS, recordFigure, SEED } from '../fixtures/proof.ts';
import { MUTANTS } from './mutants/catalogue.ts';
import { Trials } from './mutants/trials.ts';

/** All workloads are played; what each state of them says is said by the proof of crash states. */
const UNCHANGED = IS_SOAK ? { rounds: 5, share: 1 } : { rounds: 1, share: 0.15 };

const TITLED = MUTANTS.map((mutant) => ({
  ...mutant,
  mutant,
  broken: mutant.breaks.join(', or '),
}));

describe('a store', () => {
  let trials: Trials;

  beforeAll(() => {
    trials = new Trials(SEED, UNCHANGED);
  });

  afterAll(() => trials.end(), PROOF_TIMEOUT_MS);

  test.each(TITLED)(
    'that $name is caught by "$broken" [$rule]',
    async ({ mutant }) => {
      expect(await trials.verdictOf(mutant)).toBe('caught');
    },
    PROOF_TIMEOUT_MS,
  );

  test(
    'as it is breaks nothing where these were caught',
    async () => {
      expect(await trials.falseAlarms()).toEqual([]);
    },
    PROOF_TIMEOUT_MS,
  );

  test(
    'has at least fifteen of them, and none survives',
    async () => {
      const verdicts = await Promise.allSettled(MUTANTS.map((mutant) => trials.verdictOf(mutant)));
      const caught = verdicts.filter((it) => it.status === 'fulfilled' && it.value === 'caught');
      const [count, all] = [caught.length, MUTANTS.length];
      recordFigure({
        name: 'mutants',
        line: `mutants: ${count} of ${all} caught`,
        broken: all - count,
      });
      expect(all).toBeGreaterThanOrEqual(15);
      expect(count).toBe(all);
    },
    PROOF_TIMEOUT_MS,
  );
});
