import type { FileSystem, Run, Step, Store, Transaction } from '../../index.ts';
import { CommandError, EXIT } from '../failure.ts';
import { endLeftovers, findLeftovers, type Leftover } from './leftovers.ts';
import { checkPlan, type Plan } from './plan.ts';

export interface ResumeOptions {
  readonly fileSystem: FileSystem;
  /** Ends what a killed recorder left running. Default: refuse when there is something. */
  readonly kill?: boolean | undefined;
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
    await store.transaction(run.id, (tx) => requeue(tx, run, interrupted, ended));
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
  interrupted: readonly Step[],
  ended: readonly Step[],
): Promise<void> {
  const { status } = await tx.runs.get(run.id);
  if (status === 'failed' || status === 'cancelled') await tx.runs.retry(run.id);
  for (const step of interrupted) {
    const message = 'its recorder ended before the command did';
    const error = { name: 'Interrupted', code: 'INTERRUPTED', message };
    await tx.steps.update(run.id, step.id, { status: 'failed', error });
  }
  for (const step of [...ended, ...interrupted]) await tx.steps.retry(run.id, step.id);
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
  await endLeftovers(leftovers, options.fileSystem, options.pause);
}

function alive(run: Run, leftovers: readonly Leftover[]): CommandError {
  const all = leftovers.map(({ step, pid }) => `${step.name} (process ${pid})`).join(', ');
  const certain = leftovers.every((leftover) => leftover.certain);
  return new CommandError(
    `run ${run.id} ${certain ? 'is' : 'may be'} still running from before: ${all}`,
    certain ? 'wait for it, or end it with --kill' : 'look at it, and end it if it is the one',
    EXIT.refused,
  );
}

function names(steps: readonly Step[]): readonly string[] {
  return steps.map(({ name }) => name);
}
