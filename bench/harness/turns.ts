import { WRITES, type Worker } from '../contenders/workload.ts';

/** Writes a second of each worker, round by round, in an order that rotates. Closes them. */
export async function turns(
  workers: readonly Worker[],
  { rounds, runs }: { readonly rounds: number; readonly runs: number },
): Promise<readonly (readonly number[])[]> {
  const rates: number[][] = workers.map(() => []);
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (let turn = 0; turn < workers.length; turn += 1) {
        const index = (turn + round) % workers.length;
        const worker = workers[index];
        if (worker !== undefined) rates[index]?.push(await writesPerSecond(worker, round, runs));
      }
    }
    return rates;
  } finally {
    for (const worker of workers) await worker.close();
  }
}

async function writesPerSecond(worker: Worker, round: number, runs: number): Promise<number> {
  const started = performance.now();
  for (let n = 0; n < runs; n += 1) await worker.run(round * runs + n);
  return (runs * WRITES * 1000) / (performance.now() - started);
}
