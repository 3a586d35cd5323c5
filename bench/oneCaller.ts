import { appendAndSync, preallocatedDsync } from './contenders/rawAppend.ts';
import { appending, openAt } from './contenders/holdfast.ts';
import { rawSqlite } from './contenders/rawSqlite.ts';
import { median, ratio, rounds } from './harness/measure.ts';
import type { Question } from './harness/question.ts';

/** The worst case of group commit: nobody to share a sync with. */
export const oneCaller: Question = {
  id: 'a',
  title: 'One caller, each write awaited (600 B of payload)',
  async ask({ folder, quick, progress }) {
    progress('one caller');
    const [sqlite, append, dsync] = [
      rawSqlite(await folder('sqlite')),
      await appendAndSync(await folder('append')),
      await preallocatedDsync(await folder('dsync')),
    ];
    await using store = await openAt(await folder('holdfast'));
    const contenders = [await appending(store, 1), sqlite, append, dsync];
    const entries = contenders.map((contender) => ({ contender, callers: 1 }));
    const options = quick ? { count: 3, ms: 100 } : { count: 9, ms: 500 };
    const [ours, theirs, ...raw] = await rounds(entries, options);
    for (const peer of [sqlite, append, dsync]) await peer.close();
    const rate = (values: readonly number[] = []): number => median(values);
    return [
      {
        name: 'Holdfast / raw SQLite FULL',
        value: ratio(ours, theirs),
        unit: '×',
        target: { is: '≥', value: 0.75 },
      },
      { name: 'Holdfast', value: rate(ours), unit: 'writes/s' },
      { name: sqlite.name, value: rate(theirs), unit: 'writes/s' },
      { name: append.name, value: rate(raw[0]), unit: 'writes/s' },
      { name: dsync.name, value: rate(raw[1]), unit: 'writes/s' },
    ];
  },
};
