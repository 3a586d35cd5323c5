import type { FileSystem, Run, Step, Store, Transaction } from '../../index.ts';
import { CommandError, EXIT } from '../failure.ts';
import { workerOf } from '../runState.ts';
import { endLeftovers, findLeftovers, type Leftover } from './leftovers.ts';
import { checkPlan, type Plan } from './plan.ts';
import { ownWorker } from './recorderIdentity.ts';

export interface ResumeOptions {
  readonly fileSystem: FileSystem;
  /** Ends what a killed recorder left running. Default: refuse when there is something. */
  readonly kill?: boolean | undefined;
  /** Told what is about to be ended. */
  readonly onKill?: ((names: string) => Promise<void>) | undefined;
  /** Waits a little between two looks at a process that is being ended. */
  readonly pause: () => Promise<void>;
}

export interface Resumption {
  readonly plan: Plan;
  /** Where the commands ran before; `undefined` when the run does not say. */
  readonly cwd: string | undefined;
  /** Steps that were running when their recorder died. */
  readonly interrupted: readonly string[];
  /** Steps that had ended without success. */
  readonly retried: readonly string[];
  /** Steps that had succeeded, and are not run again. */
  readonly kept: readonly string[];
}

/**
 * Makes a run that was broken off ready for `executePlan`, in one commit: what was running ends as
 * `failed` with code `INTERRUPTED`, and all that has not succeeded is queued for its next attempt.
 * Refused while a process of an interrupted step still lives, so that none ever runs twice at once.
 * The same commit takes the run for this process, as it was when `run` was read: of several that go
 * on with it at once, one does. Whether its recorder is gone is for the caller to know.
 */
export async function prepareResume(
  store: Store,
  run: Run,
  options: ResumeOptions,
): Promise<Resumption> {
  const plan = checkPlan(run.input, 'run.input');
  const steps: Step[] = [];
  for await (const step of store.steps.list(run.id, { limit: 1_000 })) steps.push(step);
  const interrupted = steps.filter(({ status }) => status === 'running');
  const ended = steps.filter(({ status }) => /^(failed|timed_out|cancelled)$/.test(status));
  await settleLeftovers(store, run, interrupted, options);
  if (run.status !== 'succeeded') {
    const worker = await ownWorker(options.fileSystem);
    await store.transaction(run.id, (tx) => requeue(tx, run, worker, { interrupted, ended }));
  }
  const { cwd } = run.metadata;
  return {
    plan,
    cwd: typeof cwd === 'string' ? cwd : undefined,
    interrupted: names(interrupted),
    retried: names(ended),
    kept: names(steps.filter(({ status }) => status === 'succeeded')),
  };
}

async function requeue(
  tx: Transaction,
  run: Run,
  worker: string,
  { interrupted, ended }: { readonly [group in 'interrupted' | 'ended']: readonly Step[] },
): Promise<void> {
  const now = await tx.runs.get(run.id);
  if (now.version !== run.version) throw taken(now);
  const { status } = now;
  if (status === 'failed' || status === 'cancelled') await tx.runs.retry(run.id);
  for (const step of interrupted) {
    const message = 'its recorder ended before the command did';
    const error = { name: 'Interrupted', code: 'INTERRUPTED', message };
    await tx.steps.update(run.id, step.id, { status: 'failed', error });
  }
  for (const step of [...ended, ...interrupted]) await tx.steps.retry(run.id, step.id);
  // Who runs it is said at the start, so it starts anew.
  if (status === 'running') await tx.runs.update(run.id, { status: 'queued' });
  await tx.runs.update(run.id, { status: 'running', worker });
}

function taken(run: Run): CommandError {
  const by = workerOf(run) ?? 'somebody else';
  const message = `run ${run.id} has just been changed by ${by}, and is ${run.status} now`;
  return new CommandError(message, 'look at it with `holdfast show`', EXIT.refused);
}

async function settleLeftovers(
  store: Store,
  run: Run,
  interrupted: readonly Step[],
  options: ResumeOptions,
): Promise<void> {
  const leftovers = await findLeftovers(store, run, interrupted, options.fileSystem);
  if (leftovers.length === 0) return;
  if (options.kill !== true || leftovers.some(({ certain }) => !certain))
    throw alive(run, leftovers);
  await options.onKill?.(listOf(leftovers));
  await endLeftovers(leftovers, options.fileSystem, options.pause);
}

function alive(run: Run, leftovers: readonly Leftover[]): CommandError {
  const certain = leftovers.every((leftover) => leftover.certain);
  return new CommandError(
    `run ${run.id} ${certain ? 'is' : 'may be'} still running from before: ${listOf(leftovers)}`,
    certain
      ? 'wait for it, or end these processes with --kill'
      : 'look at it, and end it if it is the one',
    EXIT.refused,
  );
}

function listOf(leftovers: readonly Leftover[]): string {
  return leftovers.map(({ step, pid }) => `${step.name} (process ${pid})`).join(', ');
}

function names(steps: readonly Step[]): readonly string[] {
  return steps.map(({ name }) => name);
}
