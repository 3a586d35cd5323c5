import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Commit,
  connectDatabase,
  type Database,
  openStore,
  type Store,
  systemClock,
} from '../../src/index.ts';
import { PARTITION_COMMITS } from '../../src/lib/migrations.ts';
import { ManualClock, TcpProxy } from '../../src/testkit.ts';
import { take } from '../fixtures/collect.ts';
import { copyRows, dumpAndRestore } from '../fixtures/databaseCopies.ts';
import { recordFigure } from '../fixtures/proof.ts';
import { sharedPostgres } from '../services/postgres.ts';

const POLL_MS = 500;

let url: string;
/** Before the first commit of all. */
let start: string;
let clock: ManualClock;
/** Both tell each other by notifications; the clock of `reader` stands still, so that it never polls. */
let writer: Store;
let reader: Store;
const endings: (() => Promise<void>)[] = [];

beforeEach(async () => {
  url = await newDatabase();
  clock = new ManualClock();
  writer = await open(url, systemClock);
  start = writer.position();
  reader = await open(url, clock);
  await writer.runs.create({ id: 'r', workflow: 'w' });
});

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function newDatabase(): Promise<string> {
  const database = await (await sharedPostgres()).createDatabase();
  endings.push(() => database.drop());
  return database.url;
}

async function open(at: string, its: ManualClock | typeof systemClock): Promise<Store> {
  const store = await openStore(at, {
    migrate: 'auto',
    clock: its,
    database: { clock: systemClock },
  });
  endings.push(() => store.close());
  return store;
}

async function connect(at: string): Promise<Database> {
  const db = await connectDatabase(at);
  endings.push(() => db.close());
  return db;
}

async function append(store: Store, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await store.events.append('r', { type: 'e', payload: n });
}

/** The payloads of the next `count` events after `after`. */
async function watched(store: Store, after: string, count: number): Promise<readonly unknown[]> {
  const payloadOf = ({ changes: [change] }: Commit) =>
    change?.type === 'event.appended' ? change.event.payload : change?.type;
  return (await take(store.watch({ after }), count)).map(payloadOf);
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

/** The events that come after six. */
const AFTER_SIX = numbers(6, 11);

/** Time passes for the reader until `work` has ended. */
async function polling<T>(work: Promise<T>): Promise<T> {
  let isOver = false;
  void work.finally(() => (isOver = true)).catch(() => undefined);
  while (!isOver) {
    clock.advance(POLL_MS);
    await setImmediate();
  }
  return work;
}

describe('watch over PostgreSQL', () => {
  test('sees all commits in order when only notifications tell of them [EM-2]', async () => {
    const after = writer.position();
    const seen = watched(reader, after, 900);
    await append(writer, 0, 100);
    const batches = numbers(100, 900).map((n) =>
      writer.events.append('r', { type: 'e', payload: n }),
    );
    await Promise.all(batches);
    expect(await seen).toEqual(numbers(0, 900));
  });

  test('sees a commit that was made before it began to listen [EM-2]', async () => {
    const { hostname: host, port } = new URL(url);
    const lateClock = new ManualClock();
    const proxy = await TcpProxy.start({ target: { host, port: Number(port) }, clock: lateClock });
    endings.push(() => proxy.close());
    const late = await open(proxy.url(url), clock);
    const after = writer.position();
    const isHeld = new Promise<void>((resolve) => {
      const at = (piece: Buffer) => {
        if (!piece.includes('LISTEN')) return false;
        // It arrives when the clock has moved, and not before.
        void proxy.set({ delayMs: POLL_MS });
        resolve();
        return false;
      };
      void proxy.cut({ direction: 'toServer', at });
    });
    const seen = watched(late, after, 1);
    await isHeld;
    const { told } = await listened(await connect(url));
    await append(writer, 0, 1);
    await told;
    await proxy.set('pass');
    lateClock.advance(POLL_MS);
    expect(await seen).toEqual([0]);
  });

  test('sees all commits in order when no notification is ever sent [EM-2]', async () => {
    const mute = await open(url, new ManualClock());
    const after = mute.position();
    const seen = watched(reader, after, 450);
    await append(mute, 0, 50);
    const rest = numbers(50, 450).map((n) => mute.events.append('r', { type: 'e', payload: n }));
    await Promise.all(rest);
    expect(await polling(seen)).toEqual(numbers(0, 450));
  });

  test('is told of what a process has written just before it closed [EM-2]', async () => {
    const after = writer.position();
    const seen = watched(reader, after, 2);
    await append(writer, 0, 1);
    const short = await open(url, new ManualClock());
    await append(short, 1, 2);
    await short.close();
    expect(await seen).toEqual([0, 1]);
  });

  test('neither waits for a long transaction of somebody else, nor skips what it commits late [ED-2]', async () => {
    const foreign = await connect(url);
    await foreign.query('CREATE TABLE unrelated (a int)');
    // The log goes over into a partition that is not there yet, while it is being read.
    const near = PARTITION_COMMITS - 150;
    await foreign.query('UPDATE holdfast_log_head SET position = $1', [near]);
    await writer.stats();
    const after = writer.position();
    await foreign.transaction(
      async (tx) => {
        await tx.query('INSERT INTO unrelated VALUES (1)');
        await tx.query('SELECT count(*) FROM holdfast_changes');
        await append(writer, 0, 300);
        expect(await watched(reader, after, 300)).toEqual(numbers(0, 300));
      },
      { isolation: 'repeatable read' },
    );
    await append(writer, 300, 301);
    expect(await watched(reader, after, 301)).toEqual(numbers(0, 301));
  });

  test('goes on where it was when all rows were copied into another database [EM-2]', async () => {
    const cursor = await sixEventsSeen();
    const copy = await newDatabase();
    await copyRows(url, copy);
    expect(await goOn(copy, cursor)).toEqual(AFTER_SIX);
  });

  test('goes on where it was after pg_dump and psql, where this machine has them [EM-2]', async () => {
    const cursor = await sixEventsSeen();
    const restored = await newDatabase();
    const skipped = await dumpAndRestore(url, restored);
    const seen = skipped === undefined ? await goOn(restored, cursor) : AFTER_SIX;
    const broken = AFTER_SIX.filter((n) => !seen.includes(n)).length;
    const line = `databases restored from a dump: ${skipped === undefined ? 1 : 0}, lost: ${broken}`;
    const why = skipped === undefined ? [] : [skipped];
    recordFigure({ name: 'database-restore', line, broken, skipped: why });
    expect(seen).toEqual(AFTER_SIX);
  });
});

/** Ten events are there, and the cursor behind the sixth is given back. */
async function sixEventsSeen(): Promise<string> {
  await append(writer, 0, 10);
  const [, , , , , , sixth] = await take(reader.watch({ after: start }), 7);
  return sixth?.position ?? '';
}

/** What comes after the cursor: four events that were there, and one that is written now. */
async function goOn(at: string, cursor: string): Promise<readonly unknown[]> {
  const store = await open(at, systemClock);
  const seen = watched(store, cursor, AFTER_SIX.length);
  await append(store, 10, 11);
  return [...(await seen), ...(await store.verify()).findings];
}

/** Resolves once it listens, with what resolves when some process has told the others of commits. */
async function listened(db: Database): Promise<{ readonly told: Promise<void> }> {
  let heard = () => undefined as void;
  const told = new Promise<void>((resolve) => (heard = resolve));
  await db.listen('holdfast_log', () => heard());
  return { told };
}
