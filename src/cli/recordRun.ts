import { ERROR_CODES, isStoreError, type Run, type Step, type Store } from '../index.ts';
import type { Call } from './call.ts';
import { messageOf } from './errorFacts.ts';
import { EXIT } from './failure.ts';
import { exitCodeOfEnd, signalExitCode } from './recording/childProcess.ts';
import { executePlan, type PlanOutcome } from './recording/executePlan.ts';
import type { Plan } from './recording/plan.ts';
import type { PlanOptions } from './recording/planOptions.ts';
import type { StepEnd } from './recording/stepEnd.ts';
import { storeFolder } from './storeFolder.ts';
import { duration, lastLines, plain, shortId } from './text.ts';

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

/** Executes a recorded plan and tells about it; gives the exit code of `record` and `resume`. */
export async function perform(call: Call, given: RecordedRun): Promise<number> {
  const { store, run, plan } = given;
  const view = new ProgressView(call, given);
  const outcome = await executePlan(store, run.id, plan, {
    ...optionsOf(call, given),
    ...view.hooks,
  });
  await view.finish(outcome);
  return exitCode(outcome, given.single);
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
      this.#active.delete(end.stepId);
      if (!this.#given.single) this.#say(this.#stepLines(end));
    },
    onNotice: (text) => this.#say(`holdfast: ${plain(text)}`, true),
    onStopped: (error) => this.#say(stoppedLine(error), true),
  };

  async finish(outcome: PlanOutcome): Promise<void> {
    this.#active.clear();
    await this.#written;
    const { run, single } = this.#given;
    if (this.#call.json) {
      await this.#call.object(outcome.run ?? { id: run.id, status: outcome.status });
      return;
    }
    const end = outcome.ends.at(-1);
    const time = single && end !== undefined ? ` in ${duration(end.process.durationMs)}` : '';
    const how = single && end !== undefined && outcome.status !== 'succeeded' ? `: ${end.how}` : '';
    const again = single || outcome.status === 'succeeded' ? 'show' : 'resume';
    this.#say(
      `● run ${shortId(run.id)} ${outcome.status}${time}${plain(how)} · holdfast ${again} ${shortId(run.id)}`,
    );
    await this.#written;
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

function stoppedLine(error: unknown): string {
  const known = isStoreError(error);
  const message = messageOf(error);
  const what = known ? `${error.code}: ${message}` : message;
  const remedy = known ? ERROR_CODES[error.code].remedy : 'run it again with --debug.';
  return `holdfast: recording stopped, and the command goes on without it (${plain(what)}) — ${plain(remedy)}`;
}
