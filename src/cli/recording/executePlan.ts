import { availableParallelism } from 'node:os';
import type { ErrorInfo, JsonObject, Run, RunPatch, Step, Store } from '../../index.ts';
import { SIGNAL } from './outputEvent.ts';
import type { Plan } from './plan.ts';
import { CommandError, EXIT } from '../failure.ts';
import { workerOf } from '../runState.ts';
import type { PlanOptions } from './planOptions.ts';
import { ownWorker } from './recorderIdentity.ts';
import { ofRun, Recording } from './recording.ts';
import { type Live, recordStep } from './recordStep.ts';
import type { StepEnd } from './stepEnd.ts';

export interface PlanOutcome {
  /** `incomplete`: the store failed, steps were left out, and the run is there to be resumed. */
  readonly status: 'succeeded' | 'failed' | 'cancelled' | 'incomplete';
  /** The ended run; `undefined` when the store could not record its end. */
  readonly run: Run | undefined;
  /** The steps that ran now, in the order in which they ended. */
  readonly ends: readonly StepEnd[];
  readonly interruptedBy: NodeJS.Signals | undefined;
  /** How much of the commands' output was stored now. Bytes. */
  readonly storedBytes: number;
  /** Set when the store failed and a part was not recorded. */
  readonly stopped: { readonly error: unknown } | undefined;
}

/**
 * Runs the queued steps of a run, each as soon as those it depends on have succeeded, and ends the
 * run. A step that fails does not keep others from running that do not depend on it. When the store
 * fails, the commands that run go on to their end, and no other is started.
 *
 * Each step's status is durable before its command starts and before the next step does, so that a
 * kill at any moment leaves a run with which `prepareResume` can go on.
 */
export async function executePlan(
  store: Store,
  runId: string,
  plan: Plan,
  options: PlanOptions,
): Promise<PlanOutcome> {
  const recording = new Recording(store, runId, options);
  const live: Live = { children: new Set(), interruptedBy: undefined };
  const stopListening = options.onSignal?.((signal) => interrupt(recording, signal, options, live));
  try {
    await begin(recording, await ownWorker(options.fileSystem));
    const ends = await runSteps(recording, plan, options, live);
    await recording.settled();
    return await finish(recording, ends, live);
  } finally {
    stopListening?.();
  }
}

/** Takes the run for this process, unless another has been faster; a resumed one is taken already. */
async function begin(recording: Recording, worker: string): Promise<void> {
  const { store, runId } = recording;
  const run = await store.runs.get(runId);
  if (run.status === 'running') {
    if (workerOf(run) === worker) return;
    const message = `run ${runId} was taken over by ${workerOf(run) ?? 'another process'}`;
    throw new CommandError(message, 'that goes on with it', EXIT.refused);
  }
  const patch = { status: 'running', worker } as const;
  const ifVersion = run.version;
  await recording.attempt(() => store.runs.update(runId, patch, { ifVersion }), ofRun);
}

async function runSteps(
  recording: Recording,
  plan: Plan,
  options: PlanOptions,
  live: Live,
): Promise<readonly StepEnd[]> {
  const { store, runId } = recording;
  const planned = new Map(plan.steps.map((step) => [step.name, step]));
  const jobs = options.jobs ?? availableParallelism();
  const active = new Map<string, Promise<{ id: string; end: StepEnd | undefined }>>();
  const ends: StepEnd[] = [];
  const start = async (step: Step) => {
    const command = planned.get(step.name);
    const end = command && (await recordStep(recording, step, command, options, live));
    return { id: step.id, end };
  };
  try {
    for (;;) {
      if (live.interruptedBy === undefined) {
        const ready = await recording.attempt(
          () => store.steps.ready(runId),
          () => [],
        );
        const next = (ready ?? []).filter((step) => !active.has(step.id) && planned.has(step.name));
        for (const step of next.slice(0, jobs - active.size)) active.set(step.id, start(step));
      }
      if (active.size === 0) return ends;
      const { id, end } = await Promise.race(active.values());
      active.delete(id);
      if (end !== undefined) ends.push(end);
    }
  } finally {
    // Whatever failed: the commands that run are seen to their ends, and no store closes under them.
    await Promise.allSettled(active.values());
  }
}

/** Records the signal, and sends it on to every command that runs. */
function interrupt(
  recording: Recording,
  signal: NodeJS.Signals,
  options: PlanOptions,
  live: Live,
): void {
  live.interruptedBy ??= signal;
  const byTerminal = options.ownGroup === false && signal === 'SIGINT';
  let forwarded = 0;
  if (!byTerminal) for (const child of live.children) forwarded += child.kill(signal) ? 1 : 0;
  const payload = { signal, forwarded, ...(byTerminal && { sentByTerminal: true }) };
  recording.appendSoon({ type: SIGNAL, payload }, 0);
}

async function finish(
  recording: Recording,
  ends: readonly StepEnd[],
  live: Live,
): Promise<PlanOutcome> {
  const { store, runId } = recording;
  const { interruptedBy } = live;
  const steps = await recording.attemptEnd(
    () => allSteps(store, runId),
    () => [],
  );
  const status = judgeRun(steps, recording, interruptedBy);
  const { storedBytes, failure: stopped } = recording;
  const outcome = { status, ends, interruptedBy, storedBytes, stopped };
  if (status === 'incomplete' || steps === undefined) return { ...outcome, run: undefined };
  const patch = endOfRun(status, steps, interruptedBy);
  const run = await recording.attemptEnd(() => store.runs.update(runId, patch), ofRun);
  return { ...outcome, run, stopped: recording.failure };
}

function judgeRun(
  steps: readonly Step[] | undefined,
  recording: Recording,
  interruptedBy: NodeJS.Signals | undefined,
): PlanOutcome['status'] {
  if (interruptedBy !== undefined) return 'cancelled';
  if (steps === undefined) return 'incomplete';
  const open = steps.some(({ status }) => status === 'queued' || status === 'running');
  if (open && recording.failure !== undefined) return 'incomplete';
  return steps.some(isBad) ? 'failed' : 'succeeded';
}

/** Skipped steps only follow from one of these. */
function isBad({ status }: Step): boolean {
  return status !== 'succeeded' && status !== 'skipped';
}

async function allSteps(store: Store, runId: string): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for await (const step of store.steps.list(runId, { limit: 1_000 })) steps.push(step);
  return steps;
}

function endOfRun(
  status: 'succeeded' | 'failed' | 'cancelled',
  steps: readonly Step[],
  interruptedBy: NodeJS.Signals | undefined,
): RunPatch {
  const output = countsOf(steps);
  if (status === 'succeeded') return { status, output };
  if (status === 'cancelled') return { status, output, reason: `${interruptedBy} was received` };
  return { status, output, error: errorOf(steps.find(isBad)) };
}

function errorOf(bad: Step | undefined): ErrorInfo {
  const how = bad?.error?.message ?? bad?.reason ?? 'did not succeed';
  return { name: 'PlanError', code: 'STEP_FAILED', message: `${bad?.name ?? 'a step'}: ${how}` };
}

function countsOf(steps: readonly Step[]): JsonObject {
  const counts = new Map<string, number>();
  for (const { status } of steps) counts.set(status, (counts.get(status) ?? 0) + 1);
  return { steps: Object.fromEntries(counts) };
}
