import {
  ERROR_CODES,
  type ErrorCode,
  isStoreError,
  type Run,
  type Step,
  type Store,
} from '../index.ts';
import type { Call } from './call.ts';
import { messageOf } from './errorFacts.ts';
import { EXIT } from './failure.ts';
import { exitCodeOfEnd, signalExitCode } from './recording/childProcess.ts';
import { executePlan, type PlanOutcome } from './recording/executePlan.ts';
import type { Plan } from './recording/plan.ts';
import type { PlanOptions } from './recording/planOptions.ts';
import type { StepEnd } from './recording/stepEnd.ts';
import { tookMs } from './runState.ts';
import { remedyOfDatabase } from './remedy.ts';
import { isBrokenPipe } from './sink.ts';
import { storeFolder } from './storeFolder.ts';
import { bytes, duration, lastLines, plain, shortId } from './text.ts';

interface RecordedRun {
  readonly store: Store;
  readonly run: Run;
  readonly plan: Plan;
  readonly cwd: string;
  /** One command that stands in for itself: with our input and output, and its exit code. */
  readonly single: boolean;
  readonly jobs?: number | undefined;
  readonly live?: boolean | undefined;
  readonly quiet?: boolean | undefined;
}

const FAILED_LINES = 5;

/** The exit code, and whether it is that of the one command, which no later failure may replace. */
export interface Performed {
  readonly code: number;
  readonly isOfCommand: boolean;
}

/** Executes a recorded plan and tells about it; gives the exit code of `record` and `resume`. */
export async function perform(call: Call, given: RecordedRun): Promise<Performed> {
  const { store, run, plan } = given;
  const view = new ProgressView(call, given);
  try {
    const options = { ...optionsOf(call, given), ...view.hooks };
    const outcome = await executePlan(store, run.id, plan, options);
    await view.finish(outcome);
    const isOfCommand = given.single && outcome.ends.length > 0;
    return { code: exitCode(outcome, given.single), isOfCommand };
  } catch (error) {
    const { commandEnd } = view;
    if (commandEnd === undefined) throw error;
    return stand(call, error, { code: exitCodeOfEnd(commandEnd.process), isOfCommand: true });
  }
}

/** What to do when closing the store fails: the code of a command that has run stands. */
export function afterCloseFailure(call: Call) {
  return (error: unknown, performed: Performed): Promise<Performed> => {
    if (performed.isOfCommand) return stand(call, error, performed);
    throw error;
  };
}

async function stand(call: Call, error: unknown, performed: Performed): Promise<Performed> {
  // The reader of the results has gone away: nobody is there to be told.
  if (isBrokenPipe(error)) return performed;
  const { message, remedy } = adviceOn(error);
  await call.note(`holdfast: the command has ended, but ${message} — ${remedy}`);
  return performed;
}

function optionsOf(call: Call, given: RecordedRun): PlanOptions {
  const { context } = call;
  // With --json standard output belongs to the result, and the command's goes beside it.
  const live = { stdout: call.json ? context.stderr : context.stdout, stderr: context.stderr };
  return {
    cwd: given.cwd,
    env: context.env,
    fileSystem: context.fileSystem,
    clock: context.clock,
    onSignal: context.onSignal,
    storeFolder: storeFolder(call.url, context.cwd),
    ...(given.single || given.live === true ? { live } : {}),
    ...(given.single ? { stdin: 'inherit', ownGroup: !context.terminal.stdin } : {}),
    ...(given.jobs === undefined ? {} : { jobs: given.jobs }),
  };
}

function exitCode(outcome: PlanOutcome, single: boolean): number {
  const end = outcome.ends.at(-1);
  if (single && end !== undefined) return exitCodeOfEnd(end.process);
  if (outcome.interruptedBy !== undefined) return signalExitCode(outcome.interruptedBy);
  if (outcome.stopped !== undefined) return EXIT.storage;
  return outcome.status === 'succeeded' ? EXIT.ok : EXIT.failed;
}

/** What a person sees of it, on standard error. */
class ProgressView {
  readonly #call: Call;
  readonly #given: RecordedRun;
  readonly #active = new Map<string, { readonly step: Step; readonly since: number }>();
  #lastEnd: StepEnd | undefined;
  /** Lines in the order in which they came, each after the one before has been written. */
  #written: Promise<void> = Promise.resolve();

  constructor(call: Call, given: RecordedRun) {
    this.#call = call;
    this.#given = given;
  }

  readonly hooks: Partial<PlanOptions> = {
    onStepStart: (step) => {
      this.#active.set(step.id, { step, since: this.#call.context.clock.now() });
      this.#draw();
    },
    onStepEnd: (end) => {
      this.#lastEnd = end;
      this.#active.delete(end.stepId);
      if (!this.#given.single) this.#say(this.#stepLines(end));
    },
    onNotice: (text) => this.#say(`holdfast: ${plain(text)}`, true),
    onStopped: (error) => this.#say(stoppedLine(error, this.#active.size > 0), true),
  };

  /** How the one command has ended, once it has. */
  get commandEnd(): StepEnd | undefined {
    return this.#given.single ? this.#lastEnd : undefined;
  }

  async finish(outcome: PlanOutcome): Promise<void> {
    this.#active.clear();
    await this.#written;
    const { run } = this.#given;
    if (this.#call.json) {
      await this.#call.object(outcome.run ?? { id: run.id, status: outcome.status });
      return;
    }
    this.#say(this.#summary(outcome));
    await this.#written;
  }

  #summary(outcome: PlanOutcome): string {
    const { run, single } = this.#given;
    const end = single ? outcome.ends.at(-1) : undefined;
    const again = single || outcome.status === 'succeeded' ? 'show' : 'resume';
    const what = end === undefined ? planSummary(outcome) : commandSummary(outcome, end);
    return `● run ${shortId(run.id)} ${plain(what)} · holdfast ${again} ${shortId(run.id)}`;
  }

  #say(text: string, important = false): void {
    if ((this.#given.quiet === true || this.#call.json) && !important) return;
    // A reader that has gone away is noticed where the results are written.
    const written = this.#written.then(() => this.#call.note(text));
    this.#written = written.then(
      () => this.#draw(),
      () => undefined,
    );
  }

  #stepLines(end: StepEnd): string {
    const { green, red, dim } = this.#call.errorColours;
    const time = duration(end.process.durationMs);
    if (end.status === 'succeeded') return `${green('✔')} ${plain(end.name)} ${dim(time)}`;
    const head = `${red('✖')} ${plain(end.name)} ${plain(end.how)} ${dim(time)}`;
    const tail = lastLines(end.output.tail, FAILED_LINES).map((line) => `  ${dim('│')} ${line}`);
    return [head, ...tail].join('\n');
  }

  #draw(): void {
    // The output of a single command has the terminal for itself.
    const { single, quiet, live } = this.#given;
    if (single || quiet === true || live === true || this.#call.json) return;
    if (this.#active.size === 0) return;
    this.#call.status.show(() => {
      const now = this.#call.context.clock.now();
      const parts = [...this.#active.values()].map(
        ({ step, since }) => `● ${plain(step.name)} ${duration(now - since)}`,
      );
      return parts.join('  ');
    });
  }
}

function planSummary({ status, stopped }: PlanOutcome): string {
  return stopped === undefined ? status : `${status}: recording stopped`;
}

function commandSummary(outcome: PlanOutcome, end: StepEnd): string {
  const { status, run, stopped, storedBytes } = outcome;
  // As `ls` and `show` give it, where that is known.
  const recorded = run === undefined ? undefined : tookMs(run, run.updatedAt.getTime());
  const time = `in ${duration(recorded ?? end.process.durationMs)}`;
  if (stopped === undefined)
    return `${status} ${time}${status === 'succeeded' ? '' : `: ${end.how}`}`;
  const { stdoutBytes, stderrBytes } = end.output;
  const stored = `${bytes(storedBytes)} of ${bytes(stdoutBytes + stderrBytes)} of its output`;
  const how = end.status === 'succeeded' ? 'succeeded' : end.how;
  return `command ${how} ${time}, but recording stopped: ${stored} are stored`;
}

function stoppedLine(error: unknown, commandRuns: boolean): string {
  const { message, remedy } = adviceOn(error);
  const what = commandRuns ? ', and the command goes on without it' : '; no command is started';
  return `holdfast: recording stopped${what} (${message}) — ${remedy}`;
}

/** What is to be done about a store that failed under a command: the command is not called again. */
function adviceOn(error: unknown): { readonly message: string; readonly remedy: string } {
  const known = isStoreError(error);
  const what = messageOf(error);
  const message = plain(known ? `${error.code}: ${what}` : what);
  if (!known) return { message, remedy: 'run it again with --debug' };
  const remedy =
    remedyOfDatabase(error) ?? REMEDIES.get(error.code) ?? ERROR_CODES[error.code].remedy;
  return { message, remedy: plain(remedy) };
}

const LOOK = '`holdfast verify` tells what is there';

const REMEDIES: ReadonlyMap<ErrorCode, string> = new Map([
  ['STORAGE_FULL', 'Free space, then record it again'],
  ['STORAGE_FAILED', `mend the disk or its permissions, then record it again; ${LOOK}`],
  ['STORE_POISONED', `mend the disk or its permissions, then record it again; ${LOOK}`],
  ['OUTCOME_UNKNOWN', `whether the last of it was stored cannot be known; ${LOOK}`],
  ['STORE_LOCKED', 'this process was stopped for long, and the store is now with another'],
]);
