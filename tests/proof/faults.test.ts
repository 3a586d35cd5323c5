import { describe, expect, test } from '@jest/globals';
import { IS_SOAK, PROOF_TIMEOUT_MS, proveApart, recordFigure, SEED } from '../fixtures/proof.ts';
import type { MatrixReport, MatrixTask } from './faults/matrix.ts';
import type { LoadReport, LoadTask } from './faults/underLoad.ts';

const MATRIX = new URL('./faults/matrix.ts', import.meta.url);
const UNDER_LOAD = new URL('./faults/underLoad.ts', import.meta.url);
/** In soak a store lives through the same fault twice. */
const ROUNDS = IS_SOAK ? ([1, 2] as const) : ([1] as const);
const LOAD = { seed: SEED, callers: IS_SOAK ? 12 : 6, rounds: IS_SOAK ? 12 : 5 };

const matrix = (task: Omit<MatrixTask, 'seed' | 'rounds'>): Promise<MatrixReport> =>
  proveApart(MATRIX, { seed: SEED, rounds: ROUNDS, ...task });

const underLoad = (task: Omit<LoadTask, 'seed' | 'callers' | 'rounds'>): Promise<LoadReport> =>
  proveApart(UNDER_LOAD, { ...LOAD, ...task });

const seed = `HOLDFAST_SEED=${SEED}`;

describe('each call of the port, in each operation', () => {
  test(
    'which fails, once or from then on, loses nothing: the store goes on or is poisoned [W3] [ES-1]',
    async () => {
      const reports = await Promise.all([
        matrix({ place: 'memory', faults: ['EIO', 'EROFS', 'EMFILE', 'EACCES'] }),
        matrix({ place: 'memory', faults: ['ENOSPC', 'EDQUOT', 'short', 'late'] }),
      ]);
      // What an error's code changes was seen in memory; soaking tries each here too.
      const more = IS_SOAK ? ['ENOSPC', 'EROFS', 'EMFILE', 'EACCES', 'EDQUOT'] : [];
      reports.push(await matrix({ place: 'folder', faults: ['EIO', 'short', 'late', ...more] }));

      const cases = reports.reduce((sum, report) => sum + report.cases, 0);
      const broken = reports.reduce((sum, report) => sum + report.broken, 0);
      const operations = new Set(reports.flatMap((report) => report.operations)).size;
      const line = `faults: ${count(cases)} calls failing in ${operations} operations, broken: ${broken}`;
      recordFigure({ name: 'faults', line, broken });
      expect({ what: reports.flatMap(({ what }) => what), seed }).toEqual({ what: [], seed });
      expect(broken).toBe(0);
      expect(operations).toBeGreaterThanOrEqual(50);
      expect(cases).toBeGreaterThan(15_000);
    },
    PROOF_TIMEOUT_MS,
  );
});

describe('a store under concurrent callers', () => {
  test(
    'acknowledges nothing after a failed sync, and never tries that file again [W1] [W3] [ES-1]',
    async () => {
      const faults = IS_SOAK ? ['EIO', 'ENOSPC', 'late'] : ['EIO', 'late'];
      const report = await underLoad({ calls: 'sync', faults, persistent: false, stride: 1 });
      const { cases, ofJournal, acknowledged, retried, broken, what } = report;
      const figures = `acknowledged after: ${acknowledged}, retried: ${retried}`;
      const line = `failed syncs: ${count(cases)}, ${figures}`;
      recordFigure({ name: 'failed-syncs', line, broken: acknowledged + retried + broken });
      expect({ acknowledged, retried, broken, what, seed }).toEqual({
        acknowledged: 0,
        retried: 0,
        broken: 0,
        what: [],
        seed,
      });
      expect(ofJournal).toBeGreaterThan(50);
      expect(cases).toBeGreaterThan(150);
    },
    PROOF_TIMEOUT_MS,
  );

  test(
    'keeps what it acknowledged and has nothing of what it refused, whichever call fails [W3]',
    async () => {
      const stride = IS_SOAK ? 1 : 3;
      const reports = await Promise.all([
        underLoad({ calls: 'any', faults: ['EIO'], persistent: false, stride }),
        underLoad({ calls: 'any', faults: ['ENOSPC'], persistent: true, stride }),
      ]);
      for (const { cases, ...rest } of reports) {
        expect(cases).toBeGreaterThan(80);
        expect({ ...rest, seed }).toMatchObject({ acknowledged: 0, retried: 0, broken: 0, seed });
      }
    },
    PROOF_TIMEOUT_MS,
  );
});

describe('what is broken on purpose is caught:', () => {
  test.each([
    ['takes a failed sync for done', /acknowledged after it/],
    ['tries again after a failed sync', /tried again/],
  ])('a port that %s [W3]', async (mutant, found) => {
    const task = { faults: ['EIO'], persistent: false, stride: 6, mutant } as const;
    const report = await underLoad({ calls: 'sync', ...task });
    expect(report.acknowledged).toBeGreaterThan(0);
    expect(report.retried).toBeGreaterThan(0);
    expect(report.what.join('\n')).toMatch(found);
  });

  test.each([
    ['takes a short write for whole', 'events.append', 'short', /is damaged/],
    ['leaves files open where reading them failed', 'events.list', 'EIO', /handles stay open/],
    ['acknowledges before it is durable', 'runs.delete', 'EIO', /promised to be there/],
    ['lets the errors of the disk through', 'runs.delete', 'EIO', /injected/],
    ['leaves a rejection unhandled', 'runs.delete', 'EIO', /was not handled/],
  ])('a port or a store that %s', async (mutant, operation, fault, found) => {
    const task = { place: 'memory', faults: [fault], operations: [operation], mutant } as const;
    const { broken, what } = await matrix(task);
    expect(broken).toBeGreaterThan(0);
    expect(what.join('\n')).toMatch(found);
  });
});

describe('a name that is misspelt', () => {
  const faults = ['EIO'];
  const load = { calls: 'sync', persistent: false, stride: 1, faults } as const;
  const place = 'memory';

  test.each([
    ['mutant', () => matrix({ place, faults, mutant: 'nobody' })],
    ['fault', () => matrix({ place, faults: ['nobody'] })],
    ['operation', () => matrix({ place, faults, operations: ['nobody'] })],
    ['mutant, under load', () => underLoad({ ...load, mutant: 'nobody' })],
    ['fault, under load', () => underLoad({ ...load, faults: ['nobody'] })],
  ])('proves nothing, and is refused: that of a %s', async (_what, prove) => {
    await expect(prove()).rejects.toThrow("there is no 'nobody'");
  });
});

function count(cases: number): string {
  return cases.toLocaleString('en-US');
}
