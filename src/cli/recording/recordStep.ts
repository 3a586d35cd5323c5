import type { JsonObject, Step } from '../../index.ts';
import { messageOf } from '../errorFacts.ts';
import { keepFiles, keepLog } from './artifacts.ts';
import { ChildProcess } from './childProcess.ts';
import { OutputRecorder } from './outputRecorder.ts';
import { STARTED } from './outputEvent.ts';
import type { PlanStep } from './plan.ts';
import type { PlanOptions } from './planOptions.ts';
import { identify } from './processIdentity.ts';
import { ownWorker } from './recorderIdentity.ts';
import { ofStep, type Recording } from './recording.ts';
import { ResourceSampler } from './resourceSampler.ts';
import { endPatch, judge, type StepEnd, type StepFindings } from './stepEnd.ts';

/** The commands that run now, and the signal by which this process was asked to end. */
export interface Live {
  readonly children: Set<ChildProcess>;
  interruptedBy: NodeJS.Signals | undefined;
}

/** Environment variables that tell a command, and all that it starts, what they are part of. */
export const RUN_MARK = 'HOLDFAST_RUN';
export const STEP_MARK = 'HOLDFAST_STEP';

/** Between asking a command to end and ending it. Milliseconds. */
const GRACE_MS = 5_000;

/**
 * Runs one step's command to its end and records it:
 *
 *     step running → command started → process.started → output … → log, files → step ended
 *
 * The step is durably `running` before the command starts. So after a crash a step that is `queued`
 * has never been started, and one that is `running` may have been.
 */
export async function recordStep(
  recording: Recording,
  step: Step,
  planned: PlanStep,
  options: PlanOptions,
  live: Live,
): Promise<StepEnd | undefined> {
  const { store, runId } = recording;
  const worker = await ownWorker(options.fileSystem);
  const running = await recording.attempt(
    () => store.steps.update(runId, step.id, { status: 'running', worker }),
    ofStep,
  );
  if (running === undefined) return undefined;
  options.onStepStart?.(running);
  const { end, findings } = await runCommand(recording, running, planned, options, live);
  await recording.attemptEnd(
    () => store.steps.update(runId, step.id, endPatch(end, findings)),
    ofStep,
  );
  options.onStepEnd?.(end);
  return end;
}

async function runCommand(
  recording: Recording,
  step: Step,
  planned: PlanStep,
  options: PlanOptions,
  live: Live,
): Promise<{ end: StepEnd; findings: StepFindings }> {
  const child = new ChildProcess({
    run: planned.run,
    cwd: options.cwd,
    env: { ...options.env, [RUN_MARK]: recording.runId, [STEP_MARK]: step.id },
    stdin: options.stdin ?? 'ignore',
    ownGroup: options.ownGroup ?? true,
  });
  const output = new OutputRecorder(recording, step.id, options);
  const announced = Promise.withResolvers<void>();
  // IMPORTANT: reading begins before anything is awaited. Of a command that ends before it is read,
  // Node throws the output away.
  const reading = Promise.all([
    output.read(child, 'stdout', announced.promise),
    output.read(child, 'stderr', announced.promise),
  ]);
  const start = await child.started;
  if (typeof start === 'number') live.children.add(child);
  // A signal that came just before found no child to be sent to.
  if (live.interruptedBy !== undefined) child.kill(live.interruptedBy);
  const deadline = new Deadline(child, planned.timeoutMs, options);
  const seq = await announce(recording, step, start, options).finally(announced.resolve);
  const sampler =
    typeof start === 'number'
      ? new ResourceSampler(options.fileSystem, options.clock, start)
      : undefined;
  await reading;
  const ended = await child.ended;
  deadline.cancel();
  live.children.delete(child);
  const resources = sampler?.stop();
  await recording.settled();
  if (seq !== undefined) await keepLog(recording, step.id, seq);
  const files = await keepFiles(recording, step.id, planned.artifacts ?? [], options);
  const { interruptedBy } = live;
  const verdict = judge(ended, { timedOut: deadline.passed, interruptedBy });
  const figures = output.figures();
  return {
    end: { stepId: step.id, name: step.name, ...verdict, process: ended, output: figures },
    findings: {
      resources,
      artifacts: files.kept,
      unreadable: files.unreadable,
      incomplete: recording.failure && messageOf(recording.failure.error),
    },
  };
}

/** Records which process it is. The event's number; later events are this attempt's. */
async function announce(
  recording: Recording,
  step: Step,
  start: number | Error,
  options: PlanOptions,
): Promise<number | undefined> {
  const payload: JsonObject =
    typeof start === 'number'
      ? { attempt: step.attempt, ...(await identify(options.fileSystem, start)) }
      : { attempt: step.attempt, failure: start.message };
  const event = await recording.append({ type: STARTED, stepId: step.id, payload });
  return event?.seq;
}

/** Asks the command to end when its time is over, and ends it when it does not. */
class Deadline {
  passed = false;
  #cancel: (() => void) | undefined;

  constructor(child: ChildProcess, timeoutMs: number | undefined, { clock }: PlanOptions) {
    if (timeoutMs === undefined) return;
    this.#cancel = clock.after(timeoutMs, () => {
      this.passed = true;
      child.kill('SIGTERM');
      this.#cancel = clock.after(GRACE_MS, () => child.kill('SIGKILL'));
    });
  }

  cancel(): void {
    this.#cancel?.();
  }
}
