import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Artifact, Commit, PublicChange, Run, RunEvent, Step, Store } from '../../index.ts';

type StoredStep = Omit<Step, 'remaining'>;

/** Numbers that should be 1, 2, 3… are not. */
export class Gap extends Error {}

/** All that a store keeps of one run. */
interface RunContent {
  readonly run: Run;
  /** In order of creation. */
  readonly steps: readonly StoredStep[];
  readonly events: readonly RunEvent[];
  /** All versions, by name and version. */
  readonly artifacts: readonly Artifact[];
}

/** By run id. */
export type Contents = ReadonlyMap<string, RunContent>;

/** What a store holds after one more commit: the oracle's own fold, by what `watch` promises. */
export function folded(before: Contents, commit: Pick<Commit, 'changes'>): Contents {
  const after = new Map(before);
  for (const change of commit.changes) {
    const content = foldedRun(after.get(change.runId), change);
    if (content === undefined) after.delete(change.runId);
    else after.set(change.runId, content);
  }
  return after;
}

function foldedRun(before: RunContent | undefined, change: PublicChange): RunContent | undefined {
  if (change.type === 'run.created') {
    return { run: change.run, steps: [], artifacts: [], events: [] };
  }
  if (change.type === 'run.deleted') return undefined;
  if (before === undefined) throw new Error(`${change.type} of a run that is not there`);
  switch (change.type) {
    case 'run.updated':
      return { ...before, run: { ...before.run, ...change.set, version: change.version } };
    case 'run.metered':
      return { ...before, run: { ...before.run, metrics: change.metrics } };
    case 'step.created':
      return { ...before, steps: [...before.steps, change.step] };
    case 'step.updated': {
      const { stepId: id, set, version } = change;
      const steps = before.steps.map((it) => (it.id === id ? { ...it, ...set, version } : it));
      return { ...before, steps };
    }
    case 'event.appended': {
      const expected = before.events.length + 1;
      const { seq } = change.event;
      if (seq !== expected) throw new Gap(`event ${seq} of ${change.runId} came as ${expected}`);
      return { ...before, events: [...before.events, change.event] };
    }
    case 'artifact.put': {
      const { artifact } = change;
      const others = before.artifacts.filter(
        ({ name, version }) => name !== artifact.name || version !== artifact.version,
      );
      return { ...before, artifacts: [...others, artifact].toSorted(byNameAndVersion) };
    }
    case 'artifact.updated': {
      const { name, version, revision, set } = change;
      const artifacts = before.artifacts.map((it) =>
        it.name === name && it.version === version ? { ...it, ...set, revision } : it,
      );
      return { ...before, artifacts };
    }
  }
}

function byNameAndVersion(a: Artifact, b: Artifact): number {
  if (a.name !== b.name) return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
  return a.version - b.version;
}

/** What a store says that it holds, by every list that it has, and the bytes of every artifact. */
export async function observed(store: Store): Promise<Contents> {
  const contents = new Map<string, RunContent>();
  for await (const run of store.runs.list()) contents.set(run.id, await observedRun(store, run));
  return contents;
}

async function observedRun(store: Store, listed: Run): Promise<RunContent> {
  const { id } = listed;
  const run = await store.runs.get(id);
  if (!isDeepStrictEqual(run, listed)) throw new Error(`run ${id} is listed as it is not`);
  const steps: StoredStep[] = [];
  for await (const { remaining: _, ...step } of store.steps.list(id)) steps.push(step);
  const events: RunEvent[] = [];
  for await (const event of store.events.list(id, { limit: 1_000 })) events.push(event);
  const artifacts: Artifact[] = [];
  for await (const artifact of store.artifacts.list(id, { allVersions: true, deleted: true })) {
    if (artifact.deletedAt === null) await readWhole(store, id, artifact);
    artifacts.push(artifact);
  }
  return { run, steps, events, artifacts };
}

/** Whether the bytes are those of the artifact is found out here, not by the store. */
async function readWhole(store: Store, runId: string, artifact: Artifact): Promise<void> {
  const { name, version, digest } = artifact;
  const hash = createHash('sha256');
  for await (const chunk of store.artifacts.open(runId, name, { version })) hash.update(chunk);
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== digest)
    throw new Error(`artifact ${name} of ${runId} is ${actual}, not ${digest}`);
}

/** The runs that differ; none when the contents are equal. */
export function differing(a: Contents, b: Contents): readonly string[] {
  const ids = new Set([...a.keys(), ...b.keys()]);
  return [...ids].filter((id) => !isDeepStrictEqual(a.get(id), b.get(id)));
}
