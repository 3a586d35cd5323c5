import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SeededRandom } from '../../src/testkit.ts';
import { IS_SOAK, proveApart, recordFigure, SEED } from '../fixtures/proof.ts';
import { warmCache } from './sigkill/compileCache.ts';
import type { Flaw, LaneReport, LaneTask, RecordReport } from './sigkill/protocol.ts';

const WRITERS = new URL('./sigkill/lane.ts', import.meta.url);
const RECORDERS = new URL('./sigkill/recordLane.ts', import.meta.url);

const CYCLES = IS_SOAK
  ? { one: 2_000, eight: 2_000, record: 1_100 }
  : { one: 80, eight: 80, record: 50 };
const LEAST = IS_SOAK ? 5_000 : 200;
/** A broken writer is found within so many kills; mostly the first few do. */
const FLAW_CYCLES = 60;
const TIMEOUT_MS = IS_SOAK ? 3 * 3_600_000 : 300_000;

const random = new SeededRandom(SEED);
let folder: string;
let env: NodeJS.ProcessEnv;
let one: LaneReport;
let eight: LaneReport;
let record: RecordReport;
let lost = 0;

/** The lanes run outside of Jest, as plain processes, side by side. */
function runLane<T>(program: URL, task: Omit<LaneTask, 'folder' | 'seed'>): Promise<T> {
  const seed = random.seed();
  const order: LaneTask = { ...task, seed, folder: join(folder, String(seed)) };
  return proveApart(program, order, env);
}

/** What was lost, with the seed that draws the same moments again, and where the store is kept. */
function lostIn({ problems }: Pick<LaneReport, 'problems'>): readonly string[] {
  return problems.map((problem) => `HOLDFAST_SEED=${SEED}, kept in ${folder}: ${problem}`);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-kill-'));
  env = await warmCache(folder);
  [one, eight, record] = await Promise.all([
    runLane<LaneReport>(WRITERS, { cycles: CYCLES.one, callers: 1 }),
    runLane<LaneReport>(WRITERS, { cycles: CYCLES.eight, callers: 8 }),
    runLane<RecordReport>(RECORDERS, { cycles: CYCLES.record, callers: 0 }),
  ]);
  const cycles = one.cycles + eight.cycles + record.cycles;
  lost = [one, eight, record].flatMap(lostIn).length;
  recordFigure({
    name: 'sigkill',
    line: `sigkill: ${cycles.toLocaleString('en')} cycles, lost: ${lost}`,
    broken: lost,
  });
}, TIMEOUT_MS);

afterAll(async () => {
  if (lost === 0) await rm(folder, { recursive: true, force: true });
});

describe('a process killed by SIGKILL', () => {
  it('has lost nothing that its one caller was told is stored [EM-3] [ST-1] [W1]', () => {
    expect(lostIn(one)).toEqual([]);
    expect(one.acknowledged).toBeGreaterThan(5 * CYCLES.one);
  });

  it('has lost nothing of eight callers, and left nothing half [EM-3] [ST-1] [W1] [W2]', () => {
    expect(lostIn(eight)).toEqual([]);
    expect(eight.acknowledged).toBeGreaterThan(20 * CYCLES.eight);
  });

  it('has left every recorded command as it was, to be shown and resumed [EM-3]', () => {
    expect(lostIn(record)).toEqual([]);
    expect(record.interrupted).toBeGreaterThan(CYCLES.record / 10);
  });

  it('was killed while opening, working, closing, and closed, often enough', () => {
    for (const phase of ['opening', 'working', 'closing', 'closed'] as const) {
      expect({ phase, kills: one.phases[phase] + eight.phases[phase] }).not.toMatchObject({
        kills: 0,
      });
    }
    expect(one.cycles + eight.cycles + record.cycles).toBeGreaterThanOrEqual(LEAST);
  });
});

describe('a writer that is broken on purpose', () => {
  it.each<readonly [string, Flaw]>([
    ['acknowledges before the store has', 'early'],
    ['makes two commits of one transaction', 'halves'],
  ])(
    'is found when it %s',
    async (_what, flaw) => {
      const task = { cycles: FLAW_CYCLES, callers: 8, flaw };
      const { problems } = await runLane<LaneReport>(WRITERS, task);
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join('\n')).toMatch(/run w\d+\.\d\/\d+( is lost|: )/);
    },
    TIMEOUT_MS,
  );
});
