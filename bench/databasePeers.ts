import { openStore } from '../src/index.ts';
import { holdfastWorker } from './contenders/workers.ts';
import { worldPostgresWorker } from './contenders/worldPostgres.ts';
import { median, ratio } from './harness/measure.ts';
import type { Question } from './harness/question.ts';
import { turns } from './harness/turns.ts';

/** What a user of another store in PostgreSQL would notice first. */
export const databasePeers: Question = {
  id: 'h',
  title: 'PostgreSQL beside a peer. W, one caller',
  async ask({ database, quick, progress }) {
    progress('peers on PostgreSQL');
    const workers = [
      holdfastWorker(await openStore(await database(), { migrate: 'auto' })),
      await worldPostgresWorker(await database()),
    ];
    const rates = await turns(workers, quick ? { rounds: 3, runs: 2 } : { rounds: 9, runs: 10 });
    return [
      {
        name: 'Holdfast / @workflow/world-postgres',
        value: ratio(rates[0], rates[1]),
        unit: '×',
        target: { is: '≥', value: 2 },
      },
      ...workers.map(({ name }, index) => ({
        name,
        value: median(rates[index] ?? []),
        unit: 'writes/s',
        note: 'syncs each write',
      })),
    ];
  },
};
