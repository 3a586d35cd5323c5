import { type JsonValue, LIMITS, StoreError } from '../../index.ts';

/** What `holdfast record plan.json` reads; it is kept as the run's input, so that it can go on. */
export interface Plan {
  readonly workflow: string;
  readonly steps: readonly PlanStep[];
}

export interface PlanStep {
  /** Unique in the plan; it is also the id of the step. */
  readonly name: string;
  /** A command line for the shell, or a program and its arguments, which no shell sees. */
  readonly run: string | readonly string[];
  readonly dependsOn?: readonly string[];
  /** Afterwards the step's processes are ended and it counts as timed out. */
  readonly timeoutMs?: number;
  /** Globs of files that are kept when the step has ended. */
  readonly artifacts?: readonly string[];
}

const PLAN_KEYS: readonly string[] = ['workflow', 'steps'];
const STEP_KEYS: readonly string[] = ['name', 'run', 'dependsOn', 'timeoutMs', 'artifacts'];
// The longest a timer can wait.
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** The plan in `value`, checked as a whole; a refusal names the path of what is wrong. */
export function checkPlan(value: unknown, path = 'plan'): Plan {
  const plan = object(value, path, PLAN_KEYS);
  const workflow = text(plan['workflow'], `${path}.workflow`);
  const steps = list(plan['steps'], `${path}.steps`).map((step, i) =>
    checkStep(step, `${path}.steps[${i}]`),
  );
  if (steps.length === 0) throw invalid(`${path}.steps`, 'must have at least one step');
  checkNames(steps, path);
  inOrder(steps, path);
  return { workflow, steps };
}

function checkStep(value: unknown, path: string): PlanStep {
  const { name, run, dependsOn, timeoutMs, artifacts } = object(value, path, STEP_KEYS);
  return {
    name: checkName(name, `${path}.name`),
    run: typeof run === 'string' ? text(run, `${path}.run`) : checkArgv(run, `${path}.run`),
    ...(dependsOn !== undefined && { dependsOn: texts(dependsOn, `${path}.dependsOn`) }),
    ...(timeoutMs !== undefined && { timeoutMs: checkTimeout(timeoutMs, `${path}.timeoutMs`) }),
    ...(artifacts !== undefined && { artifacts: texts(artifacts, `${path}.artifacts`) }),
  };
}

function checkName(value: unknown, path: string): string {
  const name = text(value, path);
  if (/\p{Cc}/u.test(name)) throw invalid(path, 'must not contain control characters');
  if (Buffer.byteLength(name) <= LIMITS.idBytesMax) return name;
  throw new StoreError('LIMIT_EXCEEDED', `${path} is longer than ${LIMITS.idBytesMax} bytes`);
}

function checkArgv(value: unknown, path: string): readonly string[] {
  if (!Array.isArray(value)) {
    throw invalid(path, 'must be a command line, or an array of a program and its arguments');
  }
  if (value.length === 0) throw invalid(path, 'must name a program');
  return value.map((item: unknown, i) =>
    i === 0 ? text(item, `${path}[0]`) : argument(item, `${path}[${i}]`),
  );
}

function checkTimeout(value: unknown, path: string): number {
  if (Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= TIMEOUT_MS_MAX) {
    return Number(value);
  }
  throw invalid(path, `must be a whole number of milliseconds from 1 to ${TIMEOUT_MS_MAX}`);
}

function checkNames(steps: readonly PlanStep[], path: string): void {
  const first = new Map<string, number>();
  for (const [i, { name }] of steps.entries()) {
    const other = first.get(name);
    if (other !== undefined) {
      const what = `is ${quoted(name)}, as ${path}.steps[${other}].name is: names must differ`;
      throw invalid(`${path}.steps[${i}].name`, what);
    }
    first.set(name, i);
  }
  for (const [i, { dependsOn = [] }] of steps.entries()) {
    for (const [n, name] of dependsOn.entries()) {
      const at = `${path}.steps[${i}].dependsOn[${n}]`;
      if (!first.has(name))
        throw invalid(at, `names ${quoted(name)}, which is no step of the plan`);
      if (dependsOn.indexOf(name) !== n) throw invalid(at, `names ${quoted(name)} twice`);
    }
  }
}

/** The steps in an order in which each comes after those it depends on. Refuses cycles. */
export function inOrder(steps: readonly PlanStep[], path = 'plan'): readonly PlanStep[] {
  const ordered: PlanStep[] = [];
  const done = new Set<string>();
  let waiting = [...steps];
  while (waiting.length > 0) {
    const free = waiting.filter(({ dependsOn = [] }) => dependsOn.every((name) => done.has(name)));
    if (free.length === 0) throw cycle(steps, waiting, path);
    for (const step of free) done.add(step.name);
    ordered.push(...free);
    waiting = waiting.filter((step) => !done.has(step.name));
  }
  return ordered;
}

/** Whoever waits, waits for another who waits: following that leads into the cycle. */
function cycle(steps: readonly PlanStep[], waiting: readonly PlanStep[], path: string): StoreError {
  const byName = new Map(waiting.map((step) => [step.name, step]));
  const way: PlanStep[] = [];
  for (let step = waiting[0]; step !== undefined;) {
    const from = way.indexOf(step);
    if (from >= 0) {
      const names = [...way.slice(from), step].map(({ name }) => name);
      const at = `${path}.steps[${steps.indexOf(step)}].dependsOn`;
      return invalid(at, `closes a cycle: ${names.join(' → ')}`);
    }
    way.push(step);
    step = byName.get((step.dependsOn ?? []).find((name) => byName.has(name)) ?? '');
  }
  return invalid(`${path}.steps`, 'wait for each other');
}

/** The plan as JSON text names it: what is kept as a run's input. */
export function planToInput(plan: Plan): JsonValue {
  return {
    workflow: plan.workflow,
    steps: plan.steps.map((step) => ({ ...step })),
  };
}

function object(
  value: unknown,
  path: string,
  allowed: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(path, 'must be an object');
  }
  const unknown = Object.keys(value).find((key) => !allowed.includes(key));
  if (unknown === undefined) return value as Readonly<Record<string, unknown>>;
  throw invalid(`${path}.${unknown}`, `is not known here; known are ${allowed.join(', ')}`);
}

function list(value: unknown, path: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(path, 'must be an array');
}

function texts(value: unknown, path: string): readonly string[] {
  return list(value, path).map((item, i) => text(item, `${path}[${i}]`));
}

function text(value: unknown, path: string): string {
  const checked = argument(value, path);
  if (checked.trim() === '') throw invalid(path, 'must not be empty');
  return checked;
}

/** Arguments of programs may be empty; NUL cannot be in one. */
function argument(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid(path, 'must be a string');
  if (value.includes('\0')) throw invalid(path, 'must not contain NUL');
  return value;
}

function quoted(name: string): string {
  return JSON.stringify(name);
}

function invalid(path: string, what: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${path} ${what}`);
}
