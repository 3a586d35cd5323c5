import { RUN_STATUSES } from '../../../src/index.ts';
import {
  bytesOf,
  call,
  type Call,
  expectSame,
  pagesOf,
  RUN_IDS,
  type StoreCalls,
} from './calls.ts';
import type { Trial } from './trial.ts';

/** Compares all that the store holds with the reference: every entity, payload and byte. */
export async function compareWhole(trial: Trial): Promise<void> {
  const { reference, store } = trial;
  for (const each of callsOnStore()) await trial.same(each, store, reference);
  const { items } = reference.runs.list({ limit: 1000 });
  for (const runId of new Set([...items.map(({ id }) => id), ...RUN_IDS])) {
    for (const each of callsOnRun(runId)) await trial.same(each, store, reference);
  }
  for (const { id: runId } of items) {
    for (const { id } of reference.steps.list(runId, { limit: 1000 }).items) {
      const get = call<StoreCalls>('steps.get', [runId, id], ({ steps }) => steps.get(runId, id));
      await trial.same(get, store, reference);
    }
    const all = reference.artifacts.list(runId, { limit: 1000, allVersions: true }).items;
    for (const { name, version } of all) {
      await trial.same(openCall(runId, name, version), store, reference);
    }
  }
  await compareFigures(trial);
}

function callsOnStore(): readonly Call<StoreCalls>[] {
  const list = (filter: object) =>
    call<StoreCalls>('all of runs.list', [filter], ({ runs }) =>
      pagesOf((cursor) => runs.list({ ...filter, cursor })),
    );
  return [list({ limit: 2 }), list({}), ...RUN_STATUSES.map((status) => list({ status }))];
}

function callsOnRun(runId: string): readonly Call<StoreCalls>[] {
  return [
    call('runs.get', [runId], ({ runs }) => runs.get(runId)),
    call('all of steps.list', [runId], ({ steps }) =>
      pagesOf((cursor) => steps.list(runId, { limit: 3, cursor })),
    ),
    call('steps.ready', [runId], ({ steps }) => steps.ready(runId)),
    call('all of events.list', [runId], ({ events }) =>
      pagesOf((cursor) => events.list(runId, { limit: 4, cursor })),
    ),
    call('all of artifacts.list', [runId], ({ artifacts }) =>
      pagesOf((cursor) =>
        artifacts.list(runId, { limit: 2, allVersions: true, deleted: true, cursor }),
      ),
    ),
    call('artifacts.list', [runId], ({ artifacts }) => pagesOf(() => artifacts.list(runId))),
  ];
}

function openCall(runId: string, name: string, version: number): Call<StoreCalls> {
  return call('artifacts.open', [runId, name, { version }], ({ artifacts }) =>
    bytesOf(artifacts.open(runId, name, { version })),
  );
}

/** Counts, and whether the store finds anything wrong with itself. */
async function compareFigures(trial: Trial): Promise<void> {
  const { reference, store } = trial;
  const runs = reference.runs.list({ limit: 1000 }).items;
  const counted = RUN_STATUSES.map((status) => {
    return [status, runs.filter((run) => run.status === status).length];
  });
  const stats = await store.stats();
  expectSame('stats().runs', stats.runs, Object.fromEntries(counted));
  expectSame('stats().writes.commits', await trial.commitsWritten(), trial.commitsSinceOpened);
  const options = { limit: 1000, allVersions: true };
  const artifacts = runs.flatMap(({ id }) => reference.artifacts.list(id, options).items);
  const expected = {
    findings: [],
    runs: runs.length,
    events: runs.flatMap(({ id }) => reference.events.list(id, { limit: 1000 }).items).length,
    blobs: new Set(artifacts.map(({ digest }) => digest)).size,
  };
  const { findings, events, blobs, ...report } = await store.verify();
  expectSame('verify()', { findings, runs: report.runs, events, blobs }, expected);
}
