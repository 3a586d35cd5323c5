import { copyFile, mkdtemp, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RUN_STATUSES, type RunRow } from '../../src/lib/model/entities.ts';
import { EMPTY_RUN } from '../../src/lib/model/represent.ts';
import type { RunFilter } from '../../src/lib/store/contract.ts';
import { indexError } from '../../src/lib/store/index/indexError.ts';
import { listRuns } from '../../src/lib/store/index/listRuns.ts';
import { type IndexedRun, IndexUnusable, RunIndex } from '../../src/lib/store/index/RunIndex.ts';

const identity = { storeId: 'store-1', timeline: 1 };
const start = Date.UTC(2026, 0, 1);
const time = (n: number): Date => new Date(start + n * 1_000);

let root: string;
let path: string;
let index: RunIndex;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-index-'));
  path = join(root, 'index.db');
  index = RunIndex.open(path, identity);
});
afterEach(async () => {
  index.close();
  await rm(root, { recursive: true, force: true });
});

function runOf(n: number, fields: Partial<RunRow> = {}): IndexedRun {
  const at = time(n).toISOString();
  const row = { ...EMPTY_RUN, id: `run-${n}`, version: 1, workflow: 'w', createdAt: at };
  const part = { part: 1, position: n, bytes: 9, rowsBytes: 5, firstSeq: 1, lastSeq: 2, keyed: 0 };
  const parts = [part, { ...part, part: 2, firstSeq: 0 }];
  return { row: { ...row, updatedAt: at, ...fields }, createdPosition: n, position: n, parts };
}

function put(...runs: readonly IndexedRun[]): void {
  for (const run of runs) index.put(run);
  index.flush(Infinity);
}

const ids = (filter?: RunFilter): string[] => index.list(filter).items.map(({ id }) => id);

/** What a run's place in lists, counts and tags is made of, chosen by its number. */
const mixed = (n: number): IndexedRun =>
  runOf(n, {
    status: RUN_STATUSES[n % 5] ?? 'queued',
    workflow: `w${n % 3}`,
    project: n % 2 === 0 ? `p${n % 4}` : null,
    parentRunId: n % 5 === 0 ? 'parent' : null,
    parentStepId: n % 5 === 0 ? `step${n % 2}` : null,
    tags: { team: `t${n % 3}`, ...(n % 4 === 0 && { env: "it's; DROP TABLE runs --" }) },
    endedAt: n % 5 > 2 ? time(n + 10).toISOString() : null,
  });

describe('an indexed run', () => {
  test('is seen at once by id, and comes back as it was after the flush', () => {
    const run = runOf(1, {
      status: 'failed',
      input: '{"b":1,"a":"\\u0000é"}',
      error: { name: 'Error', message: 'no' },
      tags: { a: '1' },
      endedAt: time(5).toISOString(),
    });
    index.put(run);
    expect(index.get('run-1')).toBe(run);
    expect(index.pendingCount).toBe(1);
    expect(index.flush(10)).toBe(true);
    expect(index.pendingCount).toBe(0);
    expect(index.get('run-1')).toEqual(run);
    expect(index.get('run-2')).toBeUndefined();
  });

  test('is replaced as a whole: status, tags, counts and parts follow [RM-1]', () => {
    put(runOf(1, { tags: { a: '1', b: '2' } }), runOf(2, { tags: { a: '1' } }));
    const ended = { status: 'failed', endedAt: time(9).toISOString() } as const;
    put({ ...runOf(1, { ...ended, tags: { b: '2', c: '3' } }), position: 7, parts: [] });
    expect(index.get('run-1')).toMatchObject({ position: 7, parts: [], row: ended });
    expect(ids({ tags: { a: '1' } })).toEqual(['run-2']);
    expect(ids({ tags: { c: '3', b: '2' } })).toEqual(['run-1']);
    expect(ids({ status: 'failed' })).toEqual(['run-1']);
    expect(ids({ endedAfter: time(9) })).toEqual(['run-1']);
    expect(index.counts()).toMatchObject({ queued: 1, failed: 1, running: 0 });
    put({ ...runOf(1, { ...ended, version: 9, tags: { b: '2', c: '3' } }), position: 8 });
    expect(index.get('run-1')).toMatchObject({ position: 8, row: { version: 9 } });
    expect(index.counts()).toMatchObject({ queued: 1, failed: 1 });
  });

  test('leaves nothing when it is deleted, and may be created again under its id', () => {
    put(runOf(1, { tags: { a: '1' } }));
    index.putEventKey('run-1', 'k', 3);
    index.flush(10);
    index.delete('run-1');
    expect([index.get('run-1'), index.eventSeq('run-1', 'k')]).toEqual([undefined, undefined]);
    const again = { ...runOf(5, { id: 'run-1', workflow: 'other' }), createdPosition: 50 };
    index.put(again);
    index.putEventKey('run-1', 'new', 1);
    index.flush(10);
    expect(index.get('run-1')).toEqual(again);
    expect([index.eventSeq('run-1', 'k'), index.eventSeq('run-1', 'new')]).toEqual([undefined, 1]);
    expect([ids({ tags: { a: '1' } }), ids({ workflow: 'w' })]).toEqual([[], []]);
    put({ ...again, createdPosition: 60 });
    expect(index.counts().queued).toBe(1);
    index.delete('run-1');
    index.delete('never');
    index.flush(10);
    expect([ids(), index.counts().queued]).toEqual([[], 0]);
  });

  test('keeps the keys of its events, pending or flushed', () => {
    index.put(runOf(1));
    index.putEventKey('run-1', 'a', 1);
    expect(index.eventSeq('run-1', 'a')).toBe(1);
    index.flush(10);
    index.putEventKey('run-1', 'a', 2);
    index.putEventKey('run-2', 'a', 7);
    expect([index.eventSeq('run-1', 'a'), index.eventSeq('run-2', 'a')]).toEqual([2, 7]);
    index.flush(10);
    expect([index.eventSeq('run-1', 'a'), index.eventSeq('run-1', 'b')]).toEqual([2, undefined]);
  });

  test('is met by each(), whatever is written meanwhile', () => {
    put(...Array.from({ length: 1_200 }, (_, n) => runOf(n)));
    const seen: string[] = [];
    for (const { row } of index.each()) {
      seen.push(row.id);
      if (seen.length === 100) put(runOf(3, { status: 'running' }));
    }
    expect(new Set(seen).size).toBe(1_200);
  });
});

describe('a flush', () => {
  test('writes no more rows than it is told, oldest first, and the stamp with the last', () => {
    for (let n = 1; n <= 5; n++) index.put(runOf(n));
    index.stamp(4, 1);
    index.stamp(5, 2);
    expect(index.flush(2)).toBe(false);
    expect([ids(), index.position, index.pendingCount]).toEqual([['run-2', 'run-1'], 0, 3]);
    expect(index.flush(2)).toBe(false);
    expect(index.flush(2)).toBe(true);
    expect([index.position, index.checkpoint]).toEqual([5, 2]);
    index.stamp(6);
    expect(index.flush(2)).toBe(true);
    expect([index.position, index.checkpoint]).toEqual([6, 2]);
  });

  test('states a position as soon as what was pending then is written, not later', () => {
    index.put(runOf(1));
    index.stamp(1);
    index.put(runOf(2));
    index.put(runOf(3));
    index.stamp(3);
    index.put(runOf(4));
    index.flush(1);
    expect(index.position).toBe(1);
    index.flush(1);
    expect(index.position).toBe(1);
    index.flush(1);
    expect([index.position, index.pendingCount]).toEqual([3, 1]);
  });

  test('coalesces what came for one run', () => {
    for (let n = 1; n <= 100; n++) index.put(runOf(1, { version: n }));
    expect(index.pendingCount).toBe(1);
    index.flush(1);
    expect(index.get('run-1')?.row.version).toBe(100);
  });

  test('splits the many keys of one run, and loses none', () => {
    index.delete('run-1');
    index.put(runOf(1));
    for (let seq = 1; seq <= 25; seq++) index.putEventKey('run-1', `k${seq}`, seq);
    index.stamp(9);
    let flushes = 1;
    while (!index.flush(10)) {
      flushes++;
      expect(index.position).toBe(0);
      expect(index.get('run-1')?.row.id).toBe('run-1');
    }
    expect([flushes, index.position]).toEqual([3, 9]);
    for (let seq = 1; seq <= 25; seq++) expect(index.eventSeq('run-1', `k${seq}`)).toBe(seq);
  });

  test('that fails writes nothing and forgets nothing', () => {
    put(runOf(1));
    index.stamp(1);
    index.flush(1);
    index.put(runOf(2));
    index.put(runOf(3, { workflow: undefined as unknown as string }));
    index.stamp(3);
    const failing = () => index.flush(10);
    expect(failing).toThrow(expect.objectContaining({ code: 'STORAGE_FAILED' }));
    expect([ids(), index.position, index.pendingCount]).toEqual([['run-1'], 1, 2]);
    index.put(runOf(3));
    expect(index.flush(10)).toBe(true);
    expect([ids(), index.position]).toEqual([['run-3', 'run-2', 'run-1'], 3]);
  });
});

describe('a list', () => {
  const matches = ({ row }: IndexedRun, f: RunFilter): boolean =>
    (f.status === undefined || [f.status].flat().includes(row.status)) &&
    (f.workflow === undefined || row.workflow === f.workflow) &&
    (f.project === undefined || row.project === f.project) &&
    (f.parentRunId === undefined || row.parentRunId === f.parentRunId) &&
    (f.parentStepId === undefined || row.parentStepId === f.parentStepId) &&
    Object.entries(f.tags ?? {}).every(([key, value]) => row.tags[key] === value) &&
    (f.createdAfter === undefined || new Date(row.createdAt) >= f.createdAfter) &&
    (f.createdBefore === undefined || new Date(row.createdAt) < f.createdBefore) &&
    (f.endedAfter === undefined ||
      (row.endedAt !== null && new Date(row.endedAt) >= f.endedAfter)) &&
    (f.endedBefore === undefined ||
      (row.endedAt !== null && new Date(row.endedAt) < f.endedBefore));

  test('has what any filter asks for, newest first, page after page [RM-1]', () => {
    const runs = Array.from({ length: 150 }, (_, n) => mixed(n));
    put(...runs);
    const moment = fc.integer({ min: -5, max: 170 }).map(time);
    const env = "it's; DROP TABLE runs --";
    const filters = fc.record(
      {
        status: fc.oneof(
          fc.constantFrom(...RUN_STATUSES),
          fc.array(fc.constantFrom(...RUN_STATUSES), { minLength: 1, maxLength: 8 }),
        ),
        workflow: fc.constantFrom('w0', 'w1', 'other'),
        project: fc.constantFrom('p0', 'p2'),
        parentRunId: fc.constantFrom('parent', 'other'),
        parentStepId: fc.constantFrom('step0', 'step1'),
        tags: fc.constantFrom({}, { team: 't1' }, { team: 't0', env }, { env }, { env: 'none' }),
        createdAfter: moment,
        createdBefore: moment,
        endedAfter: moment,
        endedBefore: moment,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(filters, fc.integer({ min: 1, max: 40 }), (filter, limit) => {
        const expected = runs.filter((run) => matches(run, filter)).toReversed();
        const found: RunRow[] = [];
        let cursor: string | undefined;
        do {
          const page = index.list({ ...filter, limit, cursor });
          expect(page.items.length).toBeLessThanOrEqual(limit);
          found.push(...page.items);
          cursor = page.next ?? undefined;
        } while (cursor !== undefined);
        expect(found).toEqual(expected.map(({ row }) => row));
      }),
      { numRuns: 400 },
    );
  });

  test('orders runs of one commit by id, and pages between them', () => {
    const at = time(1).toISOString();
    const same = ['b', 'a', 'd', 'c'].map((id) => ({ ...runOf(1), row: { ...runOf(1).row, id } }));
    put(runOf(0), ...same, { ...runOf(2, { createdAt: at }), createdPosition: 2 });
    const found: string[] = [];
    for (let cursor: string | undefined; ;) {
      const { items, next } = index.list({ limit: 1, cursor });
      found.push(...items.map(({ id }) => id));
      if (next === null) break;
      cursor = next;
    }
    expect(found).toEqual(['run-2', 'd', 'c', 'b', 'a', 'run-0']);
  });

  test('is not shifted by a run that is created while paging', () => {
    put(runOf(1), runOf(2), runOf(3));
    const first = index.list({ limit: 2 });
    put(runOf(4));
    const second = index.list({ limit: 2, cursor: first.next ?? '' });
    expect(second.items.map(({ id }) => id)).toEqual(['run-1']);
    expect(second.next).toBeNull();
  });

  test('has 50 items unless told otherwise, and 1,000 at most', () => {
    put(...Array.from({ length: 1_001 }, (_, n) => runOf(n)));
    expect(index.list().items).toHaveLength(50);
    expect(index.list({ limit: 1_000 }).items).toHaveLength(1_000);
    expect(() => index.list({ limit: 1_001 })).toThrow('filter.limit');
  });

  test.each<[string, object]>([
    ['filter.limit', { limit: 0 }],
    ['filter.limit', { limit: 1.5 }],
    ['filter.status', { status: 'done' }],
    ['filter.status', { status: [] }],
    ['filter.workflow', { workflow: '' }],
    ['filter.project', { project: 5 }],
    ['filter.parentRunId', { parentRunId: 'a\nb' }],
    ['filter.parentStepId', { parentStepId: null }],
    ['filter.tags.a', { tags: { a: 1 } }],
    ['filter.createdAfter', { createdAfter: '2026-01-01' }],
    ['filter.endedBefore', { endedBefore: new Date(Number.NaN) }],
    ['filter.orderBy', { orderBy: 'id; DROP TABLE runs' }],
    ['filter.cursor', { cursor: 'x' }],
    ['filter.cursor', { cursor: 7 }],
  ])('refuses a filter by naming its path: %s %j', (at, filter) => {
    const refusal = { code: 'INVALID_ARGUMENT', message: expect.stringContaining(at) };
    expect(() => index.list(filter)).toThrow(expect.objectContaining(refusal));
  });

  test('refuses a cursor that was cut, changed, or made by another list', () => {
    put(runOf(1), runOf(2));
    const cursor = index.list({ limit: 1 }).next ?? '';
    expect(ids({ cursor })).toEqual(['run-1']);
    const other = Buffer.from(cursor, 'base64url').toString().replace('runs', 'step');
    const changed = Buffer.from(cursor, 'base64url').toString().replace('run-2', 'run-9');
    const forged = [other, changed].map((text) => Buffer.from(text).toString('base64url'));
    for (const bad of [...forged, cursor.slice(0, -3), '']) {
      expect(() => index.list({ cursor: bad })).toThrow('filter.cursor');
    }
  });

  test('never puts a value into the text of its SQL', () => {
    const value = "x' OR '1'='1";
    const filter = { workflow: value, project: value, tags: { [value]: value } };
    const { sql, params } = listRuns({ ...filter, parentRunId: value, status: 'failed' });
    expect(sql).not.toContain("'");
    expect(params.filter((param) => param === value)).toHaveLength(5);
  });
});

describe('the plan of a list', () => {
  const none = time(0);
  const plans: readonly [string, RunFilter][] = [
    ['runs_by_creation', {}],
    ['runs_by_status', { status: 'failed' }],
    ['runs_by_status', { status: ['failed', 'running', 'queued'] }],
    ['runs_by_status', { status: 'failed', tags: { a: 'b' } }],
    ['runs_by_status', { status: 'failed', createdBefore: none }],
    ['runs_by_workflow', { workflow: 'w' }],
    ['runs_by_workflow', { workflow: 'w', createdAfter: none, createdBefore: none }],
    ['runs_by_workflow_status', { workflow: 'w', status: 'failed' }],
    ['runs_by_workflow_status', { workflow: 'w', status: ['failed', 'queued'] }],
    ['runs_by_project', { project: 'p' }],
    ['runs_by_project', { project: 'p', status: 'failed' }],
    ['runs_by_parent_run', { parentRunId: 'r' }],
    ['runs_by_parent_run', { parentRunId: 'r', status: 'failed' }],
    ['runs_by_parent_step', { parentRunId: 'r', parentStepId: 's' }],
    ['PRIMARY KEY', { tags: { a: 'b' } }],
    ['PRIMARY KEY', { tags: { a: 'b', c: 'd' }, status: 'succeeded' }],
    ['PRIMARY KEY', { tags: { a: 'b' }, createdBefore: none }],
    ['runs_by_creation', { createdAfter: none }],
    ['runs_by_creation', { createdBefore: none }],
    ['runs_by_creation', { endedBefore: none }],
  ];

  test.each(plans)('walks %s for %j and sorts nothing but the runs of one commit', (by, filter) => {
    index.close();
    const database = new DatabaseSync(path);
    const { sql, params } = listRuns(filter);
    const named = Object.fromEntries(params.map((value, i) => [`$${i + 1}`, value]));
    const steps = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(named);
    database.close();
    const details = steps.map(({ detail }) => String(detail));
    const walks = details.filter((detail) => /^(SEARCH|SCAN) [rt] /.test(detail));
    expect(walks[0]).toContain(by);
    if (Object.keys(filter).length > 0) expect(walks.join()).not.toContain('SCAN');
    const sorts = details.filter((detail) => detail.includes('TEMP B-TREE'));
    expect(sorts.filter((detail) => !detail.endsWith('LAST TERM OF ORDER BY'))).toEqual([]);
  });
});

describe('an index on disk', () => {
  const reopen = (at = path, options = {}): RunIndex => RunIndex.open(at, identity, options);

  test('is as it was flushed when it is opened again', () => {
    put(...Array.from({ length: 20 }, (_, n) => mixed(n)));
    index.stamp(20, 11);
    index.flush(1);
    const [before, counts] = [index.list(), index.counts()];
    index.close();
    index.close();
    index = reopen();
    expect([index.position, index.checkpoint]).toEqual([20, 11]);
    expect([index.list(), index.counts()]).toEqual([before, counts]);
  });

  test('goes back whole to an earlier position when a crash takes its log', async () => {
    put(runOf(1));
    index.stamp(1);
    index.flush(1);
    index.checkpointToDisk();
    expect((await stat(`${path}-wal`)).size).toBe(0);
    put(runOf(2));
    index.stamp(2);
    index.flush(1);
    const [withLog, without] = [join(root, 'killed.db'), join(root, 'powerless.db')];
    for (const copy of [withLog, without]) await copyFile(path, copy);
    await copyFile(`${path}-wal`, `${withLog}-wal`);
    using killed = reopen(withLog);
    expect([killed.position, killed.list().items.length]).toEqual([2, 2]);
    using powerless = reopen(without);
    expect([powerless.position, powerless.list().items.length]).toEqual([1, 1]);
  });

  test('names every file that SQLite made', async () => {
    put(runOf(1));
    const files = RunIndex.filesOf(path);
    for (const name of await readdir(root)) expect(files).toContain(join(root, name));
  });

  test('lives in memory when told so', async () => {
    using inMemory = reopen(':memory:');
    inMemory.put(runOf(1));
    inMemory.flush(1);
    inMemory.checkpointToDisk();
    expect(inMemory.list().items).toHaveLength(1);
    index.close();
    expect(await readdir(root)).toEqual(['index.db']);
  });

  test.each([
    { storeId: 'store-2', timeline: 1 },
    { storeId: 'store-1', timeline: 2 },
  ])('is unusable for another history: %j', (other) => {
    index.close();
    expect(() => RunIndex.open(path, other)).toThrow(IndexUnusable);
    index = reopen();
  });

  test('is unusable in another format, or without its tables', () => {
    index.close();
    const edit = (sql: string): void => {
      const database = new DatabaseSync(path);
      database.exec(sql);
      database.close();
    };
    edit('UPDATE meta SET format = 99');
    expect(() => reopen()).toThrow(IndexUnusable);
    edit('DROP TABLE meta');
    expect(() => reopen()).toThrow(IndexUnusable);
  });

  test('is unusable when it is damaged, and says so with a code', async () => {
    put(...Array.from({ length: 500 }, (_, n) => mixed(n)));
    index.close();
    const { size } = await stat(path);
    const handle = await open(path, 'r+');
    for (let page = 2; page < 30; page++)
      await handle.write(Buffer.alloc(4096, 7), 0, 4096, page * 4096);
    await handle.close();
    expect(() => reopen()).toThrow(expect.objectContaining({ code: 'DATA_CORRUPT' }));
    await truncate(path, Math.floor(size / 2) + 100);
    expect(() => reopen()).toThrow(IndexUnusable);
    await writeFile(path, 'this is no database, however long its text may be');
    expect(() => reopen()).toThrow(IndexUnusable);
  });

  test('with a row that is damaged says so when it is read', () => {
    put(runOf(1));
    index.close();
    const database = new DatabaseSync(path);
    database.exec(`UPDATE runs SET data = '{"id":'`);
    database.close();
    index = reopen(path, { check: false });
    expect(() => index.get('run-1')).toThrow(IndexUnusable);
    expect(() => index.list()).toThrow(IndexUnusable);
  });

  test('has one owner, and does not hold a second opener for damage', () => {
    put(runOf(1));
    expect(() => reopen()).toThrow(expect.objectContaining({ code: 'STORAGE_FAILED' }));
    const nowhere = () => reopen(join(root, 'missing', 'index.db'));
    expect(nowhere).toThrow(expect.objectContaining({ code: 'STORAGE_FAILED' }));
  });

  test('that fails in use says what it means for the store', () => {
    const failure = (errcode: number) => Object.assign(new Error('sqlite'), { errcode });
    expect(indexError(failure(13))).toMatchObject({ code: 'STORAGE_FULL' });
    expect(indexError(failure(10))).toMatchObject({ code: 'STORAGE_FAILED' });
    for (const code of [11, 26, 522])
      expect(indexError(failure(code))).toBeInstanceOf(IndexUnusable);
    expect(indexError('text')).toMatchObject({ code: 'STORAGE_FAILED' });
    index.close();
    expect(() => index.get('run-1')).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }));
  });
});
