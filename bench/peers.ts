import { openAt } from './contenders/holdfast.ts';
import { holdfastWorker, ndjsonWorker, sqliteWorker } from './contenders/workers.ts';
import { WRITES, type Worker } from './contenders/workload.ts';
import { worldLocalWorker } from './contenders/worldLocal.ts';
import { median, ratio } from './harness/measure.ts';
import type { Question } from './harness/question.ts';

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
    const [rounds, runs] = quick ? [3, 2] : [9, 15];
    const rates: number[][] = workers.map(() => []);
    for (let round = 0; round < rounds; round += 1) {
      progress(`peers, round ${round + 1} of ${rounds}`);
      for (let turn = 0; turn < workers.length; turn += 1) {
        const index = (turn + round) % workers.length;
        const worker = workers[index];
        if (worker !== undefined) rates[index]?.push(await writesPerSecond(worker, round, runs));
      }
    }
    for (const worker of workers) await worker.close();
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

async function writesPerSecond(worker: Worker, round: number, runs: number): Promise<number> {
  const started = performance.now();
  for (let n = 0; n < runs; n += 1) await worker.run(round * runs + n);
  return (runs * WRITES * 1000) / (performance.now() - started);
}
