import {
  type ArtifactFilter,
  isStoreError,
  type RunFilter,
  type Store,
} from '../../../src/index.ts';

/** What a store says when it is asked one thing: a value as JSON, or the error that it gave. */
export type Answer = { readonly value: string } | { readonly error: unknown };

/** By question. */
export type Answers = ReadonlyMap<string, Answer>;

/** The runs of the small stores; `d` was deleted. */
export const RUN_IDS = ['a', 'b', 'c', 'd'] as const;

/** The one that has steps, artifacts and an event with a key. */
const WORKED = 'a';

/** The artifacts that were put, and the event keys that were used. */
const ARTIFACTS = [{ runId: WORKED, name: 'x', version: 1 }] as const;
export const KEYED = { type: 'e', payload: 'keyed', idempotencyKey: 'k' } as const;

type Filters = Readonly<Record<string, RunFilter>>;

const FILTERS: Filters = {
  'all runs': {},
  'runs of a project with a tag': { project: 'p', tags: { t: '1' } },
};

/** A question for every tree of the index. */
export const INDEX_FILTERS: Filters = {
  ...FILTERS,
  'runs by twos': { limit: 2 },
  'runs with a tag': { tags: { t: '1' } },
  'runs of a workflow': { workflow: 'w' },
  'runs of a workflow with a status': { workflow: 'w', status: 'queued' },
  'runs with a status': { status: ['cancelled', 'failed'] },
  'runs of a project': { project: 'p' },
  'runs of a parent': { parentRunId: 'a' },
  'runs of a parent step': { parentStepId: 's' },
  'runs that ended': { endedAfter: new Date(0) },
};

const QUERIES: Readonly<Record<string, ArtifactFilter>> = {
  'artifacts of all runs': {},
  'artifacts with a text in their metadata': { metadata: { s: 't' } },
  'artifacts with a number in their metadata': { metadata: { n: { gt: 0 } }, tags: { k: 'v' } },
  'artifacts of a name': { name: 'x' },
};

/** The questions whose answers are lists of runs, or of artifacts of all runs. */
export const LISTS: ReadonlySet<string> = new Set([
  ...Object.keys(INDEX_FILTERS),
  ...Object.keys(QUERIES),
]);
export const COUNTS = 'the counts';

/**
 * Asks everything that can be asked: every entity, every payload, every byte of an artifact, every
 * commit from the cursor `start` on. The questions do not depend on what was answered.
 */
export async function readAnswers(
  store: Store,
  start: string,
  filters: Filters = FILTERS,
): Promise<Answers> {
  const answers = new Map<string, Answer>();
  const ask = async (question: string, answer: () => Promise<unknown>): Promise<void> => {
    answers.set(question, await answerOf(answer));
  };
  await ask('the position', async () => store.position());
  await ask('the pins', () => store.pins.list());
  await ask(COUNTS, async () => (await store.stats()).runs);
  for (const [question, filter] of Object.entries(filters)) {
    await ask(question, () => collect(store.runs.list(filter)));
  }
  for (const [question, filter] of Object.entries(QUERIES)) {
    await ask(question, () => collect(store.artifacts.query(filter)));
  }
  for (const runId of RUN_IDS) await askOfRun(store, runId, ask);
  for (const { runId, name, version } of ARTIFACTS) {
    await ask(`artifact ${name} ${version}`, () => store.artifacts.get(runId, name, { version }));
    await ask(`lineage of ${name} ${version}`, () =>
      store.artifacts.lineage(runId, name, { version }),
    );
    await ask(`bytes of ${name} ${version}`, () =>
      collect(store.artifacts.open(runId, name, { version })),
    );
  }
  await ask('the log', () => readLog(store, start));
  // Writes nothing where the key is known.
  await ask('the event of a key', () => store.events.append(WORKED, KEYED));
  await ask('the position after it', async () => store.position());
  return answers;
}

type Ask = (question: string, answer: () => Promise<unknown>) => Promise<void>;

async function askOfRun(store: Store, runId: string, ask: Ask): Promise<void> {
  await ask(`run ${runId}`, () => store.runs.get(runId));
  await ask(`events of ${runId}`, () => collect(store.events.list(runId)));
  if (runId !== WORKED) return;
  await ask('steps', () => collect(store.steps.list(runId)));
  await ask('ready steps', () => store.steps.ready(runId));
  await ask('artifacts', () => collect(store.artifacts.list(runId, { allVersions: true })));
}

/** The commits of the log, and what ended it; an error after some of them is part of the answer. */
async function readLog(store: Store, start: string): Promise<unknown> {
  const last = store.position();
  const commits: unknown[] = [];
  if (start === last) return commits;
  for await (const commit of store.watch({ after: start })) {
    commits.push(commit);
    if (commit.position === last) break;
  }
  return commits;
}

async function answerOf(ask: () => Promise<unknown>): Promise<Answer> {
  try {
    return { value: JSON.stringify(await ask(), inOrder) };
  } catch (error) {
    if (isStoreError(error, 'NOT_FOUND')) return { value: `not found: ${error.message}` };
    return { error };
  }
}

/** The members of an object in the order of their names: that they were set in is no part of it. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
