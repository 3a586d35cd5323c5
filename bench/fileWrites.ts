import { join } from 'node:path';
import { FileOperationService } from '../src/lib/store/FileSystemStore/FileOperationService.ts';
import { blockingFileWrite, rawFileWrite } from './contenders/rawFileWrite.ts';
import { type Contender, median, percentile, ratio, times } from './harness/measure.ts';
import type { Question } from './harness/question.ts';

const BYTES = 4 * 1024;
/** Writes of one round: few enough that the disk is the same for all contenders. */
const ROUND = 40;

/** What a file costs that is there whole or not at all, beside what the disk costs anyhow. */
export const fileWrites: Question = {
  id: 'k',
  title: 'Small files written atomically (4 KiB, durable), one caller',
  async ask({ folder, quick, progress }) {
    progress('small files');
    const data = Buffer.alloc(BYTES, 'x');
    const ours = await atomicWrites(await folder('atomic'), data);
    const raw = rawFileWrite(await folder('raw'), data);
    const blocking = blockingFileWrite(await folder('blocking'), data);
    const [atomic = [], calls = [], inOneThread = []] = await alternately(
      [ours, raw, blocking],
      quick ? 2 * ROUND : 25 * ROUND,
    );
    return [
      {
        name: 'an atomic file write / the raw sequence of its system calls',
        value: ratio(medians(atomic), medians(calls)),
        unit: '× the time',
        target: { is: '≤', value: 1.2 },
      },
      {
        name: ours.name,
        value: median(atomic),
        unit: 'ms',
        note: `p99 ${percentile(atomic, 0.99).toFixed(1)} ms [PF-1]`,
      },
      { name: raw.name, value: median(calls), unit: 'ms' },
      { name: blocking.name, value: median(inOneThread), unit: 'ms' },
    ];
  },
};

async function atomicWrites(folder: string, data: Uint8Array): Promise<Contender> {
  const files = new FileOperationService();
  await files.ensureFolder(folder);
  return {
    name: 'files.writeAtomic',
    write: (n) => files.writeAtomic(join(folder, `file-${n % 100}`), data),
    close: () => {},
  };
}

function medians(values: readonly number[]): readonly number[] {
  const count = values.length / ROUND;
  return Array.from({ length: count }, (_, n) => median(values.slice(n * ROUND, (n + 1) * ROUND)));
}

/**
 * Milliseconds of each write of each contender. They take turns write by write: what a disk needs for a
 * sync changes from one second to the next by more than what is asked here.
 */
async function alternately(
  contenders: readonly Contender[],
  count: number,
): Promise<readonly (readonly number[])[]> {
  const taken: number[][] = contenders.map(() => []);
  for (let n = 0; n < count; n += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      const index = (n + turn) % contenders.length;
      const [ms = 0] = await times(1, async () => contenders[index]?.write(n));
      taken[index]?.push(ms);
    }
  }
  return taken;
}
