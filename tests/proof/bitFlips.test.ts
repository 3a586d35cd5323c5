import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';
import { IS_SOAK, PROOF_TIMEOUT_MS, proveApart, recordFigure, SEED } from '../fixtures/proof.ts';
import type { Answers } from './bitFlips/answers.ts';
import type { Order, Result } from './bitFlips/order.ts';
import { closedStore, killedStore } from './bitFlips/smallStore.ts';
import { expectationsOf } from './bitFlips/survey.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SCRIPT = new URL('./bitFlips/process.ts', import.meta.url);
const survey = (order: Order, script = SCRIPT) => proveApart<Result>(script, order);

test(
  'a flipped bit or a bad sector is an error, a rebuild, or of no account; never another value ' +
    '[ES-2] [W2] [W9] [W11]',
  async () => {
    const order = { seed: SEED, soak: IS_SOAK, parts: 2 };
    const results = await Promise.all([0, 1].map((part) => survey({ ...order, part })));
    const sum = (of: (result: Result) => number) =>
      results.reduce((total, result) => total + of(result), 0);
    const wrong = results.flatMap((result) => result.wrong);
    const flips = sum((result) => result.flips);
    recordFigure({
      name: 'bit-flips',
      line: `bit flips: ${flips.toLocaleString('en')}, other values: ${wrong.length}`,
      broken: wrong.length,
    });
    expect(wrong).toEqual([]);
    expect(flips).toBeGreaterThan(40_000);
    expect(sum((result) => result.digests)).toBeGreaterThanOrEqual(65_536);
    expect(sum((result) => result.sectors)).toBeGreaterThan(100);
    // Each way out was taken: none of them is a loophole that nothing looks at.
    const verdicts = ['refused', 'partly refused', 'named by verify', 'rebuilt', 'left behind'];
    for (const verdict of [...verdicts, 'torn', 'unused', 'index rebuilt', 'index right']) {
      expect([verdict, sum(({ counts }) => counts[verdict] ?? 0) > 0]).toEqual([verdict, true]);
    }
  },
  PROOF_TIMEOUT_MS,
);

test('what is expected of damaged stores is what they answered while they were written', async () => {
  const closed = await closedStore(SEED);
  const { answers, journal } = await expectationsOf(closed);
  expect(journal.isSealed).toBe(true);
  expectSame(answers, closed.answers[0]);
  const killed = await killedStore(SEED);
  const expected = await expectationsOf(killed);
  // Its newest segment: one commit that is proven durable, and two of one batch that are not.
  expect(expected.journal.isSealed).toBe(false);
  const positions = expected.journal.newestPositions;
  expect(positions).toHaveLength(3);
  expect(expected.journal.provenWithout([])).toBe(positions[0]);
  expectSame(expected.cuts.get(expected.journal.before), killed.answers[0]);
  expectSame(expected.answers, killed.answers[1]);
});

function expectSame(actual: Answers | undefined, told: Answers | undefined): void {
  expect(told?.size).toBeGreaterThan(20);
  expect([...(actual ?? [])]).toEqual([...(told ?? [])]);
}

test(
  'of a store that ignores checksums other values are reported [ES-2]',
  async () => {
    const mutant = mkdtempSync(join(tmpdir(), 'holdfast-mutant-'));
    try {
      for (const folder of ['src', 'tests/proof/bitFlips', 'tests/fixtures']) {
        cpSync(join(ROOT, folder), join(mutant, folder), { recursive: true });
      }
      symlinkSync(join(ROOT, 'node_modules'), join(mutant, 'node_modules'), 'junction');
      writeFileSync(join(mutant, 'package.json'), '{ "type": "module" }');
      ignoreChecksums(join(mutant, 'src/lib/store/FileSystemStore/frame.ts'));
      const script = join(mutant, relative(ROOT, fileURLToPath(SCRIPT)));
      const order = { seed: SEED, soak: false, part: 0, parts: 100, only: '/runs/' };
      const { wrong } = await survey(order, pathToFileURL(script));
      expect(wrong.filter((each) => each.includes(' instead of ')).length).toBeGreaterThan(3);
    } finally {
      rmSync(mutant, { recursive: true, force: true });
    }
  },
  PROOF_TIMEOUT_MS,
);

function ignoreChecksums(file: string): void {
  const source = readFileSync(file, 'utf8');
  const check = 'if (!isSealed(bytes, start, end)) return undefined;';
  expect(source.split(check)).toHaveLength(2);
  writeFileSync(file, source.replace(check, 'if (end - start < SEAL_BYTES) return undefined;'));
}
