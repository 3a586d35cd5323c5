import { StoreError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Change } from './change.ts';
import { checkId, checkList, invalid } from './check.ts';
import type { Context } from './decision.ts';
import type { StepRow, StepStatus } from './entities.ts';
import type { RunState } from './runState.ts';

const FAILURES: ReadonlySet<StepStatus> = new Set(['failed', 'cancelled', 'timed_out', 'skipped']);

/** Ended, and not in a way on which a dependent could go on. */
export function isFailure(step: StepRow | undefined): boolean {
  return step !== undefined && FAILURES.has(step.status);
}

/** Steps of this run, each once, and never a way back to the step itself. */
export function checkDependencies(
  state: RunState,
  runId: string,
  stepId: string,
  value: unknown,
  path: string,
): readonly string[] {
  const ids = checkList(value, path, LIMITS.dependenciesMax).map((id, i) =>
    checkId(id, `${path}[${i}]`),
  );
  // Nothing can lead to a step that is not there yet, and walking its ancestry would be for nothing.
  const isNew = state.steps.get(stepId) === undefined;
  for (const [i, id] of ids.entries()) {
    const cycle = id === stepId ? [stepId] : isNew ? undefined : wayTo(state, id, stepId);
    if (cycle !== undefined) {
      throw invalid(`${path}[${i}]`, `closes a cycle: ${[stepId, ...cycle].join(' → ')}`);
    }
    if (state.steps.get(id) === undefined) {
      throw new StoreError('NOT_FOUND', `${path}[${i}]: run ${runId} has no step ${id}`, { id });
    }
    if (ids.indexOf(id) !== i) throw invalid(`${path}[${i}]`, `names step ${id} twice`);
  }
  return ids;
}

/** The steps from `from` to `target` along `dependsOn`, both included. Iterative: chains are long. */
function wayTo(state: RunState, from: string, target: string): string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
  const open = [from];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (id === target) {
      const way: string[] = [];
      for (let at: string | undefined = id; at !== undefined; at = cameFrom.get(at))
        way.unshift(at);
      return way;
    }
    for (const next of state.steps.get(id)?.dependsOn ?? []) {
      if (!cameFrom.has(next)) {
        cameFrom.set(next, id);
        open.push(next);
      }
    }
  }
  return undefined;
}

/** In words, for people: they know steps by their names. */
export function whySkipped(state: RunState, dependencyId: string): string {
  const name = state.steps.get(dependencyId)?.name ?? dependencyId;
  return `its dependency ${name} did not succeed`;
}

/** Skips, each with its reason, what can no longer start because `step` did not succeed. */
export function settleDependents(
  state: RunState,
  runId: string,
  step: StepRow,
  context: Context,
): Change[] {
  const changes: Change[] = [];
  const done = new Set<string>();
  const open = [step.id];
  for (let failed = open.pop(); failed !== undefined; failed = open.pop()) {
    for (const id of state.dependents.get(failed) ?? []) {
      const dependent = state.steps.get(id);
      if (dependent?.status !== 'queued' || done.has(id)) continue;
      if (dependent.onDependencyFailure === 'wait') continue;
      done.add(id);
      open.push(id);
      changes.push({
        type: 'step.updated',
        runId,
        stepId: id,
        version: dependent.version + 1,
        set: {
          status: 'skipped',
          reason: whySkipped(state, failed),
          skippedBy: failed,
          endedAt: context.at,
          updatedAt: context.at,
        },
      });
    }
  }
  return changes;
}

/** Queues again what was skipped on account of `step`, and on account of those, in turn. */
export function unskipDependents(
  state: RunState,
  runId: string,
  step: StepRow,
  context: Context,
): Change[] {
  const changes: Change[] = [];
  const queued = new Set([step.id]);
  const open = [step.id];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const dependentId of state.dependents.get(id) ?? []) {
      const dependent = state.steps.get(dependentId);
      if (dependent?.status !== 'skipped' || dependent.skippedBy === null) continue;
      if (queued.has(dependentId)) continue;
      const blocked = dependent.dependsOn.some(
        (other) => !queued.has(other) && isFailure(state.steps.get(other)),
      );
      if (blocked) continue;
      queued.add(dependentId);
      open.push(dependentId);
      changes.push({
        type: 'step.updated',
        runId,
        stepId: dependentId,
        version: dependent.version + 1,
        set: {
          status: 'queued',
          reason: null,
          skippedBy: null,
          endedAt: null,
          updatedAt: context.at,
        },
      });
    }
  }
  return changes;
}
