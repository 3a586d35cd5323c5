/**
 * Kills writer after writer on stores of its own and looks, after each, for what they had been told
 * is stored. Prints its report as one line of JSON.
 */
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../../src/index.ts';
import { SeededRandom } from '../../../src/testkit/seededRandom.ts';
import { cycles, laneProgram } from './cycles.ts';
import { Ledger } from './ledger.ts';
import { type LaneReport, type LaneTask, TUNING, type WriterTask } from './protocol.ts';
import { type KillMoment, type LastWords, runAndKill } from './victim.ts';

/** Kills on one store before the next begins: every check reads all that was ever acknowledged. */
const STORE_CYCLES = 5;

/** Drawn delays reach a little beyond what opening and closing take. Milliseconds. */
const OPENING_MS = 40;
const WORKING_MS = 40;
const CLOSING_MS = 50;

class Lane {
  readonly #task: LaneTask;
  readonly #random: SeededRandom;
  readonly #phases = { starting: 0, opening: 0, working: 0, closing: 0, closed: 0 };
  readonly #ledger = new Ledger();

  constructor(task: LaneTask) {
    this.#task = task;
    this.#random = new SeededRandom(task.seed);
  }

  async run(): Promise<LaneReport> {
    const found = await cycles(
      (cycle) => cycle < this.#task.cycles,
      (cycle) => this.#cycle(cycle),
    );
    return { ...found, acknowledged: this.#ledger.acknowledged, phases: this.#phases };
  }

  async #cycle(cycle: number): Promise<readonly string[]> {
    const folder = join(this.#task.folder, 'store');
    if (cycle % STORE_CYCLES === 0) {
      await rm(folder, { recursive: true, force: true });
      this.#ledger.turnOver();
    }
    const { callers, flaw } = this.#task;
    const { moment, closeAfter } = this.#moment();
    const [url, seed, prefix] = [`file:${folder}`, this.#random.seed(), `w${cycle}`];
    const task: WriterTask = { url, seed, prefix, callers, closeAfter, flaw };
    const words = await runAndKill(task, moment);
    this.#phases[words.phase]++;
    this.#ledger.add(task, words);
    const isLast = cycle % STORE_CYCLES === STORE_CYCLES - 1 || cycle === this.#task.cycles - 1;
    return this.#look(folder, words, isLast);
  }

  #moment(): { readonly moment: KillMoment; readonly closeAfter?: number } {
    const random = this.#random;
    const { callers } = this.#task;
    const kind = random.below(100);
    if (kind < 15) {
      const delayMs = random.below(OPENING_MS);
      return { moment: { phase: 'opening', acknowledged: 0, delayMs } };
    }
    if (kind < 30) {
      const closeAfter = 1 + random.below(10 * callers + 5);
      // However slow the machine, some come to the end of it.
      const phase = random.chance(0.3) ? 'closed' : 'closing';
      const delayMs = random.below(CLOSING_MS);
      return { moment: { phase, acknowledged: 0, delayMs }, closeAfter };
    }
    if (kind < 45) {
      return { moment: { phase: 'working', acknowledged: 0, delayMs: random.below(WORKING_MS) } };
    }
    const acknowledged = random.below(12 * callers + 20);
    return { moment: { phase: 'working', acknowledged, delayMs: random.below(3) } };
  }

  /**
   * In place; or in a copy, so that the next writer finds what this one left; or not at all, so
   * that a check finds what several have left.
   */
  async #look(folder: string, words: LastWords, isLast: boolean): Promise<readonly string[]> {
    const draw = this.#random.below(10);
    if (draw < 2 && !isLast) return [];
    if (draw < 6 || isLast) return this.#check(folder, words);
    const copy = join(this.#task.folder, 'copy');
    // It may have died before there was a folder.
    await mkdir(folder, { recursive: true });
    await cp(folder, copy, { recursive: true });
    const problems = await this.#check(copy, words);
    await rm(copy, { recursive: true });
    return problems;
  }

  async #check(folder: string, words: LastWords): Promise<readonly string[]> {
    await using store = await openStore(`file:${folder}`, TUNING);
    const { recovery } = await store.stats();
    const isClean = words.phase === 'closed';
    const problems = await this.#ledger.check(store);
    if (!isClean || recovery.clean) return problems;
    return [...problems, 'the store was closed, and found unclean'];
  }
}

await laneProgram(async (order) => {
  const task = order as LaneTask;
  await mkdir(task.folder, { recursive: true });
  return new Lane(task).run();
});
