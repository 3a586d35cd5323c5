import type { Step } from '../../index.ts';
import type { KeptStep, RunRecord } from './records.ts';
import { missing, refusal } from './refusals.ts';

type Steps = RunRecord['steps'];

const FAILURES: ReadonlySet<string> = new Set(['failed', 'cancelled', 'timed_out', 'skipped']);

/** It has ended, and nothing can build on it. */
export function hasFailed(steps: Steps, stepId: string): boolean {
  return FAILURES.has(steps.get(stepId)?.status ?? '');
}

export function withRemaining(steps: Steps, step: KeptStep): Step {
  const open = step.dependsOn.filter((id) => steps.get(id)?.status !== 'succeeded');
  return { ...step, remaining: open.length };
}

/** Steps that are there, each once, from which no way leads back. */
export function checkDependencies(steps: Steps, stepId: string, ids: readonly string[]): void {
  for (const [n, id] of ids.entries()) {
    if (id === stepId || leadsTo(steps, id, stepId)) {
      throw refusal('INVALID_ARGUMENT', `${id} leads back to ${stepId}`);
    }
    if (!steps.has(id)) throw missing('step', id);
    if (ids.indexOf(id) < n) throw refusal('INVALID_ARGUMENT', `${id} is named twice`);
  }
}

function leadsTo(steps: Steps, from: string, to: string): boolean {
  return (steps.get(from)?.dependsOn ?? []).some((id) => id === to || leadsTo(steps, id, to));
}

/** What a step that can never start becomes; the first that failed is named as the cause. */
export function skippedFor(
  steps: Steps,
  { dependsOn, onDependencyFailure }: Pick<KeptStep, 'dependsOn' | 'onDependencyFailure'>,
  at: Date,
): Partial<KeptStep> {
  const cause = dependsOn.find((id) => hasFailed(steps, id));
  if (cause === undefined || onDependencyFailure === 'wait') return {};
  return skippedBy(steps, cause, at);
}

function skippedBy(steps: Steps, cause: string, at: Date): Partial<KeptStep> {
  const reason = `its dependency ${steps.get(cause)?.name} did not succeed`;
  return { status: 'skipped', skippedBy: cause, reason, endedAt: at };
}

/** Skips what waits for the failed step, then what waits for those, from the latest of them on. */
export function skipDependents(steps: Steps, failed: string, at: Date): Steps {
  const after = new Map(steps);
  const causes = [failed];
  for (let cause = causes.pop(); cause !== undefined; cause = causes.pop()) {
    for (const [id, step] of after) {
      if (step.status !== 'queued' || step.onDependencyFailure === 'wait') continue;
      if (!step.dependsOn.includes(cause)) continue;
      after.set(id, changed(step, skippedBy(after, cause, at), at));
      causes.push(id);
    }
  }
  return after;
}

/** Queues again what was skipped on account of the step, in turn, unless another failure stands. */
export function queueDependents(steps: Steps, stepId: string, at: Date): Steps {
  const queued = new Set([stepId]);
  const after = new Map(steps);
  for (let before = 0; before < queued.size;) {
    before = queued.size;
    for (const [id, step] of steps) {
      if (queued.has(id) || step.status !== 'skipped' || step.skippedBy === null) continue;
      if (!step.dependsOn.some((other) => queued.has(other))) continue;
      if (step.dependsOn.some((other) => !queued.has(other) && hasFailed(steps, other))) continue;
      queued.add(id);
      const again = { status: 'queued', skippedBy: null, reason: null, endedAt: null } as const;
      after.set(id, changed(step, again, at));
    }
  }
  return after;
}

export function changed(step: KeptStep, set: Partial<KeptStep>, at: Date): KeptStep {
  return { ...step, ...set, version: step.version + 1, updatedAt: at };
}
