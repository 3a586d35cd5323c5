import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SeededRandom } from '../../src/testkit.ts';
import { IS_SOAK, proveApart, recordFigure, SEED } from '../fixtures/proof.ts';
import { sharedPostgres } from '../services/postgres.ts';
import type {
  ClientReport,
  ClientTask,
  ServerReport,
  ServerTask,
} from './databaseSigkill/protocol.ts';
import { warmCache } from './sigkill/compileCache.ts';
import type { Flaw } from './sigkill/protocol.ts';

const CLIENTS = new URL('./databaseSigkill/clientLane.ts', import.meta.url);
const SERVERS = new URL('./databaseSigkill/serverLane.ts', import.meta.url);

const CYCLES = IS_SOAK ? { client: 1_000, server: 500 } : { client: 6, server: 5 };
const CALLERS = 16;
/** Each of a broken thing is found within so many kills; mostly the first one does. */
const FLAW_CYCLES = 20;
const TIMEOUT_MS = IS_SOAK ? 6 * 3_600_000 : 300_000;
const WHERE = (['sqlite', 'postgres'] as const).flatMap((kind) =>
  [1, 8].map((callers) => ({ kind, callers })),
);

const random = new SeededRandom(SEED);
let folder: string;
let env: NodeJS.ProcessEnv;

/** The lanes run outside of Jest, as plain processes. */
async function killClients(task: Omit<ClientTask, 'seed'>): Promise<ClientReport> {
  return proveApart(CLIENTS, { ...task, seed: random.seed() } satisfies ClientTask, env);
}

async function killServers(task: Omit<ServerTask, 'seed'>): Promise<ServerReport> {
  return proveApart(SERVERS, { ...task, seed: random.seed() } satisfies ServerTask, env);
}

/** What was lost, with the seed that draws the same moments again. */
function lostIn({ problems }: { readonly problems: readonly string[] }): readonly string[] {
  return problems.map((problem) => `HOLDFAST_SEED=${SEED}: ${problem}`);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-kill-'));
  const { url } = await sharedPostgres();
  env = { ...(await warmCache(folder)), HOLDFAST_TEST_POSTGRES_URL: url };
}, TIMEOUT_MS);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('one of two processes on a database, killed by SIGKILL', () => {
  it(
    'has lost nothing that was acknowledged, left nothing half, and the other goes on [EM-3] [ST-1] [ES-5]',
    async () => {
      const reports: ClientReport[] = [];
      for (const where of WHERE) {
        reports.push(await killClients({ ...where, cycles: CYCLES.client }));
      }
      const sum = (what: 'cycles' | 'acknowledged' | 'afterwards') =>
        reports.reduce((all, report) => all + report[what], 0);
      const problems = reports.flatMap(lostIn);
      const cycles = sum('cycles');
      const broken = problems.length;
      const line = `clients of databases killed: ${cycles.toLocaleString('en')}, lost: ${broken}`;
      recordFigure({ name: 'database-sigkill', line, broken });
      expect(problems).toEqual([]);
      expect(cycles).toBe(CYCLES.client * WHERE.length);
      expect(sum('acknowledged')).toBeGreaterThan(10 * cycles);
      expect(sum('afterwards')).toBeGreaterThanOrEqual(2 * cycles);
    },
    TIMEOUT_MS,
  );

  it.each<readonly [string, Flaw]>([
    ['acknowledges before the store has', 'early'],
    ['makes two commits of one transaction', 'halves'],
  ])(
    'is found when it %s',
    async (_what, flaw) => {
      const task = { kind: 'postgres', cycles: FLAW_CYCLES, callers: 8, flaw } as const;
      expect((await killClients(task)).problems.join('\n')).toMatch(/ is lost|run w\d+[ab]\.\d/);
    },
    TIMEOUT_MS,
  );
});

describe('PostgreSQL, killed by SIGKILL with all its processes under load', () => {
  it(
    'has lost nothing that was acknowledged, and the same stores go on once it is back [EM-3] [ED-4] [W1] [W2]',
    async () => {
      const report = await killServers({ cycles: CYCLES.server, callers: CALLERS });
      const { cycles, problems, acknowledged, unknown } = report;
      const broken = problems.length;
      const line = `PostgreSQL killed: ${cycles.toLocaleString('en')}, lost: ${broken}`;
      recordFigure({ name: 'database-server-kill', line, broken });
      expect(lostIn(report)).toEqual([]);
      expect(cycles).toBe(CYCLES.server);
      expect(acknowledged).toBeGreaterThan(10 * cycles);
      // It was killed with commits under way, or it would prove little.
      expect(unknown).toBeGreaterThan(cycles);
    },
    TIMEOUT_MS,
  );

  it(
    'is found out when it acknowledges what is not in its log yet',
    async () => {
      const task = { cycles: FLAW_CYCLES, callers: CALLERS, isCareless: true };
      expect((await killServers(task)).problems.join('\n')).toContain('is lost');
    },
    TIMEOUT_MS,
  );
});
