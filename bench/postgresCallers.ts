import { openStore } from '../src/index.ts';
import { appending } from './contenders/holdfast.ts';
import { rawPostgres } from './contenders/rawPostgres.ts';
import { median, percentile, ratio, rounds } from './harness/measure.ts';
import type { Context, Figure, Question } from './harness/question.ts';

const MANY = 256;
const SOME = 64;
const CONNECTIONS = 16;

/** What a commit costs in a round trip of its own, and what gathering gives back. */
export const postgresCallers: Question = {
  id: 'g',
  title: 'A store in PostgreSQL: one caller, and many (600 B of payload, a run each)',
  async ask(context) {
    return [...(await alone(context)), ...(await together(context))];
  },
};

async function alone({ database, quick, progress }: Context): Promise<readonly Figure[]> {
  progress('one caller of PostgreSQL');
  const raw = await rawPostgres(await database(), 1);
  await using store = await openStore(await database(), { migrate: 'auto' });
  const entries = [await appending(store, 1), raw].map((contender) => ({ contender, callers: 1 }));
  const [ours, theirs] = await rounds(entries, options(quick));
  await raw.close();
  return [
    {
      name: `one caller / ${raw.name}`,
      value: ratio(ours, theirs),
      unit: '×',
      target: { is: '≥', value: 0.7 },
    },
    { name: 'one caller', value: median(ours ?? []), unit: 'commits/s' },
    { name: raw.name, value: median(theirs ?? []), unit: 'inserts/s' },
  ];
}

async function together({ database, quick, progress }: Context): Promise<readonly Figure[]> {
  progress(`${MANY} callers of PostgreSQL`);
  const raw = await rawPostgres(await database(), CONNECTIONS);
  await using store = await openStore(await database(), { migrate: 'auto' });
  const latencies: number[] = [];
  const [ours, theirs, some] = await rounds(
    [
      { contender: await appending(store, MANY), callers: MANY },
      { contender: raw, callers: CONNECTIONS },
      {
        contender: await appending(store, SOME),
        callers: SOME,
        onLatency: (ms: number) => void latencies.push(ms),
      },
    ],
    options(quick),
  );
  await raw.close();
  const { commits, batches } = (await store.stats()).writes;
  return [
    {
      name: `${MANY} callers / ${raw.name}`,
      value: ratio(ours, theirs),
      unit: '×',
      target: { is: '≥', value: 1.5 },
    },
    {
      name: `${MANY} callers`,
      value: median(ours ?? []),
      unit: 'commits/s',
      note: `${Math.round(commits / batches)} commits a round trip`,
    },
    { name: raw.name, value: median(theirs ?? []), unit: 'inserts/s' },
    {
      name: `${SOME} callers: latency of a commit, p99`,
      value: percentile(latencies, 0.99),
      unit: 'ms',
      target: { is: '<', value: 50 },
      note: `median ${median(latencies).toFixed(1)} ms, ${Math.round(median(some ?? []))} commits/s`,
    },
  ];
}

function options(quick: boolean): { readonly count: number; readonly ms: number } {
  return quick ? { count: 3, ms: 300 } : { count: 9, ms: 1_000 };
}
