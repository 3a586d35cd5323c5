import { inspect } from 'node:util';
import fc from 'fast-check';
import type { FileStoreTuning } from '../../../src/index.ts';
import { SeededRandom } from '../../../src/testkit.ts';
import type { Break } from './brokenStores.ts';
import type { Plan } from './calls.ts';
import { FolderPlace, type Place, PostgresPlace, SimulatedPlace, SqlitePlace } from './places.ts';
import { ANEW, createRun, createStep, NUMBER, PLAN, STORE_PLAN } from './plans.ts';
import { Trial } from './trial.ts';
import { compareWhole } from './whole.ts';

type Model = Record<string, never>;

/** A command that says, once it was run, what it did. */
class NamedCommand implements fc.AsyncCommand<Model, Trial> {
  readonly #name: string;
  readonly #work: (trial: Trial) => Promise<string | void>;
  #done: string | undefined;

  constructor(name: string, work: (trial: Trial) => Promise<string | void>) {
    this.#name = name;
    this.#work = work;
  }

  check(): boolean {
    return true;
  }

  async run(_model: Model, trial: Trial): Promise<void> {
    this.#done = undefined;
    this.#done = (await this.#work(trial)) ?? this.#name;
  }

  toString(): string {
    return `\n  ${this.#done ?? `${this.#name}, where it failed`}`;
  }
}

const callStep = (plan: Plan<never>) => new NamedCommand('a call', (trial) => trial.call(plan));

const TRANSACTION = fc
  .record({
    runs: fc.array(NUMBER, { minLength: 1, maxLength: 2 }),
    beginning: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, ANEW),
    plans: fc.array(PLAN, { minLength: 1, maxLength: 6, size: 'max' }),
    fails: fc.nat(3).map((n) => n === 3),
    strict: fc.boolean(),
  })
  .map(({ runs, beginning, plans, ...how }) => {
    const all = [...beginning, ...plans];
    return new NamedCommand('transaction', (trial) => trial.transaction(runs, all, how));
  });

/** Turns of the event loop in which the checkpointer goes on, or none: then it goes on later. */
const ADVANCE = fc
  .record({ ms: fc.constantFrom(1, 500, 5_000, 100_000), turns: fc.constantFrom(0, 1, 10, 60) })
  .map(({ ms, turns }) => {
    return new NamedCommand(`${ms} ms pass, and ${turns} turns`, async (trial) => {
      trial.moveClock(ms, 'advance');
      for (let n = 0; n < turns; n++) await new Promise((resolve) => setImmediate(resolve));
    });
  });

const JUMP = fc
  .constantFrom(-3_600_000, -1_500, 3_600_000)
  .map(
    (ms) =>
      new NamedCommand(`clock jumps by ${ms} ms`, async (trial) => trial.moveClock(ms, 'jump')),
  );

const AGAIN = fc.constantFrom('close', 'kill', 'cutPower').map((how) => {
  return new NamedCommand(`${how}, open again`, async (trial) => {
    await (how === 'close' ? trial.reopen() : trial.crash(how));
    await compareWhole(trial);
  });
});

/** Something to work on; what is decided about what is not there would be most of it otherwise. */
const BEGINNING = fc
  .tuple(
    fc.array(createRun.map(callStep), { minLength: 1, maxLength: 2 }),
    fc.array(createStep.map(callStep), { maxLength: 6, size: 'max' }),
  )
  .map(([runs, steps]) => [...runs, ...steps]);

const COMMANDS = [
  ...Array.from({ length: 12 }, () => PLAN.map(callStep)),
  ...Array.from({ length: 2 }, () => STORE_PLAN.map(callStep)),
  ...Array.from({ length: 3 }, () => TRANSACTION),
  ADVANCE,
  ADVANCE,
  JUMP,
  AGAIN,
  AGAIN,
  fc.constant(new NamedCommand('compare', compareWhole)),
];

const TAKE_TURNS = fc.constant(
  new NamedCommand('another process goes on', (trial) => trial.takeTurns()),
);

/** Several processes have a database open, and each goes on with what the others have left. */
const DATABASE_COMMANDS = [...COMMANDS, ...Array.from({ length: 5 }, () => TAKE_TURNS)];
const DATABASE_PROCESSES = 2;

/** The defaults, and sizes so small that few commits fill a segment, a tail or a cache. */
const TUNING: fc.Arbitrary<Partial<FileStoreTuning>> = fc.oneof(
  fc.constant({ segmentBytesMin: 4_096 }),
  fc.record({
    segmentBytesMin: fc.constant(4_096),
    segmentBytesMax: fc.constantFrom(4_096, 16_384),
    journalBytesKeep: fc.constantFrom(0, 16_384),
    tailBytesMax: fc.constantFrom(512, 8_192),
    cacheBytesMax: fc.constantFrom(0, 4_096),
    quietMs: fc.constantFrom(0, 500),
  }),
);

type Where = 'simulated' | 'folder' | 'sqlite' | 'postgres';

export interface SequencesOptions {
  readonly where: Where;
  readonly count: number;
  readonly seed: number;
  /** Of one sequence, as a failure named it: only that is run. */
  readonly path?: string | undefined;
  readonly breaks?: (() => Break) | undefined;
  /** Milliseconds, after which a failure is not made shorter any more, and anything else fails. */
  readonly timeMaxMs: number;
}

export interface SequencesReport {
  readonly sequences: number;
  readonly commands: number;
  /** `undefined`: every sequence went as the reference has it. */
  readonly failure?: Failure;
}

interface Failure {
  readonly seed: number;
  /** Which sequence of the seed it was, after shrinking. */
  readonly path: string | null;
  /** What was done. */
  readonly commands: string;
  /** What the store did then. */
  readonly message: string;
}

/** Runs so many sequences of commands. A failure is shrunk, unless the store is broken on purpose. */
export async function runSequences(options: SequencesOptions): Promise<SequencesReport> {
  const { where, count, seed, path, breaks, timeMaxMs } = options;
  const figures = { commands: 0 };
  const isDatabase = where === 'sqlite' || where === 'postgres';
  const property = fc.asyncProperty(
    fc.integer({ min: 0 }),
    TUNING,
    BEGINNING,
    fc.commands(isDatabase ? DATABASE_COMMANDS : COMMANDS, { maxCommands: 40, size: 'max' }),
    async (seed, tuning, beginning, commands) => {
      const trial = new Trial({
        place: await placeOf(where, seed),
        seed,
        tuning,
        breaks: breaks?.(),
        processes: isDatabase ? DATABASE_PROCESSES : 1,
      });
      const all = [...beginning, ...commands];
      try {
        await trial.open();
        await fc.asyncModelRun(() => ({ model: {}, real: trial }), all);
        await compareWhole(trial);
      } catch (error) {
        // What went wrong first is told, not what it makes of the end.
        await trial.end().catch(() => undefined);
        throw error;
      }
      await trial.end();
      figures.commands += all.length;
    },
  );
  const details = await fc.check(property, {
    numRuns: count,
    seed,
    endOnFailure: breaks !== undefined,
    interruptAfterTimeLimit: timeMaxMs,
    markInterruptAsFailure: true,
    ...(path !== undefined && { path }),
  });
  return { sequences: details.numRuns, ...figures, ...failureOf(details) };
}

function failureOf<Values>(details: fc.RunDetails<Values>): { readonly failure?: Failure } {
  if (!details.failed) return {};
  const { seed, counterexamplePath: path, errorInstance: error } = details;
  const [, tuning, ...commands] = (details.counterexample ?? []) as unknown as readonly unknown[];
  const message = error instanceof Error ? error.message : 'it took too long';
  return { failure: { seed, path, commands: `${inspect(tuning)}${commands.join(',')}`, message } };
}

async function placeOf(where: Where, seed: number): Promise<Place> {
  switch (where) {
    case 'folder':
      return FolderPlace.make();
    case 'sqlite':
      return SqlitePlace.make();
    case 'postgres':
      return PostgresPlace.make();
    case 'simulated':
      return new SimulatedPlace(new SeededRandom(seed));
  }
}
