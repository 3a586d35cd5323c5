import type { NewEvent, NewRun, NewStep, RunPatch, StepPatch } from '../../../src/index.ts';
import { isStoreError, type StoreError } from '../../../src/index.ts';
import { decidePutArtifact } from '../../../src/lib/model/artifact.ts';
import type { Change } from '../../../src/lib/model/change.ts';
import type { NewArtifact, ResetOptions, WriteOptions } from '../../../src/lib/model/commands.ts';
import type { Context, Decision } from '../../../src/lib/model/decision.ts';
import type { RunRow, StepRow } from '../../../src/lib/model/entities.ts';
import { decideAppendEvent } from '../../../src/lib/model/event.ts';
import * as run from '../../../src/lib/model/run.ts';
import { RunState } from '../../../src/lib/model/runState.ts';
import * as step from '../../../src/lib/model/step.ts';

/** One run as the model alone makes it: every decision is applied at once and kept in `log`. */
export class Scene {
  readonly id = 'r';
  readonly log: Change[] = [];
  readonly state: RunState;
  #time = Date.UTC(2026, 0, 1);
  #ids = 0;

  constructor(state = new RunState()) {
    this.state = state;
  }

  /** Each decision is taken a second after the one before. */
  get context(): Context {
    this.#time += 1000;
    return { at: new Date(this.#time).toISOString(), freshId: () => `fresh-${++this.#ids}` };
  }

  get run(): RunRow {
    return present(this.state.run);
  }

  step(id: string): StepRow {
    return present(this.state.steps.get(id));
  }

  #commit(decision: Decision): Decision {
    for (const change of decision) this.state.apply(change);
    this.log.push(...decision);
    return decision;
  }

  createRun(input: Partial<NewRun> = {}): Decision {
    const whole = { workflow: 'w', ...input };
    return this.#commit(run.decideCreateRun(this.state, this.id, whole, this.context));
  }

  updateRun(patch: RunPatch, options?: WriteOptions): Decision {
    return this.#commit(run.decideUpdateRun(this.state, this.id, patch, options, this.context));
  }

  resetRun(verb: 'reset' | 'retry' = 'reset', options?: ResetOptions): Decision {
    return this.#commit(run.decideResetRun(this.state, this.id, verb, options, this.context));
  }

  deleteRun(options?: WriteOptions): Decision {
    return this.#commit(run.decideDeleteRun(this.state, this.id, options));
  }

  createStep(id: string, input: Partial<NewStep> = {}): Decision {
    return this.addStep({ id, name: id, ...input });
  }

  addStep(input: NewStep): Decision {
    return this.#commit(step.decideCreateStep(this.state, this.id, input, this.context));
  }

  updateStep(id: string, patch: StepPatch, options?: WriteOptions): Decision {
    const { state, context } = this;
    return this.#commit(step.decideUpdateStep(state, this.id, id, patch, options, context));
  }

  /** Several patches one after another. */
  walk(id: string, ...patches: readonly StepPatch[]): void {
    for (const patch of patches) this.updateStep(id, patch);
  }

  resetStep(id: string, verb: 'reset' | 'retry' = 'reset', options?: ResetOptions): Decision {
    const { state, context } = this;
    return this.#commit(step.decideResetStep(state, this.id, id, verb, options, context));
  }

  append(input: NewEvent): Decision {
    const known = this.state.eventByKey.get(input.idempotencyKey ?? '');
    return this.#commit(decideAppendEvent(this.state, this.id, input, known, this.context));
  }

  put(input: NewArtifact, digest = `sha256:${'0'.repeat(64)}`, size = 1): Decision {
    const blob = { digest, size, taken: 'application/octet-stream' };
    return this.#commit(decidePutArtifact(this.state, this.id, input, blob, this.context));
  }
}

export const RUNNING = { status: 'running' } as const;
export const SUCCEEDED = { status: 'succeeded' } as const;
export const FAILED = { status: 'failed', error: { name: 'Error', message: 'no' } } as const;

/** A scene with a run and these steps, `{ b: ['a'] }` meaning that b depends on a. */
export function sceneWith(steps: Readonly<Record<string, readonly string[]>> = {}): Scene {
  const scene = new Scene();
  scene.createRun();
  for (const [id, dependsOn] of Object.entries(steps)) scene.createStep(id, { dependsOn });
  return scene;
}

/** The `StoreError` with which `work` was refused; anything else fails the test. */
export function refusal(work: () => unknown): StoreError {
  try {
    work();
  } catch (error) {
    if (isStoreError(error)) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** For calls that the types forbid. */
export function untyped(value: unknown): never {
  return value as never;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is not there');
  return value;
}
