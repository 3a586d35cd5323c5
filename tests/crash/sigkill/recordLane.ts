/**
 * Kills `holdfast record` and `holdfast resume` at random moments, looks at what is stored, and
 * goes on with each run until it has succeeded. Prints its report as one line of JSON.
 */
import { mkdir, rm } from 'node:fs/promises';
import { openStore, type Store } from '../../../src/index.ts';
import { SeededRandom } from '../../../src/testkit/seededRandom.ts';
import { World } from '../../scenario/cliWorld.ts';
import { collect } from '../../fixtures/collect.ts';
import { cycles, laneProgram } from './cycles.ts';
import type { LaneTask, RecordReport } from './protocol.ts';
import { checkRecorded, type Known, recordedOutput } from './recordCheck.ts';
import { recordAndKill, type RecorderEnd } from './recordKill.ts';
import { RecordWork } from './recordWork.ts';

/** Runs in one store before the next begins. */
const STORE_RUNS = 8;
/** Of so many runs one is a single command with a long output. */
const LONG_EVERY = 6;
/** A drawn moment reaches from the start of the process to about its end. Milliseconds. */
const DELAY_MS = 350;

const LONG_LINES = 1_200_000;
/** A little more than the recorder lets be under way, to the store and in pipes. Bytes. */
const UNDER_WAY_MAX = 4.25 * 1024 * 1024;

class RecordLane {
  readonly #task: LaneTask;
  readonly #random: SeededRandom;
  readonly #world: World;
  /** What must be true of the runs of this store for ever. */
  #standing: ((store: Store) => Promise<readonly string[]>)[] = [];
  #kills = 0;
  #interrupted = 0;

  constructor(task: LaneTask) {
    this.#task = task;
    this.#random = new SeededRandom(task.seed);
    this.#world = new World(task.folder);
  }

  async run(): Promise<RecordReport> {
    const { problems } = await cycles(
      () => this.#kills < this.#task.cycles,
      (cycle) => this.#cycle(cycle),
    );
    return { cycles: this.#kills, interrupted: this.#interrupted, problems };
  }

  async #cycle(cycle: number): Promise<readonly string[]> {
    if (cycle % STORE_RUNS === 0) await this.#newStore();
    const isLong = cycle % LONG_EVERY === LONG_EVERY - 1;
    return isLong ? this.#recordLong(`c${cycle}`) : this.#recordPlan(`c${cycle}`);
  }

  async #newStore(): Promise<void> {
    await rm(this.#world.path('store'), { recursive: true, force: true });
    // What is looked at read-only has to be there, however early the first recorder dies.
    await (await openStore(this.#world.url)).close();
    this.#standing = [];
  }

  /** Records, is killed, resumes, may be killed again, and resumes until the run has succeeded. */
  async #recordPlan(name: string): Promise<readonly string[]> {
    const work = new RecordWork(this.#random.seed(), name);
    await this.#world.write(`${name}.json`, work.plan);
    const args = ['--tag', `cycle=${name}`, '--live', '--json', `${name}.json`];
    let { isOver } = await this.#kill(['record', ...args], work.outputBytes);
    // How often the command of each step that has succeeded was started: never again.
    let starts: ReadonlyMap<string, number> = new Map();
    for (let isResumed = false; ; isResumed = true) {
      const known: Known = { work, isOver, marks: await this.#marks(work) };
      const found = await this.#look((store) => checkRecorded(store, name, known));
      const problems = [...found.problems, ...repetitions(starts, found.starts)];
      if (problems.length > 0 || found.runId === undefined) return problems;
      if (isOver) {
        this.#standing.push(async (store) => (await checkRecorded(store, name, known)).problems);
        return [];
      }
      starts = found.starts;
      if (found.status === 'running') {
        const { stdout } = await this.#world.run(['show', found.runId]);
        if (!stdout.includes('interrupted')) return [`it is shown as ${stdout}`];
        this.#interrupted++;
      }
      const resume = ['resume', found.runId, '--kill', '--live', '--json'];
      isOver =
        !isResumed && this.#random.chance(0.5)
          ? (await this.#kill(resume, work.outputBytes)).isOver
          : await this.#resume(resume);
    }
  }

  async #marks(work: RecordWork): Promise<readonly string[]> {
    const text = await this.#world.read(work.marksFile).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return text.split('\n').filter((mark) => mark !== '');
  }

  async #resume(argv: readonly string[]): Promise<true> {
    const { code, stderr } = await this.#world.run(argv);
    if (code === 0) return true;
    throw new Error(`resume ended with code ${code}: ${stderr.slice(-500)}`);
  }

  /** What is stored of a command's output is how it begins, and all but what was under way. */
  async #recordLong(name: string): Promise<readonly string[]> {
    const output = Array.from({ length: LONG_LINES }, (_, n) => `${n + 1}\n`).join('');
    const args = ['--tag', `cycle=${name}`, '--json', '--', 'seq', String(LONG_LINES)];
    const { seen, isOver } = await this.#kill(['record', ...args], output.length);
    const least = isOver ? output.length : Math.max(0, seen - UNDER_WAY_MAX);
    const check = async (store: Store) => {
      const [run] = await collect(store.runs.list({ tags: { cycle: name } }));
      const stored = run === undefined ? '' : await recordedOutput(store, run.id);
      if (!output.startsWith(stored)) return [`${name} has other output`];
      if (stored.length >= least) return [];
      return [`${name}: of ${least} bytes of output ${stored.length} are stored`];
    };
    const problems = await this.#look(check);
    this.#standing.push(check);
    return problems;
  }

  async #kill(argv: readonly string[], outputBytes: number): Promise<RecorderEnd> {
    const random = this.#random;
    const moment = random.chance(0.4)
      ? { seen: 0, delayMs: random.below(DELAY_MS) }
      : { seen: 1 + random.below(outputBytes), delayMs: random.below(5) };
    const end = await recordAndKill(this.#world, argv, moment);
    this.#kills += end.isKilled ? 1 : 0;
    return end;
  }

  async #look<T>(work: (store: Store) => Promise<T>): Promise<T> {
    return this.#world.look(async (store) => {
      const problems = [];
      for (const check of this.#standing) problems.push(...(await check(store)));
      const { findings } = await store.verify();
      problems.push(...findings.map(({ file, message }) => `verify: ${file}: ${message}`));
      if (problems.length > 0) throw new Error(problems.join('; '));
      return work(store);
    });
  }
}

function repetitions(
  before: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number>,
): readonly string[] {
  return [...before].flatMap(([step, starts]) => {
    const again = now.get(step);
    if (again === undefined) return [`${step} had succeeded, and has not any more`];
    return again === starts ? [] : [`${step} had succeeded, and was started again`];
  });
}

await laneProgram(async (order) => {
  const task = order as LaneTask;
  await mkdir(task.folder, { recursive: true });
  return new RecordLane(task).run();
});
