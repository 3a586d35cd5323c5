import { availableParallelism } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { IS_SOAK, proveApart, recordFigure, SEED } from '../fixtures/proof.ts';
import { BROKEN_STORES } from './histories/brokenStores.ts';
import type { Caught, Checked, Fault, Order } from './histories/check.ts';

const CHECK = new URL('histories/check.ts', import.meta.url);
const HISTORIES = IS_SOAK ? 100_000 : 2_000;
const TIMEOUT_MS = IS_SOAK ? 3_600_000 : 240_000;

const inProcess = <T>(order: Order): Promise<T> => proveApart<T>(CHECK, order);

function replayed({ seed, text }: Fault): string {
  const alone = `node tests/proof/histories/check.ts '${JSON.stringify({ seed, count: 1 })}'`;
  return `HOLDFAST_SEED=${seed}, alone: ${alone}\n${text}`;
}

function total(parts: readonly Readonly<Record<string, number>>[], what: string): number {
  return parts.reduce((sum, part) => sum + (part[what] ?? 0), 0);
}

describe('histories of concurrent calls', () => {
  test(
    'are linearizable, through kills, failed writes and reopenings [W1] [W3] [W10] [ST-1]',
    async () => {
      const processes = Math.min(2, availableParallelism());
      const share = Math.ceil(HISTORIES / processes);
      const parts = await Promise.all(
        Array.from({ length: processes }, (_, n) =>
          inProcess<Checked>({ seed: SEED + n * share, count: share }),
        ),
      );
      const faults = parts.flatMap((part) => part.faults);
      const sum = (pick: (part: Checked) => number) =>
        parts.reduce((all, part) => all + pick(part), 0);
      const histories = sum((part) => part.histories);
      const broken = faults.length;
      const line = `histories: ${histories.toLocaleString('en')}, not linearizable: ${broken}`;
      recordFigure({ name: 'histories', line, broken });
      expect(faults.map(replayed)).toEqual([]);
      expect(histories).toBeGreaterThanOrEqual(HISTORIES);

      // What a history must have met, or it would prove nothing.
      expect(Math.min(...parts.map((part) => part.operationsMin))).toBeGreaterThanOrEqual(12);
      expect(sum((part) => part.overlapping)).toBeGreaterThan(histories * 3);
      expect(sum((part) => part.unknown)).toBeGreaterThan(histories / 5);
      const answers = parts.map((part) => part.answers);
      for (const code of ['VERSION_CONFLICT', 'IDEMPOTENCY_CONFLICT', 'STORE_POISONED']) {
        expect([code, total(answers, code) > histories / 10]).toEqual([code, true]);
      }
      const calls = parts.map((part) => part.counts);
      for (const call of ['write runs', 'read runs', 'unlink journal']) {
        expect([call, total(calls, call) > histories / 2]).toEqual([call, true]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    'of the same seed are the same',
    async () => {
      const one = await inProcess<Checked>({ seed: SEED, count: 20 });
      expect(await inProcess<Checked>({ seed: SEED, count: 20 })).toEqual(one);
    },
    TIMEOUT_MS,
  );
});

describe('a store', () => {
  test.each(Object.keys(BROKEN_STORES))(
    'that %s is caught',
    async (store) => {
      const { fault } = await inProcess<Caught>({ seed: SEED, count: 300, store });
      expect(fault).toMatchObject({ kind: 'not linearizable' });
    },
    TIMEOUT_MS,
  );
});
