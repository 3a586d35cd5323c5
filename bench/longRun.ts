import { ownProcess } from './harness/ownProcess.ts';
import { PAYLOAD_BYTES } from './harness/payload.ts';
import type { Question } from './harness/question.ts';
import type { LongRun } from './processes/longRun.ts';

const MIB = 1024 ** 2;
const mib = (bytes: number): string => (bytes / MIB).toFixed(0);

export const longRun: Question = {
  id: 'd',
  title: 'One run with very many events (600 B of payload), in a process of its own',
  async ask({ folder, sizes, progress }) {
    const { events } = sizes;
    progress(`one run with ${events} events`);
    const found = await ownProcess<LongRun>('longRun', [await folder('long'), String(events)]);
    if (found.events !== events) throw new Error(`bench: ${found.events} of ${events} events`);
    const at = `at ${events.toLocaleString('en')} events / at 1,000`;
    return [
      {
        name: `an append ${at}, 256 callers`,
        value: found.costShared,
        unit: '× the cost',
        target: { is: '≤', value: 1.2 },
        note: `${Math.round(found.appendsPerSecond)} appends/s on the way`,
      },
      {
        name: `an append ${at}, one caller`,
        value: found.costAlone,
        unit: '× the cost',
        target: { is: '≤', value: 1.2 },
      },
      {
        name: 'a page of 100 anywhere, p99',
        value: found.pageP99Ms,
        unit: 'ms',
        target: { is: '<', value: 5 },
        note: `median ${found.pageMedianMs.toFixed(2)}, worst ${found.pageMaxMs.toFixed(1)} ms`,
      },
      {
        name: 'bytes written / bytes of payload',
        value: found.bytesWritten / (events * PAYLOAD_BYTES),
        unit: '×',
        target: { is: '≤', value: 6 },
      },
      {
        name: 'growth of memory (RSS) over that under the same load on short runs',
        value: (found.rssLateBytes - found.rssEarlyBytes) / MIB,
        unit: 'MiB',
        target: { is: '<', value: 64 },
        note:
          `${mib(found.rssEarlyBytes)} under short runs, ${mib(found.rssPeakBytes)} at most; ` +
          `in use after a collection ${mib(found.heapEarlyBytes)}, then ${mib(found.heapLateBytes)}`,
      },
    ];
  },
};
