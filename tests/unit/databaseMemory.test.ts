import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, Store } from '../../src/index.ts';
import { type Batch, newBatch } from '../../src/lib/store/DatabaseStore/batch.ts';
import { Gathering } from '../../src/lib/store/DatabaseStore/gathering.ts';
import { LogReader } from '../../src/lib/store/DatabaseStore/logReader.ts';
import { PostgresLog } from '../../src/lib/store/DatabaseStore/postgresLog.ts';
import { RunReader } from '../../src/lib/store/DatabaseStore/runReader.ts';
import { collect, take } from '../fixtures/collect.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';

const MB = 1_000_000;
const PAGE_BYTES_MAX = 6 * MB;

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => n);
}

describe.each(DIALECTS)('what is large, on %s', (dialect) => {
  const databases = new Databases(dialect);
  let store: Store;
  let db: Database;

  beforeEach(async () => {
    store = await databases.open();
    db = await databases.connect();
  });

  const batches = async () => (await store.stats()).writes.batches;

  test('ends a batch by the rows that it writes, and not by what changed in them', async () => {
    const ids = numbers(8).map((n) => `r${n}`);
    for (const id of ids) {
      await store.runs.create({ id, workflow: 'w', input: 'x'.repeat(2 * MB) });
      await store.steps.create(id, { id: 's', name: 's', input: 'x'.repeat(2 * MB) });
    }
    const before = await batches();
    await Promise.all(ids.map((id) => store.runs.update(id, { status: 'running' })));
    expect((await batches()) - before).toBe(3);
    await Promise.all(ids.map((id) => store.steps.update(id, 's', { status: 'running' })));
    expect((await batches()) - before).toBe(6);
    // The same row is written once, however often it changes.
    await Promise.all(numbers(20).map((n) => store.runs.update('r0', { priority: n })));
    expect((await batches()) - before).toBe(7);
    expect((await store.verify()).findings).toEqual([]);
  });

  test('stores every column of runs, steps and artifacts as it was [DB-1]', async () => {
    const input = { quote: '"\\\n', n: 1.5, none: null };
    await store.runs.create({ id: 'r', workflow: 'w', project: 'p', tags: { t: '1' }, input });
    await store.runs.create({ id: 'child', workflow: 'w', parentRunId: 'r' });
    await store.steps.create('r', { id: 's', name: 's', input });
    await store.artifacts.put('r', { name: 'a', body: 'b', metadata: { m: 1 } });
    await store.runs.update('r', { status: 'failed', error: { name: 'E', message: 'm' } });
    const { rows } = await db.query(
      `SELECT id, workflow, project, parent_run_id, status, ended_ms IS NULL AS open,
         created_position, head, last_seq FROM holdfast_runs ORDER BY id`,
    );
    const isOpen = dialect === 'postgres' ? [true, false] : [1, 0];
    const common = { workflow: 'w', last_seq: 0 };
    const child = { id: 'child', project: null, parent_run_id: 'r', status: 'queued' };
    const parent = { id: 'r', project: 'p', parent_run_id: null, status: 'failed' };
    expect(rows).toEqual([
      { ...common, ...child, open: isOpen[0], created_position: 2, head: 2 },
      { ...common, ...parent, open: isOpen[1], created_position: 1, head: 5 },
    ]);
    expect(await store.steps.get('r', 's')).toMatchObject({ input });
    expect((await store.artifacts.list('r')).items).toMatchObject([{ metadata: { m: 1 } }]);
    expect((await store.verify()).findings).toEqual([]);
  });

  describe('in the log', () => {
    /** The texts of each page, and of what was asked for on the way. */
    async function pages(): Promise<readonly (readonly number[])[]> {
      const reader = new LogReader(db);
      const read: number[][] = [];
      for (let after = 0, isLast = false; !isLast;) {
        const page = await reader.page(after);
        ({ isLast } = page);
        after = page.commits.at(-1)?.position ?? after;
        read.push(page.commits.map(({ changes }) => JSON.stringify(changes).length));
      }
      return read;
    }

    test.each([
      ['payloads of events', 0, MB],
      ['inputs of runs', MB, 0],
    ])('is read by pages that are bounded by bytes: %s', async (_, input, payload) => {
      const start = store.position();
      for (const n of numbers(12)) {
        await store.runs.create({ id: `r${n}`, workflow: 'w', input: 'x'.repeat(input) });
        await store.events.append(`r${n}`, { type: 'e', payload: 'é'.repeat(payload / 2) });
      }
      const read = await pages();
      expect(read.flat()).toHaveLength(24);
      for (const page of read) {
        expect(page.reduce((total, bytes) => total + bytes, 0)).toBeLessThan(PAGE_BYTES_MAX);
      }
      expect(read.length).toBeLessThan(8);
      const commits = await take(store.watch({ after: start }), 24);
      expect(commits.map(({ changes }) => changes[0]?.runId)).toEqual(
        numbers(24).map((n) => `r${Math.floor(n / 2)}`),
      );
    });

    test('has a page of its own for a commit that is larger than one', async () => {
      await store.runs.create({ id: 'r', workflow: 'w' });
      for (const _ of [1, 2]) {
        await store.events.append('r', { type: 'e', payload: 'x'.repeat(7 * MB) });
      }
      const read = await pages();
      expect(read.map(({ length }) => length)).toEqual([2, 1]);
      const [first] = (await new LogReader(db).page(0)).commits;
      expect(first?.position).toBe(1);
    });

    test('is one page, and the last one, where it is small', async () => {
      await store.runs.create({ id: 'r', workflow: 'w' });
      await Promise.all(numbers(50).map(() => store.events.append('r', { type: 'e' })));
      expect((await pages()).map(({ length }) => length)).toEqual([51]);
      await Promise.all(numbers(149).map(() => store.events.append('r', { type: 'e' })));
      expect((await pages()).map(({ length }) => length)).toEqual([200, 0]);
    });
  });
});

describe('the cache', () => {
  const large = 'x'.repeat(MB);
  const databases = new Databases('sqlite');
  const error = { name: 'E', message: 'm', stack: 'x'.repeat(60_000) };

  const FILLINGS: Readonly<
    Record<string, readonly [bytes: number, fill: (store: Store) => Promise<unknown>]>
  > = {
    'metadata of runs': [
      MB,
      ({ runs }) => runs.create({ id: 'r', workflow: 'w', metadata: { large } }),
    ],
    'outputs, where they come later': [
      MB,
      async ({ runs }) => {
        await runs.create({ id: 'r', workflow: 'w' });
        await runs.update('r', { status: 'running' });
        await runs.update('r', { status: 'succeeded', output: large });
      },
    ],
    'steps, one by one': [
      2 * MB,
      async ({ runs, steps }) => {
        await runs.create({ id: 'r', workflow: 'w' });
        for (const id of ['a', 'b']) await steps.create('r', { id, name: 's', input: large });
        await steps.update('r', 'a', { status: 'running' });
      },
    ],
    'metadata of artifacts': [
      MB,
      async ({ runs, artifacts }) => {
        await runs.create({ id: 'r', workflow: 'w' });
        await artifacts.put('r', { name: 'a', body: '', metadata: { large } });
      },
    ],
    'errors, and those of attempts': [
      60_000,
      async ({ runs }) => {
        await runs.create({ id: 'r', workflow: 'w' });
        await runs.update('r', { status: 'failed', error });
      },
    ],
    'nothing that was deleted': [
      0,
      async ({ runs }) => {
        await runs.create({ id: 'r', workflow: 'w', input: large });
        await runs.delete('r');
      },
    ],
  };

  test.each(Object.keys(FILLINGS))('counts %s', async (name) => {
    const [bytes, fill] = FILLINGS[name] as (typeof FILLINGS)[string];
    const store = await databases.open();
    await fill(store);
    const counted = (await store.stats()).memory.bytes;
    expect(counted).toBeGreaterThanOrEqual(bytes);
    expect(counted).toBeLessThan(2 * bytes + 10_000);
  });

  test('does not keep an event that was read for its key', async () => {
    const store = await databases.open();
    const append = (type: string) =>
      store.events.append('r', { type, payload: large, idempotencyKey: 'k' });
    await store.runs.create({ id: 'r', workflow: 'w' });
    await append('e');
    const without = (await store.stats()).memory.bytes;
    expect(without).toBeLessThan(MB);
    expect((await append('e')).seq).toBe(1);
    expect((await store.stats()).memory.bytes).toBe(without);
  });
});

describe('a commit whose rows are too large for one call', () => {
  const databases = new Databases('sqlite');
  const nobody = { dialect: 'sqlite', query: () => Promise.reject(new Error('sent')) } as const;

  test('is refused before PostgreSQL is sent any of it', async () => {
    const data = 'x'.repeat(8 * MB);
    const batch: Batch = newBatch();
    batch.guards.push({ g: 0, run: 'r', head: 1 });
    batch.commits.push({ g: 0, c: 0, data: '[]' });
    for (const n of numbers(70)) {
      batch.steps.push({ g: 0, c: 0, n, run: 'r', id: `s${n}`, data });
    }
    const log = new PostgresLog(nobody as unknown as Database);
    await expect(log.commit(batch, 0)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('change fewer large runs and steps at once'),
    });
    batch.steps.length = 10;
    await expect(log.commit(batch, 0)).rejects.toThrow('sent');
  });

  test('is refused alone: what was gathered with it goes on', async () => {
    const store = await databases.open();
    const db = await databases.connect();
    for (const id of ['small', 'large']) {
      await store.runs.create({ id, workflow: 'w', input: id === 'large' ? 'x'.repeat(MB) : null });
    }
    const loaded = await new RunReader(db).load(['small', 'large']);
    const gathering = new Gathering((id) => loaded.get(id) as never, Infinity, MB);
    const told: unknown[] = [];
    for (const id of ['small', 'large']) {
      const job = {
        runIds: [id],
        decide: () => [
          { type: 'run.updated', runId: id, version: 2, set: { priority: 1 } } as const,
        ],
        answer: () => id,
        resolve: (answer: unknown) => void told.push(answer),
        reject: (error: unknown) => void told.push((error as { code: string }).code),
      };
      gathering.add(job, { at: new Date(0).toISOString(), freshId: () => 'id' });
    }
    expect(gathering.batch.runs.map(({ id }) => id)).toEqual(['small']);
    const { tell } = gathering.settle({ before: 2, at: 0, passed: new Set([0, 1]) });
    for (const tellOne of tell) tellOne();
    expect(told).toEqual(['small', 'LIMIT_EXCEEDED']);
    expect(await collect(store.events.list('small'))).toEqual([]);
  });
});
