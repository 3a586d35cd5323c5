import { openAt } from './contenders/holdfast.ts';
import { holdfastWorker, ndjsonWorker, sqliteWorker } from './contenders/workers.ts';
import type { Worker } from './contenders/workload.ts';
import { worldLocalWorker } from './contenders/worldLocal.ts';
import { median, ratio } from './harness/measure.ts';
import type { Question } from './harness/question.ts';
import { turns } from './harness/turns.ts';

const WORKLOAD = 'W: runs of 36 awaited writes (5 steps, 20 events of 300 B), one caller';

/** What a user of another store would notice first. */
export const peers: Question = {
  id: 'f',
  title: `Beside peers. ${WORKLOAD}`,
  async ask({ folder, quick, progress }) {
    const workers = [
      holdfastWorker(await openAt(await folder('holdfast'))),
      await worldLocalWorker(await folder('world-local')),
      ndjsonWorker(await folder('ndjson')),
      sqliteWorker(await folder('sqlite')),
    ];
    progress('peers');
    const rates = await turns(workers, quick ? { rounds: 3, runs: 2 } : { rounds: 9, runs: 15 });
    const synced = ({ syncs }: Worker): string => (syncs ? 'syncs each write' : 'never syncs');
    return [
      {
        name: 'Holdfast / @workflow/world-local',
        value: ratio(rates[0], rates[1]),
        unit: '×',
        target: { is: '≥', value: 3 },
      },
      {
        name: 'Holdfast / NDJSON file per run + fdatasync',
        value: ratio(rates[0], rates[2]),
        unit: '×',
      },
      ...workers.map((worker, index) => ({
        name: worker.name,
        value: median(rates[index] ?? []),
        unit: 'writes/s',
        note: synced(worker),
      })),
    ];
  },
};
