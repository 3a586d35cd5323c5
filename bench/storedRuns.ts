import { openAt } from './contenders/holdfast.ts';
import { holdfastWorker } from './contenders/workers.ts';
import { WRITES } from './contenders/workload.ts';
import { countingFileSystem } from './harness/countingFileSystem.ts';
import { median, percentile, times } from './harness/measure.ts';
import type { Context, Figure, Question } from './harness/question.ts';

const FEW = 100;

/** Whether a store that has grown old is as fast as a young one. */
export const storedRuns: Question = {
  id: 'c',
  title: 'A store that has grown',
  async ask(context) {
    const many = context.sizes.runs;
    return [
      ...(await writing(context, many)),
      ...(await reading(context, FEW)),
      ...(await reading(context, many)),
    ];
  },
};

async function writing(context: Context, many: number): Promise<readonly Figure[]> {
  const places = [await context.filledStore(FEW), await context.filledStore(many)] as const;
  context.progress(`writing beside ${many} stored runs`);
  await using young = await openAt(places[0]);
  await using old = await openAt(places[1]);
  const [few, grown] = [holdfastWorker(young), holdfastWorker(old)];
  const costs: number[] = [];
  let oldMs = Number.NaN;
  for (let round = 0; round < (context.quick ? 4 : 40); round += 1) {
    // Every other round the old one goes first.
    const order = round % 2 === 0 ? [few, grown] : [grown, few];
    const [first = 0, second = 0] = await times(2, async (turn) => {
      for (let n = 0; n < 5; n += 1) await order[turn]?.run(n);
    });
    costs.push(round % 2 === 0 ? second / first : first / second);
    oldMs = round % 2 === 0 ? second : first;
  }
  return [
    {
      name: `a write beside ${many.toLocaleString('en')} stored runs / beside ${FEW}`,
      value: median(costs),
      unit: '× the cost',
      target: { is: '≤', value: 1.2 },
      note: `${Math.round((5 * WRITES * 1000) / oldMs)} writes/s, one caller`,
    },
  ];
}

async function reading(context: Context, runs: number): Promise<readonly Figure[]> {
  const place = await context.filledStore(runs);
  const at = `at ${runs.toLocaleString('en')} runs`;
  context.progress(`reading ${at}`);
  const { fileSystem, counts } = countingFileSystem();
  await using store = await openAt(place, { fileSystem });
  const newest = async (): Promise<unknown> => store.runs.list({ limit: 20 });
  await newest();
  const before = counts.reads;
  const listing = await times(100, newest);
  const readsOfLists = counts.reads - before;
  return [
    {
      name: `the newest 20 ${at}`,
      value: median(listing),
      unit: 'ms',
      target: { is: '<', value: 2 },
      note: `p99 ${percentile(listing, 0.99).toFixed(2)} ms`,
    },
    {
      name: `reads of files for them ${at}`,
      value: readsOfLists / listing.length,
      unit: 'reads',
      target: { is: '=', value: 0 },
    },
    await stepById(store, counts, at),
  ];
}

async function stepById(
  store: Awaited<ReturnType<typeof openAt>>,
  counts: { readonly reads: number; readonly opens: number },
  at: string,
): Promise<Figure> {
  // Each of another run, none of which this process has touched: nothing is in memory.
  const { items } = await store.runs.list({ limit: 100, workflow: 'stored' });
  const [reads, opens] = [counts.reads, counts.opens];
  const taken = await times(items.length, (n) => store.steps.get(items[n]?.id ?? '', 'only'));
  const opened = (counts.opens - opens) / items.length;
  return {
    name: `reads of files for a step by id ${at}`,
    value: (counts.reads - reads) / items.length,
    unit: 'reads',
    target: { is: '≤', value: 1 },
    note: `${opened.toFixed(1)} opens; median ${median(taken).toFixed(2)} ms`,
  };
}
