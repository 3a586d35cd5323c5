import { join } from 'node:path';
import { openStore } from '../src/index.ts';
import { appending } from './contenders/holdfast.ts';
import { rawSqlite } from './contenders/rawSqlite.ts';
import { median, percentile, ratio, rounds } from './harness/measure.ts';
import type { Question } from './harness/question.ts';

const MANY = 256;
const SOME = 64;

/** Whether a commit shares its sync here, too, although `node:sqlite` does one thing at a time. */
export const sqliteCallers: Question = {
  id: 'i',
  title: 'A store in SQLite: one caller, and many (600 B of payload, a run each)',
  async ask({ folder, quick, progress }) {
    progress('callers of SQLite');
    const raw = rawSqlite(await folder('raw-sqlite'));
    await using store = await openStore(`sqlite:${join(await folder('sqlite'), 'data.db')}`);
    const latencies: number[] = [];
    const [many, some, one, theirs] = await rounds(
      [
        { contender: await appending(store, MANY), callers: MANY },
        {
          contender: await appending(store, SOME),
          callers: SOME,
          onLatency: (ms: number) => void latencies.push(ms),
        },
        { contender: await appending(store, 1), callers: 1 },
        { contender: raw, callers: 1 },
      ],
      quick ? { count: 3, ms: 300 } : { count: 9, ms: 1_000 },
    );
    await raw.close();
    return [
      {
        name: `${MANY} callers / ${raw.name}`,
        value: ratio(many, theirs),
        unit: '×',
        target: { is: '≥', value: 5 },
      },
      { name: `one caller / ${raw.name}`, value: ratio(one, theirs), unit: '×' },
      { name: `${MANY} callers`, value: median(many ?? []), unit: 'commits/s' },
      { name: 'one caller', value: median(one ?? []), unit: 'commits/s' },
      { name: raw.name, value: median(theirs ?? []), unit: 'inserts/s' },
      {
        name: `${SOME} callers: latency of a commit, p99`,
        value: percentile(latencies, 0.99),
        unit: 'ms',
        target: { is: '<', value: 50 },
        note: `median ${median(latencies).toFixed(1)} ms, ${Math.round(median(some ?? []))} commits/s`,
      },
    ];
  },
};
