import { setTimeout } from 'node:timers/promises';
import type { Store } from '../src/index.ts';
import { append, appending, openAt } from './contenders/holdfast.ts';
import { rawSqlite } from './contenders/rawSqlite.ts';
import { loopDelay, median, percentile, ratio, rounds } from './harness/measure.ts';
import type { Context, Figure, Question } from './harness/question.ts';

const CALLERS = 256;

/** What group commit is for, and whether anything is lost when ten thousand wait at once. */
export const manyCallers: Question = {
  id: 'b',
  title: 'Many callers at once (600 B of payload, a run each)',
  async ask(context) {
    return [...(await shared(context)), ...(await inFlight(context))];
  },
};

async function shared({ folder, quick, progress }: Context): Promise<readonly Figure[]> {
  progress(`${CALLERS} callers`);
  await using store = await openAt(await folder('holdfast'));
  const sqlite = rawSqlite(await folder('sqlite'));
  // What the machine itself does to timers, in a process that has nothing to do.
  const idle = loopDelay();
  idle.on();
  await setTimeout(quick ? 200 : 1_000);
  idle.off();
  const delay = loopDelay();
  const latencies: number[] = [];
  const holdfast = {
    contender: await appending(store, CALLERS),
    callers: CALLERS,
    before: delay.on,
    after: delay.off,
    onLatency: (ms: number) => void latencies.push(ms),
  };
  const options = quick ? { count: 3, ms: 200 } : { count: 7, ms: 1_000 };
  const entries = [holdfast, { contender: sqlite, callers: 1 }];
  const [ours, theirs] = await rounds(entries, options);
  await sqlite.close();
  const { commits, batches } = (await store.stats()).writes;
  return [
    {
      name: `${CALLERS} callers / raw SQLite FULL`,
      value: ratio(ours, theirs),
      unit: '×',
      target: { is: '≥', value: 10 },
    },
    {
      name: `${CALLERS} callers`,
      value: median(ours ?? []),
      unit: 'commits/s',
      target: { is: '≥', value: 125_000 },
      note: `${Math.round(commits / batches)} commits a sync; latency p99 ${percentile(latencies, 0.99).toFixed(1)} ms`,
    },
    {
      name: 'event-loop delay, p99',
      value: delay.p99Ms(),
      unit: 'ms',
      target: { is: '<', value: 5 },
      note: `worst ${delay.maxMs().toFixed(1)} ms; with nothing to do p99 ${idle.p99Ms().toFixed(1)} ms`,
    },
  ];
}

async function inFlight({ folder, quick, progress }: Context): Promise<readonly Figure[]> {
  const callers = 10_000;
  const each = quick ? 2 : 10;
  progress(`${callers} writes in flight`);
  const place = await folder('in-flight');
  const runs = 100;
  const latencies: number[] = [];
  let ids: readonly string[];
  {
    await using store = await openAt(place);
    ids = await Promise.all(
      Array.from({ length: runs }, async () => (await store.runs.create({ workflow: 'w' })).id),
    );
    const call = async (caller: number): Promise<void> => {
      for (let n = 0; n < each; n += 1) {
        const started = performance.now();
        await append(store, ids[caller % runs] ?? '', n);
        latencies.push(performance.now() - started);
      }
    };
    await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  }
  await using reopened = await openAt(place);
  return [
    {
      name: `${callers} in flight: acknowledged writes missing after reopening [PF-7]`,
      value: latencies.length - (await eventsIn(reopened, ids)),
      unit: 'writes',
      target: { is: '=', value: 0 },
      note: `of ${latencies.length}`,
    },
    {
      name: `${callers} in flight: latency, p99`,
      value: percentile(latencies, 0.99),
      unit: 'ms',
      target: { is: '<', value: 250 },
      note: `median ${median(latencies).toFixed(0)} ms`,
    },
  ];
}

async function eventsIn(store: Store, ids: readonly string[]): Promise<number> {
  let events = 0;
  for (const id of ids) {
    let last = 0;
    for await (const { seq } of store.events.list(id, { limit: 1_000 })) {
      if (seq !== last + 1) throw new Error(`bench: event ${seq} follows ${last}`);
      last = seq;
    }
    events += last;
  }
  return events;
}
