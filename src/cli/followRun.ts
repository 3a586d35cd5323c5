import type { Run, RunEvent, Store } from '../index.ts';

const PAGE = 100;

interface FollowOptions {
  /** Events with a greater `seq`. Default: 0. */
  readonly after?: number | undefined;
  /** Ends the following at once. */
  readonly signal: AbortSignal;
}

/** Gives the events that are there and those that come, until the run has ended: all of them. */
export async function followRun(
  store: Store,
  runId: string,
  { after, signal }: FollowOptions,
  print: (event: RunEvent) => Promise<void>,
): Promise<void> {
  let last = after ?? 0;
  const take = async (found: AsyncIterable<RunEvent>): Promise<void> => {
    for await (const event of found) {
      await print(event);
      last = event.seq;
    }
  };
  const runEnd = new AbortController();
  const either = AbortSignal.any([signal, runEnd.signal]);
  const watching = untilEnded(store, runId, either).finally(() => runEnd.abort());
  await take(store.events.tail(runId, { after, signal: either })).finally(() => runEnd.abort());
  await watching;
  // What was recorded just before the end may not have been given yet.
  if (!signal.aborted) await take(store.events.list(runId, { after: last, limit: PAGE }));
}

async function untilEnded(store: Store, runId: string, signal: AbortSignal): Promise<void> {
  const after = store.position();
  if (hasEnded(await store.runs.get(runId))) return;
  for await (const _commit of store.watch({ after, runId, signal })) {
    if (hasEnded(await store.runs.get(runId))) return;
  }
}

function hasEnded({ endedAt }: Run): boolean {
  return endedAt !== null;
}
