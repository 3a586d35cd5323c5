// Appends events to one run, as many as the second argument says, and measures on the way.
import { append, openAt } from '../contenders/holdfast.ts';
import { countingFileSystem } from '../harness/countingFileSystem.ts';
import { median, percentile, times } from '../harness/measure.ts';

export interface LongRun {
  /** Cost of an append to the long run over that to one of 1,000 events. */
  readonly costAlone: number;
  readonly costShared: number;
  readonly pageMedianMs: number;
  readonly pageP99Ms: number;
  readonly pageMaxMs: number;
  readonly bytesWritten: number;
  /** Under the same load on short runs, before the long one. */
  readonly rssEarlyBytes: number;
  readonly rssLateBytes: number;
  readonly rssPeakBytes: number;
  /** What is still in use after a collection. */
  readonly heapEarlyBytes: number;
  readonly heapLateBytes: number;
  readonly appendsPerSecond: number;
  readonly events: number;
}

const CALLERS = 256;
const SHORT = 1_000;
const [folder = '', wanted = ''] = process.argv.slice(2);
const count = Number(wanted);

const { fileSystem, counts } = countingFileSystem();
const store = await openAt(folder, { fileSystem });

async function appendMany(runId: string, events: number): Promise<void> {
  let next = 0;
  const call = async (): Promise<void> => {
    while (next < events) await append(store, runId, next++);
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
}

async function newRun(): Promise<string> {
  return (await store.runs.create({ workflow: 'long' })).id;
}

function heapInUse(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const rss: number[] = [];
const sampler = setInterval(() => rss.push(process.memoryUsage.rss()), 20);
// What the process needs under this load at all is not growth: short runs, with a fifth of the events,
// show it. By then the engine has also made its space for new objects as large as it ever does.
for (let done = 0; done < count / 5; done += SHORT) await appendMany(await newRun(), SHORT);
const rssEarlyBytes = percentile(rss.slice(-Math.ceil(rss.length / 5)), 0.95);
const heapEarlyBytes = heapInUse();
rss.length = 0;
const long = await newRun();
const started = performance.now();
const bytesBefore = counts.bytesWritten;
await appendMany(long, count);
const appendsPerSecond = (count / (performance.now() - started)) * 1000;
const rssLateBytes = percentile(rss.slice(-Math.ceil(rss.length / 10)), 0.95);
const rssPeakBytes = Math.max(...rss);
clearInterval(sampler);
const heapLateBytes = heapInUse();
const bytesWritten = counts.bytesWritten - bytesBefore;

async function costOf(appends: (runId: string) => Promise<unknown>): Promise<number> {
  const ratios: number[] = [];
  for (let round = 0; round < 12; round += 1) {
    const short = await newRun();
    await appendMany(short, SHORT);
    const order = round % 2 === 0 ? [long, short] : [short, long];
    const [first = 0, second = 0] = await times(2, (turn) => appends(order[turn] ?? ''));
    ratios.push(round % 2 === 0 ? first / second : second / first);
  }
  return median(ratios);
}

const costAlone = await costOf((runId) => times(300, (n) => append(store, runId, n)));
const costShared = await costOf((runId) => appendMany(runId, 10_000));

const step = Math.max(1, Math.floor(count / 331));
const pages = await times(300, async (n) => {
  // Anywhere in the run, in an order that helps no cache.
  const after = ((n * 127) % 331) * step;
  const { items } = await store.events.list(long, { after, limit: 100 });
  if (items[0]?.seq !== after + 1) throw new Error(`bench: wrong page after ${after}`);
});
const [last] = (await store.events.list(long, { after: count - 1, limit: 1 })).items;
await store.close();

const figures: LongRun = {
  costAlone,
  costShared,
  pageMedianMs: median(pages),
  pageP99Ms: percentile(pages, 0.99),
  pageMaxMs: Math.max(...pages),
  bytesWritten,
  rssEarlyBytes,
  rssLateBytes,
  rssPeakBytes,
  heapEarlyBytes,
  heapLateBytes,
  appendsPerSecond,
  events: last?.seq ?? 0,
};
console.log(JSON.stringify(figures));
