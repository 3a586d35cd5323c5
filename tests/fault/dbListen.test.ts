import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectDatabase, type Database, type DatabaseOptions } from '../../src/index.ts';
import { ManualClock } from '../../src/testkit/manualClock.ts';
import { TcpProxy } from '../../src/testkit/tcpProxy.ts';
import { backends, databaseWorld, failure, until } from '../unit/dbWorld.ts';

const world = databaseWorld('postgres');
let proxy: TcpProxy;
let direct: Database;
let open: Database[];
let heard: string[];
let gaps: number;

beforeEach(async () => {
  direct = await world.connect();
  const { hostname: host, port } = new URL(await world.url());
  proxy = await TcpProxy.start({ target: { host, port: Number(port) } });
  open = [];
  heard = [];
  gaps = 0;
});
afterEach(async () => {
  await proxy.close();
  for (const db of open) await db.close();
});

async function connect(options: DatabaseOptions = {}): Promise<Database> {
  const db = await connectDatabase(proxy.url(await world.url()), options);
  open.push(db);
  return db;
}

const listen = (db: Database, channel: string) =>
  db.listen(channel, (payload) => heard.push(payload), { onGap: () => (gaps += 1) });

const notify = (channel: string, payload: string) =>
  direct.query('SELECT pg_notify($1, $2)', [channel, payload]);

/** Round trips past the proxy until `isSo`: what is to arrive has the time to. */
const soon = (isSo: () => boolean) =>
  until(async () => {
    await direct.query('SELECT 1');
    return isSo();
  });

const listening = () => backends(direct, 'LISTEN%');

test('hears what is notified, on channels of any name, and nothing after it stopped [DB-2]', async () => {
  const db = await connect({ connectionsMax: 1 });
  const channel = 'News "of"; DROP TABLE t';
  const stop = await listen(db, channel);
  await notify(channel, 'one');
  await notify('other', 'not for us');
  await notify(channel, '');
  await soon(() => heard.length === 2);
  expect(heard).toEqual(['one', '']);
  // A connection of its own: the only one of the pool is free.
  expect((await db.query('SELECT 1')).rowCount).toBe(1);
  await stop();
  await stop();
  await until(async () => (await listening()).length === 0);
  await notify(channel, 'two');
  await direct.query('SELECT 1');
  expect(heard).toEqual(['one', '']);
});

test.each(['', 'a\0b', 'ä'.repeat(32)])('refuses the channel %j', async (channel) => {
  const db = await connect();
  const refused = db.listen(channel, () => undefined);
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('listens again after its backend was ended, and tells of the gap [ED-4]', async () => {
  const db = await connect();
  await listen(db, 'news');
  for (const pid of await listening()) await direct.query('SELECT pg_terminate_backend($1)', [pid]);
  await soon(() => gaps === 1);
  await notify('news', 'again');
  await soon(() => heard.length === 1);
  expect(heard).toEqual(['again']);
});

test('listens again when the network is back, and tells of one gap [ED-4]', async () => {
  const clock = new ManualClock();
  const db = await connect({ clock });
  await listen(db, 'news');
  await proxy.set('reset');
  await until(async () => (await listening()).length === 0);
  for (let n = 0; n < 5; n++) {
    clock.advance(10_000);
    await direct.query('SELECT 1');
  }
  expect(gaps).toBe(0);
  await proxy.set('pass');
  await soon(() => {
    clock.advance(10_000);
    return gaps > 0;
  });
  await notify('news', 'again');
  await soon(() => heard.length > 0);
  expect([heard, gaps]).toEqual([['again'], 1]);
});

test('notices a connection that was cut without a word [ED-4]', async () => {
  const clock = new ManualClock();
  const db = await connect({ clock });
  await listen(db, 'news');
  await proxy.set('drop');
  clock.advance(30_000);
  clock.advance(5_000);
  await proxy.set('pass');
  await soon(() => {
    clock.advance(1_000);
    return gaps > 0;
  });
  await notify('news', 'again');
  await soon(() => heard.length > 0);
  expect([heard, gaps]).toEqual([['again'], 1]);
});

/** Knows how often somebody wanted to be called after 30 s: that is the next question. */
class CountingClock extends ManualClock {
  questions = 0;

  override after(ms: number, task: () => void): () => void {
    if (ms === 30_000) this.questions += 1;
    return super.after(ms, task);
  }
}

test('asks a silent connection whether it is there, and keeps it when it answers [ED-4]', async () => {
  const clock = new CountingClock();
  const db = await connect({ clock });
  const before = clock.questions;
  await listen(db, 'news');
  const pids = await listening();
  for (let asked = 1; asked <= 3; asked++) {
    clock.advance(30_000);
    // Once it has answered, it is to be asked again.
    await soon(() => clock.questions === before + asked + 1);
  }
  expect(await backends(direct, 'SELECT')).toEqual(pids);
  expect(gaps).toBe(0);
});

test('goes on when a listener throws, and says so', async () => {
  const warnings: string[] = [];
  const db = await connect({ onWarning: (text) => warnings.push(text) });
  await db.listen('news', (payload) => {
    heard.push(payload);
    throw new Error('bad news');
  });
  await notify('news', 'one');
  await notify('news', 'two');
  await soon(() => heard.length === 2);
  expect(warnings).toEqual([
    expect.stringContaining('bad news'),
    expect.stringContaining('bad news'),
  ]);
});

test('fails to begin where it cannot connect, and ends with its database [ED-4]', async () => {
  const db = await connect();
  await listen(db, 'news');
  await proxy.set('refuse');
  expect(await failure(listen(db, 'news'))).toMatchObject({ code: 'STORAGE_FAILED' });
  await proxy.set('pass');
  await db.close();
  await until(async () => (await listening()).length === 0);
  expect(gaps).toBe(0);
});
