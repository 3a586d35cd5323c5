import type { ArtifactFilter, RunFilter, Store } from '../../../src/index.ts';
import { BUSY, createdAt, ROWS, runId } from './bigStore.ts';
import type { Bounds } from './statement.ts';

/** Something that a store is asked, and how much of 100,000 rows may be read for the answer. */
export interface Question extends Bounds {
  readonly name: string;
  /** It commits. */
  readonly isWrite?: boolean;
  /** `start`: where the log of the big store begins. */
  readonly ask: (store: Store, start: string) => PromiseLike<unknown>;
}

const LIMIT = 50;
/** One page, and some more to be told from it: the next one begins, a row is checked. */
const PAGE = 4 * LIMIT;
/** Where filters cross for which there is no index of both: what the rarer one finds, and the page. */
const CROSSED = 5_000;

const BY_CREATION = 'holdfast_runs_by_creation';
const BY_STATUS = 'holdfast_runs_by_status';
const BY_WORKFLOW = 'holdfast_runs_by_workflow';
const BY_WORKFLOW_STATUS = 'holdfast_runs_by_workflow_status';
const BY_PROJECT = 'holdfast_runs_by_project';
const BY_PARENT_RUN = 'holdfast_runs_by_parent_run';
const BY_PARENT_STEP = 'holdfast_runs_by_parent_step';

const FILTERS: readonly (readonly [RunFilter, Bounds])[] = [
  [{}, { rowsMax: PAGE, index: BY_CREATION, walk: BY_CREATION }],
  [{ status: 'failed' }, { rowsMax: PAGE, index: BY_STATUS }],
  [{ status: 'succeeded' }, { rowsMax: PAGE }],
  [{ status: ['failed', 'running', 'queued'] }, { rowsMax: PAGE, index: BY_STATUS }],
  [{ status: ['running', 'succeeded'] }, { rowsMax: PAGE, index: BY_STATUS }],
  [{ workflow: 'w3' }, { rowsMax: PAGE, index: BY_WORKFLOW }],
  [
    { workflow: 'w3', status: 'failed' },
    { rowsMax: PAGE, index: BY_WORKFLOW_STATUS },
  ],
  [
    { workflow: 'w3', status: ['failed', 'queued'] },
    { rowsMax: PAGE, index: BY_WORKFLOW_STATUS },
  ],
  [{ project: 'p4' }, { rowsMax: PAGE, index: BY_PROJECT }],
  [
    { project: 'p4', status: 'failed' },
    { rowsMax: CROSSED, sqliteIndex: BY_PROJECT },
  ],
  [
    { project: 'p4', workflow: 'w3' },
    { rowsMax: CROSSED, sqliteIndex: BY_PROJECT },
  ],
  [{ parentRunId: runId(7) }, { rowsMax: PAGE, index: BY_PARENT_RUN }],
  [
    { parentRunId: runId(7), status: 'failed' },
    { rowsMax: CROSSED, sqliteIndex: BY_PARENT_RUN },
  ],
  [
    { parentRunId: runId(7), tags: { team: 't3' } },
    { rowsMax: PAGE, index: BY_PARENT_RUN },
  ],
  [{ parentStepId: 's7' }, { rowsMax: PAGE, index: BY_PARENT_STEP }],
  [{ tags: { team: 't3' } }, { rowsMax: PAGE }],
  [{ tags: { customer: 'c3' } }, { rowsMax: PAGE }],
  [{ tags: { team: 'nobody' } }, { rowsMax: PAGE }],
  [{ tags: { customer: 'c3', stage: 'live' } }, { rowsMax: PAGE }],
  [{ tags: { stage: 'live', team: 't3' } }, { rowsMax: CROSSED }],
  [{ tags: { team: 't3' }, status: 'succeeded' }, { rowsMax: PAGE }],
  [
    { tags: { team: 't3' }, status: 'failed' },
    { rowsMax: CROSSED, sqliteIndex: BY_STATUS },
  ],
  [
    { tags: { team: 't3' }, status: ['failed', 'queued'] },
    { rowsMax: CROSSED, sqliteIndex: BY_STATUS },
  ],
  [{ tags: { team: 't3' }, workflow: 'w3' }, { rowsMax: CROSSED }],
  [{ createdAfter: createdAt(ROWS - 500) }, { rowsMax: PAGE, index: BY_CREATION }],
  [{ createdBefore: createdAt(50_000) }, { rowsMax: PAGE, index: BY_CREATION }],
  [
    { createdAfter: createdAt(40_000), createdBefore: createdAt(40_200) },
    { rowsMax: PAGE, index: BY_CREATION },
  ],
  [
    { workflow: 'w3', createdBefore: createdAt(50_000) },
    { rowsMax: PAGE, index: BY_WORKFLOW },
  ],
  [{ endedBefore: createdAt(50_000) }, { rowsMax: PAGE, index: BY_CREATION }],
  // The index is read until the page is full; of the table it is no more than the page.
  [{ endedAfter: createdAt(ROWS - 30) }, { rowsMax: PAGE, index: BY_CREATION, walk: BY_CREATION }],
];

/** The first page of each list, and one from its middle. */
const LISTS: readonly Question[] = FILTERS.flatMap(([filter, bounds]) => {
  const name = `runs.list(${JSON.stringify(filter)})`;
  const laterPage = async ({ runs }: Store): Promise<void> => {
    const { next } = await runs.list({ createdBefore: createdAt(ROWS / 2), ...filter, limit: 5 });
    if (next !== null) await runs.list({ ...filter, cursor: next });
  };
  return [
    { ...bounds, name, ask: ({ runs }) => runs.list(filter) },
    { ...bounds, name: `${name}, a later page`, ask: laterPage },
  ];
});

async function firstOf(commits: AsyncIterable<unknown>): Promise<unknown> {
  for await (const commit of commits) return commit;
  return undefined;
}

const READS: readonly Question[] = [
  { name: 'runs.get', rowsMax: 10, ask: ({ runs }) => runs.get(runId(5)) },
  { name: 'steps.list', rowsMax: 10, ask: ({ steps }) => steps.list(runId(6)) },
  { name: 'steps.get', rowsMax: 10, ask: ({ steps }) => steps.get(runId(7), 's1') },
  { name: 'artifacts.list', rowsMax: 10, ask: ({ artifacts }) => artifacts.list(runId(8)) },
  {
    name: 'events.list',
    sqliteIndex: 'holdfast_events_by_block',
    rowsMax: PAGE,
    ask: ({ events }) => events.list(BUSY),
  },
  {
    name: 'events.list({ after })',
    sqliteIndex: 'holdfast_events_by_block',
    rowsMax: PAGE,
    ask: ({ events }) => events.list(BUSY, { after: 5_000 }),
  },
  {
    name: 'events.tail',
    sqliteIndex: 'holdfast_events_by_block',
    rowsMax: 2 * PAGE,
    ask: ({ events }) => firstOf(events.tail(BUSY)),
  },
];

export const RETAGGING: Question = {
  name: 'runs.update of tags',
  rowsMax: 10,
  isWrite: true,
  ask: ({ runs }) => runs.update(runId(9), { tags: { team: 't1' } }),
};

const WRITES: readonly Question[] = [
  RETAGGING,
  {
    name: 'runs.create',
    rowsMax: 10,
    isWrite: true,
    ask: ({ runs }) => runs.create({ workflow: 'w', tags: { a: '1', b: '2' } }),
  },
  { name: 'runs.delete', rowsMax: 10, isWrite: true, ask: ({ runs }) => runs.delete(runId(10)) },
  {
    name: 'steps.create',
    rowsMax: 10,
    isWrite: true,
    ask: ({ steps }) => steps.create(runId(11), { name: 'new' }),
  },
  {
    name: 'artifacts.put',
    rowsMax: 10,
    isWrite: true,
    ask: ({ artifacts }) => artifacts.put(runId(12), { name: 'new', body: 'bytes of it' }),
  },
  {
    name: 'events.append',
    rowsMax: 10,
    isWrite: true,
    ask: ({ events }) => events.append(BUSY, { type: 'line' }),
  },
  {
    name: 'events.append with a key that is new',
    rowsMax: 10,
    isWrite: true,
    ask: ({ events }) => events.append(BUSY, { type: 'line', idempotencyKey: 'new' }),
  },
  {
    name: 'events.append with a key that is in use',
    rowsMax: 10,
    async ask({ events }) {
      const { payload } = (await events.list(BUSY, { limit: 1 })).items[0] ?? {};
      await events.append(BUSY, { type: 'line', idempotencyKey: 'key-7', payload });
    },
  },
];

const LOG: readonly Question[] = [
  {
    name: 'watch, from what is new',
    rowsMax: 2 * PAGE,
    async ask(store) {
      const after = store.position();
      await store.events.append(runId(13), { type: 'seen' });
      await firstOf(store.watch({ after }));
    },
  },
  {
    name: 'watch, from the beginning',
    rowsMax: 2 * PAGE,
    ask: (store, start) => firstOf(store.watch({ after: start })),
  },
  { name: 'pins.create', rowsMax: 10, ask: ({ pins }) => pins.create({ name: 'new' }) },
  { name: 'pins.list', rowsMax: 10, ask: ({ pins }) => pins.list() },
];

const ARTIFACTS: readonly (readonly [ArtifactFilter, Bounds])[] = [
  [{}, { rowsMax: PAGE }],
  [{ name: 'nothing*' }, { rowsMax: PAGE }],
  [{ name: 'a' }, { rowsMax: CROSSED }],
  [{ mediaType: 'text/*' }, { rowsMax: CROSSED }],
  [{ alias: 'none' }, { rowsMax: PAGE }],
  [{ metadata: { key: 'v7' } }, { rowsMax: PAGE }],
  [{ metadata: { n: { lt: 100 } } }, { rowsMax: CROSSED }],
  [{ metadata: { n: { gt: 7 } } }, { rowsMax: CROSSED }],
  [{ metadata: { n: { gte: 1_000, lt: 1_400 }, key: 'v101' } }, { rowsMax: CROSSED }],
  [{ runId: runId(7), newestOnly: true }, { rowsMax: PAGE }],
  [{ run: { parentRunId: runId(7) } }, { rowsMax: CROSSED }],
  [{ run: { workflow: 'w3' }, metadata: { n: { lt: 100 } } }, { rowsMax: CROSSED }],
  [{ run: { tags: { customer: 'c3' } } }, { rowsMax: CROSSED }],
];

const QUERIES: readonly Question[] = ARTIFACTS.map(([filter, bounds]) => ({
  ...bounds,
  walk: 'holdfast_artifacts_by_creation',
  isSorting: true,
  name: `artifacts.query(${JSON.stringify(filter)})`,
  ask: ({ artifacts }) => artifacts.query(filter),
}));

export const QUESTIONS: readonly Question[] = [...LISTS, ...READS, ...QUERIES, ...WRITES, ...LOG];
