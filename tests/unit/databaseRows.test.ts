import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Commit, Database, Store, StoreError } from '../../src/index.ts';
import * as tables from '../../src/lib/store/DatabaseStore/rows.ts';
import { faultOfChanges } from '../../src/lib/store/DatabaseStore/shapes.ts';
import { collect } from '../fixtures/collect.ts';
import { Databases } from '../fixtures/databases.ts';
import { DIALECTS } from './dbWorld.ts';

const NOW = '2026-01-02T00:00:00.000Z';
const RUN = { id: 'a', version: 1, workflow: 'w', createdAt: NOW, updatedAt: NOW };
const STEP = { id: 's', version: 1, name: 's', createdAt: NOW, updatedAt: NOW };
const EVENT = { seq: 1, type: 'e', recordedAt: NOW };
const ARTIFACT = { id: 'i', name: 'n', version: 1, digest: 'd', createdAt: NOW, updatedAt: NOW };

const { parseRow } = tables;

type Case = readonly [row: unknown, fault: RegExp];

const RUNS: readonly Case[] = [
  [[], /it is no object/],
  [null, /it is no object/],
  ['text', /it is no object/],
  [{}, /id is missing/],
  [{ ...RUN, workflow: 7 }, /workflow is not a text/],
  [{ ...RUN, status: 'done' }, /status is not one of queued, running/],
  [{ ...RUN, version: 0 }, /version is not a whole number above 0/],
  [{ ...RUN, version: '1' }, /version is not a whole number above 0/],
  [{ ...RUN, createdAt: 'then' }, /createdAt is not a time/],
  [{ ...RUN, endedAt: 0 }, /endedAt is not a time or null/],
  [{ ...RUN, tags: { a: 1 } }, /tags is not an object of texts/],
  [{ ...RUN, tags: ['a'] }, /tags is not an object of texts/],
  [{ ...RUN, metrics: { a: '1' } }, /metrics is not an object of numbers/],
  [{ ...RUN, metadata: [] }, /metadata is not an object/],
  [{ ...RUN, error: { name: 'E' } }, /error is not an error or null: message is missing/],
  [{ ...RUN, attempts: [{ attempt: 1 }] }, /attempts is not a list of attempts/],
  [{ ...RUN, id: 'b' }, /id is that of another run/],
];

const STEPS: readonly Case[] = [
  [[], /it is no object/],
  [{ ...STEP, name: 7 }, /row a s of holdfast_steps is damaged: name is not a text/],
  [{ ...STEP, dependsOn: 's' }, /dependsOn is not a list of texts/],
  [{ ...STEP, dependsOn: [1] }, /dependsOn is not a list of texts/],
  [{ ...STEP, progress: '1' }, /progress is not a number or null/],
  [{ ...STEP, onDependencyFailure: 'stop' }, /onDependencyFailure is not one of skip, wait/],
];

const EVENTS: readonly Case[] = [
  [[], /it is no object/],
  [{ seq: 1, recordedAt: NOW }, /row a 1 of holdfast_events is damaged: type is missing/],
  [{ ...EVENT, seq: 'one' }, /seq is not a whole number above 0/],
  [{ ...EVENT, recordedAt: 5 }, /recordedAt is not a time/],
  [{ ...EVENT, stepId: {} }, /stepId is not a text or null/],
];

const ARTIFACTS: readonly Case[] = [
  [[], /it is no object/],
  [
    { ...ARTIFACT, digest: null },
    /row a n 1 of holdfast_artifacts is damaged: digest is not a text/,
  ],
  [{ ...ARTIFACT, size: '1' }, /size is not a number/],
  [{ ...ARTIFACT, parents: [{}] }, /parents is not a list of versions of artifacts/],
];

const runId = 'a';
const CHANGES: readonly Case[] = [
  [{}, /it is no list of changes/],
  ['text', /it is no list of changes/],
  [[7], /change 1: it is no object/],
  [[{}], /change 1: type is missing/],
  [[{ type: 'run.deleted', runId, version: 1 }, { type: 5 }], /change 2: type is not a text/],
  [[{ type: 'run.deleted', version: 1 }], /runId is missing/],
  [[{ type: 'run.created', runId, run: [] }], /run is not a run: it is no object/],
  [[{ type: 'run.created', runId, run: { ...RUN, id: 1 } }], /run is not a run: id is not a text/],
  [[{ type: 'step.updated', runId, stepId: 's', version: 2, set: 1 }], /set is not fields of it/],
  [
    [{ type: 'run.updated', runId, version: 2, set: { tags: 1 } }],
    /tags is not an object of texts/,
  ],
  [[{ type: 'event.appended', runId, seq: '1' }], /seq is not a whole number above 0/],
  [[{ type: 'run.metered', runId, metrics: [] }], /metrics is not an object of numbers/],
];

const TABLES: readonly (readonly [Parameters<typeof tables.parseRow>[2], readonly Case[]])[] = [
  [tables.RUNS, RUNS],
  [tables.STEPS, STEPS],
  [tables.EVENTS, EVENTS],
  [tables.ARTIFACTS, ARTIFACTS],
];

describe.each(TABLES)('a row of $name', (table, cases) => {
  test.each(cases)('is refused where it is %j', (row, fault) => {
    const { code, id, message } = refusalOf(() => parseRow(JSON.stringify(row), 'a', table));
    expect({ code, id }).toEqual({ code: 'DATA_CORRUPT', id: 'a' });
    expect(message).toContain(`of ${table.name} is damaged: `);
    expect(message).toMatch(fault);
  });
});

test.each(CHANGES)('changes of a commit are refused where they are %j', (changes, fault) => {
  expect(faultOfChanges(changes)).toMatch(fault);
});

function refusalOf(work: () => unknown): StoreError {
  try {
    work();
  } catch (error) {
    return error as StoreError;
  }
  throw new Error('it was not refused');
}

describe.each(DIALECTS)('in %s a row of JSON that is none of a store', (dialect) => {
  const databases = new Databases(dialect);
  let db: Database;
  let store: Store;
  /** Opened anew: it has nothing in memory. */
  let fresh: Store;
  let start: string;

  beforeEach(async () => {
    store = await databases.open();
    start = store.position();
    for (const id of ['a', 'b']) {
      await store.runs.create({ id, workflow: 'w' });
      await store.steps.create(id, { id: 's', name: 's' });
      await store.events.append(id, { type: 'e', idempotencyKey: 'k' });
      await store.artifacts.put(id, { name: 'n', body: 'b' });
    }
    fresh = await databases.open();
    db = await databases.connect();
  });

  const damage = (table: string, row: unknown) => {
    const column = table === 'holdfast_runs' ? 'id' : 'run_id';
    return db.query(`UPDATE ${table} SET data = $1 WHERE ${column} = 'a'`, [JSON.stringify(row)]);
  };

  /** `ask` is told so, nobody else is, verify names it, and the run can be deleted. */
  async function expectIsolated(
    ask: (id: string) => Promise<unknown>,
    fault: RegExp,
  ): Promise<void> {
    const message = expect.stringMatching(fault);
    await expect(ask('a')).rejects.toMatchObject({ code: 'DATA_CORRUPT', id: 'a', message });
    await ask('b');
    const both = await Promise.allSettled(['a', 'b'].map(ask));
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect((await fresh.verify()).findings).toContainEqual({
      code: 'DATA_CORRUPT',
      file: 'a',
      message,
    });
    await fresh.runs.delete('a');
    expect((await fresh.runs.list()).items.map(({ id }) => id)).toEqual(['b']);
  }

  test('is damage of its run alone: that of a run [ST-1]', async () => {
    await damage('holdfast_runs', []);
    const damaged = { code: 'DATA_CORRUPT', id: 'a' };
    await expect(fresh.runs.list()).rejects.toMatchObject(damaged);
    await expect(fresh.runs.get('a')).rejects.toMatchObject(damaged);
    const update = (id: string) => fresh.runs.update(id, { priority: 1 });
    await expectIsolated(update, /^row a of holdfast_runs is damaged: it is no object$/);
  });

  test('is damage of its run alone: that of a step [ST-1]', async () => {
    await damage('holdfast_steps', { ...STEP, dependsOn: 's' });
    await expectIsolated(
      (id) => fresh.steps.get(id, 's'),
      /^row a s of holdfast_steps is damaged: dep/,
    );
  });

  test('is damage of its run alone: that of an artifact [ST-1]', async () => {
    await damage('holdfast_artifacts', { ...ARTIFACT, aliases: 'latest' });
    const fault = /^row a n 1 of holdfast_artifacts is damaged: aliases is not a list of texts$/;
    await expectIsolated((id) => fresh.artifacts.get(id, 'n'), fault);
  });

  test('is damage of its run alone: that of an event [ST-1]', async () => {
    await damage('holdfast_events', { seq: 1, recordedAt: NOW });
    const again = (id: string) => fresh.events.append(id, { type: 'e', idempotencyKey: 'k' });
    await expect(again('a')).rejects.toMatchObject({ code: 'DATA_CORRUPT', id: 'a' });
    const list = async (id: string) => (await fresh.events.list(id)).items;
    await expectIsolated(list, /^row a 1 of holdfast_events is damaged: type is missing$/);
  });

  test('goes with its run, and what comes after that in the same batch is done [ST-1]', async () => {
    await damage('holdfast_steps', []);
    const append = () => fresh.events.append('a', { type: 'e' });
    const [early, , created, late] = await Promise.allSettled([
      append(),
      fresh.runs.delete('a'),
      fresh.runs.create({ id: 'a', workflow: 'new' }),
      append(),
    ]);
    expect(early).toMatchObject({ status: 'rejected', reason: { code: 'DATA_CORRUPT', id: 'a' } });
    expect(created).toMatchObject({ status: 'fulfilled', value: { workflow: 'new' } });
    expect(late).toMatchObject({ status: 'fulfilled', value: { seq: 1 } });
    expect((await fresh.verify()).findings).toEqual([]);
  });

  test('stays where its deletion is refused, and so does what is refused for it [ST-1]', async () => {
    await damage('holdfast_steps', []);
    const [deletion, append] = await Promise.allSettled([
      fresh.runs.delete('a', { ifVersion: 99 }),
      fresh.events.append('a', { type: 'e' }),
    ]);
    expect(deletion).toMatchObject({ reason: { code: 'VERSION_CONFLICT' } });
    expect(append).toMatchObject({ reason: { code: 'DATA_CORRUPT', id: 'a' } });
  });

  test('is damage of its commit, and those before it are watched [ST-1]', async () => {
    await db.query("UPDATE holdfast_changes SET data = '{}' WHERE position IN (3, 5)");
    const damaged = (position: number) => ({
      code: 'DATA_CORRUPT',
      message: `row ${position} of holdfast_changes is damaged: it is no list of changes`,
    });
    const seen: Commit[] = [];
    const watching = (async () => {
      for await (const commit of fresh.watch({ after: start })) seen.push(commit);
    })();
    await expect(watching).rejects.toMatchObject(damaged(3));
    expect(seen).toHaveLength(2);
    const found = [3, 5].map((position) => ({ file: 'holdfast_changes', ...damaged(position) }));
    expect((await fresh.verify()).findings).toEqual(found);
  });

  test('does not stop the log before an event that cannot be read [ST-1]', async () => {
    await damage('holdfast_events', []);
    const seen: Commit[] = [];
    const watching = (async () => {
      for await (const commit of fresh.watch({ after: start })) seen.push(commit);
    })();
    await expect(watching).rejects.toMatchObject({ code: 'DATA_CORRUPT', id: 'a' });
    expect(seen).toHaveLength(2);
  });

  test('is told from what a newer version has added', async () => {
    await damage('holdfast_steps', { ...STEP, colour: 'red' });
    expect(await fresh.steps.get('a', 's')).toMatchObject({ colour: 'red' });
    expect((await fresh.verify()).findings).toEqual([]);
    expect(await collect(fresh.events.list('a'))).toHaveLength(1);
  });
});
