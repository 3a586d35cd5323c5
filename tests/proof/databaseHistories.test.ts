import { beforeAll, describe, expect, test } from '@jest/globals';
import { IS_SOAK, proveApart, recordFigure, SEED } from '../fixtures/proof.ts';
import { sharedPostgres } from '../services/postgres.ts';
import type { Caught, Checked, Fault, Order } from './histories/check.ts';
import { BROKEN_DATABASES } from './histories/database/brokenDatabases.ts';

const CHECK = new URL('histories/check.ts', import.meta.url);
const KINDS = ['sqlite', 'postgres'] as const;
/** Of each kind. */
const HISTORIES = IS_SOAK ? 20_000 : 150;
const TIMEOUT_MS = IS_SOAK ? 12 * 3_600_000 : 300_000;

/** The calls themselves, what was watched, or what is left at the end. */
const SEEN_IN =
  /no order explains|position \d+ where|time went back|event \d+ where|POSITION_EXPIRED|verify found/;

let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  env = { ...process.env, HOLDFAST_TEST_POSTGRES_URL: (await sharedPostgres()).url };
});

const inProcess = <T>(order: Order): Promise<T> => proveApart<T>(CHECK, order, env);

/** The seed draws the same calls and troubles again; their timing is the machine's. */
function replayed(database: Order['database'], { seed, text }: Fault): string {
  const order = JSON.stringify({ seed, count: 1, database });
  return `HOLDFAST_SEED=${seed}, alone: node tests/proof/histories/check.ts '${order}'\n${text}`;
}

describe('histories of several processes on one database', () => {
  test(
    'are linearizable, and every process watches the same log, through cuts and kills ' +
      '[ES-5] [ED-4] [W1] [W10] [ST-1] [EM-1]',
    async () => {
      const parts = await Promise.all(
        KINDS.map((database) => inProcess<Checked>({ seed: SEED, count: HISTORIES, database })),
      );
      const faults = parts.flatMap((part, n) =>
        part.faults.map((fault) => replayed(KINDS[n], fault)),
      );
      const histories = parts.reduce((sum, part) => sum + part.histories, 0);
      const broken = faults.length;
      const line = `histories of databases: ${histories.toLocaleString('en')}, not linearizable: ${broken}`;
      recordFigure({ name: 'database-histories', line, broken });
      expect(faults).toEqual([]);
      expect(histories).toBe(KINDS.length * HISTORIES);

      // What the histories must have met, or they would prove nothing.
      for (const part of parts) {
        expect(part.operationsMin).toBeGreaterThanOrEqual(12);
        expect(part.overlapping).toBeGreaterThan(part.histories * 3);
        expect(part.counts['close']).toBeGreaterThan(part.histories / 20);
        for (const code of ['VERSION_CONFLICT', 'IDEMPOTENCY_CONFLICT', 'ALREADY_EXISTS']) {
          const met = part.answers[code] ?? 0;
          expect([code, met > part.histories / 10]).toEqual([code, true]);
        }
      }
      const [, postgres] = parts;
      for (const trouble of ['cut', 'kill']) {
        const met = postgres?.counts[trouble] ?? 0;
        expect([trouble, met > HISTORIES / 20]).toEqual([trouble, true]);
      }
      expect(postgres?.unknown).toBeGreaterThan(HISTORIES / 20);
    },
    TIMEOUT_MS,
  );

  test.each(Object.entries(BROKEN_DATABASES))(
    'tell a database that %s',
    async (store, { kind: database }) => {
      const order: Order = { seed: SEED, count: 300, store, database };
      expect((await inProcess<Caught>(order)).fault?.text).toMatch(SEEN_IN);
    },
    TIMEOUT_MS,
  );
});
