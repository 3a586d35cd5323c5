import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, Store } from '../../src/index.ts';
import { LogHead } from '../../src/lib/store/DatabaseStore/head.ts';
import { ManualClock } from '../../src/testkit.ts';
import { Databases } from '../fixtures/databases.ts';
import { codeOf } from '../fixtures/refusals.ts';
import { DIALECTS, running } from './dbWorld.ts';

const CROWD = 500;
const CONNECTIONS = 10;
const ACQUIRE_MS = 5_000;
const PART_BYTES = 256 * 1024;

const everyone = <T>(ask: (n: number) => PromiseLike<T>) =>
  Array.from({ length: CROWD }, (_, n) => ask(n));

describe('a crowd at a PostgreSQL that answers late', () => {
  const databases = new Databases('postgres');
  /** Of the pool: what it allows for a wait passes when the test says so. */
  let poolClock: ManualClock;
  let store: Store;
  let locker: Database;
  let eye: Database;

  beforeEach(async () => {
    poolClock = new ManualClock();
    store = await databases.open({
      database: { clock: poolClock, acquireTimeoutMs: ACQUIRE_MS, connectionsMax: CONNECTIONS },
    });
    locker = await databases.connect();
    eye = await databases.connect();
    await store.runs.create({ id: 'r', workflow: 'w' });
  });

  /** Many ask while nobody gets at `table`, and for longer than the pool lets anybody wait. */
  async function crowded<T>(
    table: string,
    ask: (n: number) => PromiseLike<T>,
    meanwhile: () => Promise<unknown> = async () => undefined,
  ): Promise<readonly T[]> {
    let all: Promise<readonly T[]> | undefined;
    await locker.transaction(async (tx) => {
      await tx.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      all = Promise.all(everyone(ask));
      all.catch(() => undefined);
      await running(eye, `%${table}%`, CONNECTIONS - 1);
      await meanwhile();
      poolClock.advance(ACQUIRE_MS);
    });
    return (await all) ?? [];
  }

  const append = () => store.events.append('r', { type: 'e' });
  const body = 'bytes';
  const putBody = () => store.artifacts.put('r', { name: 'a', body });

  test('waits for pages of the log as long as it takes [DB-2]', async () => {
    const after = store.position();
    await append();
    const first = async () => {
      for await (const { changes } of store.watch({ after })) return changes.length;
      return 0;
    };
    expect(await crowded('holdfast_changes', first)).toEqual(Array(CROWD).fill(1));
  });

  test('waits for pins, and commits do not wait with it [DB-2]', async () => {
    await store.pins.create({ name: 'p' });
    const answers = await crowded('holdfast_pins', () => store.pins.list(), append);
    expect(answers).toHaveLength(CROWD);
    expect((await store.events.list('r')).items).toHaveLength(1);
  });

  test('waits for the bytes of artifacts, and commits do not wait with it [DB-2]', async () => {
    await putBody();
    const read = async () => {
      let bytes = 0;
      for await (const chunk of store.artifacts.open('r', 'a')) bytes += chunk.length;
      return bytes;
    };
    const answers = await crowded('holdfast_blobs', read, append);
    expect(answers).toEqual(Array(CROWD).fill(body.length));
  });

  test('waits with the bytes that it brings, and commits do not wait with it [DB-2]', async () => {
    const put = (n: number) => store.artifacts.put('r', { name: `a${n}`, body: `${n}` });
    expect(await crowded('holdfast_blobs', put, append)).toHaveLength(CROWD);
  });

  test('waits for figures of the store [DB-2]', async () => {
    const answers = await crowded('holdfast_runs', () => store.stats());
    expect(answers).toHaveLength(CROWD);
  });
});

describe.each(DIALECTS)('a crowd at a store in %s', (dialect) => {
  const databases = new Databases(dialect);

  test('that has stopped in the middle of its streams keeps nobody out [DB-2]', async () => {
    const store = await databases.open({ database: { connectionsMax: 3 } });
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.artifacts.put('r', { name: 'a', body: Buffer.alloc(2 * PART_BYTES) });
    const streams = Array.from({ length: 50 }, () => {
      return store.artifacts.open('r', 'a')[Symbol.asyncIterator]();
    });
    await Promise.all(streams.map((stream) => stream.next()));
    await store.events.append('r', { type: 'e' });
    expect(await store.stats()).toMatchObject({ runs: { queued: 1 } });
    await Promise.all(streams.map(async (stream) => stream.return?.()));
  });

  test('that waits when the store is closed is told so [DB-2]', async () => {
    const store = await databases.open({ database: { connectionsMax: 3 } });
    await store.runs.create({ id: 'r', workflow: 'w' });
    const all = [
      ...everyone(() => store.pins.list()),
      ...everyone((n) => store.artifacts.put('r', { name: `a${n}`, body: `${n}` })),
    ];
    const told = Promise.all(all.map((call) => codeOf(Promise.resolve<unknown>(call))));
    await store.close();
    const codes = await told;
    expect(codes).toContain('STORE_CLOSED');
    expect(new Set(codes).difference(new Set([undefined, 'STORE_CLOSED']))).toEqual(new Set());
  });
});

describe('the head of the log', () => {
  test('is looked at once for all who ask meanwhile, and after they have asked', async () => {
    const answers: ((position: number) => void)[] = [];
    const query = () =>
      new Promise((resolve) => {
        answers.push((position) => resolve({ rows: [{ position, at_ms: 1 }], rowCount: 1 }));
      });
    const line = { query } as unknown as Database;
    const head = new LogHead(line, new ManualClock(), line);
    const first = head.look();
    await setImmediate();
    const others = Promise.all(everyone(() => head.look()));
    await setImmediate();
    expect(answers).toHaveLength(1);
    answers[0]?.(1);
    await first;
    expect(head.position).toBe(1);
    await setImmediate();
    expect(answers).toHaveLength(2);
    answers[1]?.(2);
    await others;
    expect(head.position).toBe(2);
  });

  test('is looked at again after a look that failed', async () => {
    const failures = [new Error('away')];
    const query = async () => {
      const failed = failures.pop();
      if (failed !== undefined) throw failed;
      return { rows: [{ position: 7, at_ms: 1 }], rowCount: 1 };
    };
    const line = { query } as unknown as Database;
    const head = new LogHead(line, new ManualClock(), line);
    const looks = [head.look(), head.look()];
    await expect(Promise.all(looks)).rejects.toThrow('away');
    await head.look();
    expect(head.position).toBe(7);
  });
});

describe('the size of the log in the figures of a store', () => {
  const MB = 1024 * 1024;
  const bytesOf = async (store: Store) => (await store.stats()).journal.bytes;

  describe('in PostgreSQL', () => {
    const databases = new Databases('postgres');

    test('is what its partitions take on the disk, whatever is in them [DB-9]', async () => {
      const store = await databases.open();
      const empty = await bytesOf(store);
      for (let n = 0; n < 8; n++) {
        await store.runs.create({ workflow: 'w', input: 'x'.repeat(MB) });
      }
      const bytes = await bytesOf(store);
      // Compressed, as PostgreSQL keeps them.
      expect(bytes).toBeGreaterThan(empty);
      expect(bytes).toBeLessThan(MB);
      const sql = `SELECT sum(pg_total_relation_size(relid))::bigint AS bytes
        FROM pg_partition_tree('holdfast_changes')`;
      const db = await databases.connect();
      expect((await db.query<{ bytes: number }>(sql)).rows).toEqual([{ bytes }]);
    });
  });

  describe('in SQLite', () => {
    const databases = new Databases('sqlite');

    test('is that of its texts, and of a long one a guess by its newest commits [DB-9]', async () => {
      const store = await databases.open();
      expect(await bytesOf(store)).toBe(0);
      for (const input of ['short', 'é'.repeat(MB)]) {
        await store.runs.create({ workflow: 'w', input });
      }
      const db = await databases.connect();
      const sql = 'SELECT sum(octet_length(data)) AS bytes FROM holdfast_changes';
      const { rows } = await db.query<{ bytes: number }>(sql);
      expect(await bytesOf(store)).toBe(rows[0]?.bytes);
      await db.query(
        `INSERT INTO holdfast_changes (position, at_ms, data)
           WITH RECURSIVE n(n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
           SELECT n, 0, '[' || printf('%98s', '') || ']' FROM n`,
      );
      expect(await bytesOf(store)).toBe(3_000 * 100);
    });
  });
});
