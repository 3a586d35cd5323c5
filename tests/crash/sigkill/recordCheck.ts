import type { Run, RunEvent, Step, Store } from '../../../src/index.ts';
import { collect } from '../../fixtures/collect.ts';
import type { RecordWork } from './recordWork.ts';

/** What is known of a recorded plan from outside its store. */
export interface Known {
  readonly work: RecordWork;
  /** The names of steps in the order in which their commands were started. */
  readonly marks: readonly string[];
  /** Whether the recorder has told that the run has ended. */
  readonly isOver: boolean;
}

export interface Found {
  readonly runId: string | undefined;
  readonly status: Run['status'] | undefined;
  /** How often the command of each step that has succeeded was started. */
  readonly starts: ReadonlyMap<string, number>;
  readonly problems: readonly string[];
}

/**
 * A command that was started is an acknowledgement: its run is stored, its step is durably
 * `running`, and the steps that it waited for have succeeded, with all that they wrote.
 */
export async function checkRecorded(store: Store, tag: string, known: Known): Promise<Found> {
  const [run, ...others] = await collect(store.runs.list({ tags: { cycle: tag } }));
  if (run === undefined) {
    const problems = known.marks.length > 0 || known.isOver ? [`the run ${tag} is lost`] : [];
    return { runId: undefined, status: undefined, starts: new Map(), problems };
  }
  const problems = others.length > 0 ? [`${tag} was stored ${others.length + 1} times`] : [];
  if (known.isOver && run.status !== 'succeeded') problems.push(`run ${tag} is ${run.status}`);
  const steps = new Map<string, Step>();
  for (const step of await collect(store.steps.list(run.id))) steps.set(step.name, step);
  const events = await collect(store.events.list(run.id, { limit: 1_000 }));
  const gap = events.findIndex(({ seq }, i) => seq !== i + 1);
  if (gap >= 0) problems.push(`run ${tag}: event ${gap + 1} is missing`);
  problems.push(...orderProblems(known, steps));
  for (const { name, output, file } of known.work.steps) {
    const step = steps.get(name);
    if (step === undefined) {
      problems.push(`run ${tag} has no step ${name}`);
      continue;
    }
    const written = outputOf(events, step);
    if (!output.startsWith(written)) problems.push(`${tag} ${name} has other output`);
    if (step.status !== 'succeeded') continue;
    if (written !== output) problems.push(`${tag} ${name} has lost some of its output`);
    const kept = new Map([[`${name}.log`, output]]);
    if (file !== undefined) kept.set(file, `${name} left this\n`);
    for (const [artifact, body] of kept) {
      const bytes = Buffer.concat(await collect(store.artifacts.open(run.id, artifact)));
      if (bytes.toString() !== body) problems.push(`${tag} ${artifact} has other bytes`);
    }
  }
  const done = [...steps.values()].filter(({ status }) => status === 'succeeded');
  const startsOf = (name: string) => known.marks.filter((mark) => mark === name).length;
  const starts = new Map(done.map(({ name }) => [name, startsOf(name)]));
  return { runId: run.id, status: run.status, starts, problems };
}

function orderProblems({ work, marks }: Known, steps: ReadonlyMap<string, Step>): string[] {
  return work.steps.flatMap(({ name, dependsOn }) => {
    const starts = marks.filter((mark) => mark === name).length;
    const { status, attempt = 0 } = steps.get(name) ?? {};
    if (starts === 0) return status === 'succeeded' ? [`${name} succeeded and never ran`] : [];
    if (status !== 'running' && status !== 'succeeded') {
      return [`${name} was started, and is ${status}`];
    }
    if (starts > attempt) return [`${name} was started ${starts} times in ${attempt} attempts`];
    const early = dependsOn.filter((other) => steps.get(other)?.status !== 'succeeded');
    return early.map((other) => `${name} was started, and ${other} has not succeeded`);
  });
}

/** What the step's newest attempt wrote. */
function outputOf(events: readonly RunEvent[], { id, attempt }: Step): string {
  let isCurrent = false;
  let written = '';
  for (const { type, stepId, payload } of events) {
    if (stepId !== id) continue;
    const fields = payload as { readonly attempt?: number; readonly text?: string };
    if (type === 'process.started') isCurrent = fields.attempt === attempt;
    else if (isCurrent) written += fields.text ?? '';
  }
  return written;
}

/** The output of the one command of a run, as far as it is stored. */
export async function recordedOutput(store: Store, runId: string): Promise<string> {
  const events = await collect(store.events.list(runId, { limit: 1_000 }));
  return events
    .map(({ type, payload }) => (type === 'output' ? (payload as { text: string }).text : ''))
    .join('');
}
