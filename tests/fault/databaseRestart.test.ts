import { compileFunction } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Clock,
  type Commit,
  isStoreError,
  openStore,
  type OpenOptions,
  type RunEvent,
  type Store,
  systemClock,
} from '../../src/index.ts';
import { take } from '../fixtures/collect.ts';
import { Page } from '../scenario/document.ts';
import { type PostgresServer, startPostgres } from '../services/postgres.ts';

/** Whoever waits is told soon that the database is away. */
const impatient: Clock = {
  now: () => Date.now(),
  after: (ms, task) => systemClock.after(Math.min(ms, 20), task),
};

let server: PostgresServer;
let url: string;
let store: Store;
const endings: (() => Promise<void>)[] = [];

beforeEach(async () => {
  server = await startPostgres();
  ({ url } = await server.createDatabase());
  store = await open();
  await store.runs.create({ id: 'r', workflow: 'w' });
});

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
  await server.stop();
});

async function open(options: OpenOptions = {}): Promise<Store> {
  const opened = await openStore(url, { migrate: 'auto', ...options });
  endings.push(() => opened.close());
  return opened;
}

/** By a store that knows nothing of the restart. */
async function append(...payloads: readonly number[]): Promise<void> {
  const writer = await open();
  for (const payload of payloads) await writer.events.append('r', { type: 'e', payload });
}

const payloadOf = ({ changes: [change] }: Commit) =>
  change?.type === 'event.appended' ? change.event.payload : change?.type;

describe.each(['SIGINT', 'SIGKILL'] as const)('a PostgreSQL that is restarted (%s)', (signal) => {
  test('ends neither who watches the log nor who tails events [ED-4] [EM-2]', async () => {
    const after = store.position();
    const watched = take(store.watch({ after }), 4);
    const tailed = take(store.events.tail('r'), 4);
    await append(1, 2);
    // They are told before, and wait again.
    await take(store.watch({ after }), 2);
    await server.kill(signal);
    const late = take(store.watch({ after }), 4);
    const lateTail = take(store.events.tail('r'), 4);
    await server.restart();
    await append(3, 4);
    for (const commits of await Promise.all([watched, late])) {
      expect(commits.map(payloadOf)).toEqual([1, 2, 3, 4]);
    }
    for (const events of await Promise.all([tailed, lateTail])) {
      expect(events.map(({ payload }: RunEvent) => payload)).toEqual([1, 2, 3, 4]);
    }
  });
});

test('a PostgreSQL that is away lets who waits for it abort, and the store close [ED-4]', async () => {
  const stop = new AbortController();
  const aborted = take(store.watch({ signal: stop.signal }), 1);
  const closed = take(store.events.tail('r', { after: 0 }), 1);
  await server.kill('SIGKILL');
  stop.abort();
  expect(await aborted).toEqual([]);
  await store.close();
  expect(await closed).toEqual([]);
});

/** As it stands in the documentation, where nothing has a type. */
function loopOf(page: string): (...values: readonly unknown[]) => Promise<void> {
  const [loop, ...others] = new Page(page).blocks('ts').filter((it) => it.includes('store.watch('));
  if (loop === undefined || others.length > 0) throw new Error(`${page} has not one such loop`);
  const names = ['store', 'signal', 'handle', 'isStoreError', 'setTimeout'];
  return compileFunction(`return (async () => {${loop}})();`, names) as () => Promise<void>;
}

test('the loop of docs/databases.md goes on after an outage that was too long to wait for [ED-4]', async () => {
  const follow = loopOf('docs/databases.md');
  store = await open({ clock: impatient, database: { clock: systemClock } });
  const stop = new AbortController();
  const handled: unknown[] = [];
  const pauses: number[] = [];
  let handledTwo: () => void = () => undefined;
  const two = new Promise<void>((resolve) => (handledTwo = resolve));
  const handle = async (commit: Commit) => {
    if (handled.push(payloadOf(commit)) === 2) handledTwo();
    if (handled.length === 4) stop.abort();
  };
  /** In the place of time that passes the server comes back, at the second pause. */
  const setTimeout = async (ms: number) => {
    if (pauses.push(ms) === 2) await server.restart().then(() => append(3, 4));
  };
  const following = follow(store, stop.signal, handle, isStoreError, setTimeout);
  await append(1, 2);
  await two;
  await server.kill('SIGKILL');
  await following;
  expect(handled).toEqual([1, 2, 3, 4]);
  expect(pauses.length).toBeGreaterThanOrEqual(2);
});
