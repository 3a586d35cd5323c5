import { join } from 'node:path';
import { openStore, type RunFilter, type Store } from '../src/index.ts';
import { fillStore } from './harness/filledStore.ts';
import { median, percentile, times } from './harness/measure.ts';
import type { Context, Figure, Question } from './harness/question.ts';

const LISTS: readonly (readonly [name: string, filter: RunFilter])[] = [
  ['the newest 20', {}],
  ['the newest 20 of a status', { status: 'succeeded' }],
  ['the newest 20 with a tag', { tags: { shard: '3' } }],
  ['20 of a workflow, after a cursor', { workflow: 'stored' }],
];

/** Whether a database that has grown answers as fast as a young one. */
export const databaseLists: Question = {
  id: 'j',
  title: 'A database that has grown',
  async ask(context) {
    const { folder, database } = context;
    return [
      ...(await listing(context, 'PostgreSQL', await database())),
      ...(await listing(context, 'SQLite', `sqlite:${join(await folder('lists'), 'data.db')}`)),
    ];
  },
};

async function listing(
  { sizes: { runs }, progress }: Context,
  name: string,
  url: string,
): Promise<readonly Figure[]> {
  await using store = await openStore(url, { migrate: 'auto' });
  await fillStore(store, runs, (done) => progress(`${name}: ${done} of ${runs} runs`));
  progress(`${name}: lists`);
  const figures: Figure[] = [];
  for (const [list, filter] of LISTS) {
    figures.push(figure(`${name}, ${list}`, runs, await timesOf(store, filter)));
  }
  const ids = (await store.runs.list({ limit: 100 })).items.map(({ id }) => id);
  const gets = await times(ids.length, (n) => store.runs.get(ids[n] ?? ''));
  return [...figures, figure(`${name}, a run by its id`, runs, gets)];
}

async function timesOf(store: Store, filter: RunFilter): Promise<readonly number[]> {
  const { next } = await store.runs.list({ ...filter, limit: 20 });
  const cursor = filter.workflow === undefined ? undefined : (next ?? undefined);
  return times(200, async () => store.runs.list({ ...filter, limit: 20, cursor }));
}

function figure(name: string, runs: number, taken: readonly number[]): Figure {
  return {
    name: `${name}, of ${runs.toLocaleString('en')}`,
    value: median(taken),
    unit: 'ms',
    target: { is: '<', value: 5 },
    note: `p99 ${percentile(taken, 0.99).toFixed(2)} ms`,
  };
}
