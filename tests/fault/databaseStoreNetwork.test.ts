import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openStore, type Store, systemClock } from '../../src/index.ts';
import { ManualClock, type ProxyDirection, TcpProxy } from '../../src/testkit.ts';
import { codeOf } from '../fixtures/refusals.ts';
import { sharedPostgres } from '../services/postgres.ts';

/** Waits for a server that is not there, no longer than that. Milliseconds. */
const PATIENCE_MS = 2_000;

let proxy: TcpProxy;
let drop: () => Promise<void>;
/** By way of the proxy, and past it. */
let store: Store;
let witness: Store;

beforeEach(async () => {
  const database = await (await sharedPostgres()).createDatabase();
  drop = () => database.drop();
  const { hostname: host, port } = new URL(database.url);
  proxy = await TcpProxy.start({ target: { host, port: Number(port) } });
  witness = await openStore(database.url, { migrate: 'auto' });
  // Its clock stands still: nothing but calls goes over the network.
  store = await openStore(proxy.url(database.url), {
    clock: new ManualClock(),
    database: { clock: systemClock, acquireTimeoutMs: PATIENCE_MS },
  });
  await store.runs.create({ id: 'r', workflow: 'w' });
});

afterEach(async () => {
  await store.close();
  await proxy.close();
  await witness.close();
  await drop();
});

/** Cuts the connection at the piece that carries `mark` to the server, or at the first one after it. */
function cutAt(mark: string, direction: ProxyDirection, isDelivered = false): Promise<void> {
  return proxy.cut({ direction, isDelivered, at: (piece) => piece.includes(mark) });
}

/** Cuts at the first piece to the server that comes after the one with `mark`. */
function cutAfter(mark: string): Promise<void> {
  let isSeen = false;
  const at = (piece: Buffer) => {
    if (isSeen) return true;
    isSeen = piece.includes(mark);
    return false;
  };
  return proxy.cut({ direction: 'toServer', at });
}

/** Reads until that is the answer: a connection that is dead may not know it yet. */
async function noticed(code: string | undefined): Promise<void> {
  while ((await codeOf(store.runs.get('r'))) !== code);
}

async function eventsOf(runId: string): Promise<readonly unknown[]> {
  return (await witness.events.list(runId)).items.map(({ payload }) => payload);
}

describe('a connection that is cut', () => {
  test('when the commit has reached the server makes its outcome unknown; its key tells it [ED-4] [W3]', async () => {
    const append = { type: 'e', payload: 'mark 1', idempotencyKey: 'k' };
    const cut = cutAt('mark 1', 'toServer', true);
    expect(await codeOf(store.events.append('r', append))).toBe('OUTCOME_UNKNOWN');
    await cut;
    const again = await store.events.append('r', append);
    expect(again).toMatchObject({ seq: 1, payload: 'mark 1' });
    expect(await eventsOf('r')).toEqual(['mark 1']);
  });

  test('before the commit has reached the server makes it unknown as well, and it is not there [ED-4]', async () => {
    const cut = cutAt('mark 2', 'toServer');
    const append = { type: 'e', payload: 'mark 2', idempotencyKey: 'k' };
    expect(await codeOf(store.events.append('r', append))).toBe('OUTCOME_UNKNOWN');
    await cut;
    await witness.events.append('r', { type: 'e', payload: 'of another', idempotencyKey: 'l' });
    expect(await eventsOf('r')).toEqual(['of another']);
    expect(await store.events.append('r', append)).toMatchObject({ seq: 2 });
    expect(await eventsOf('r')).toEqual(['of another', 'mark 2']);
  });

  test('under a batch makes all of it unknown, and each key gives one result [ED-4] [ST-1]', async () => {
    const keys = Array.from({ length: 16 }, (_, n) => `key-${n}`);
    const write = (key: string) =>
      store.runs.create({ workflow: 'w', idempotencyKey: key, input: key });
    const cut = cutAt('key-7', 'toServer', true);
    const codes = await Promise.all(keys.map((key) => codeOf(write(key))));
    await cut;
    expect(new Set(codes)).toEqual(new Set(['OUTCOME_UNKNOWN']));
    const runs = await Promise.all(keys.map(write));
    expect(runs.map(({ input }) => input)).toEqual(keys);
    const { items } = await witness.runs.list({ limit: 100 });
    expect(items).toHaveLength(keys.length + 1);
  });

  test('under a transaction over two runs leaves both halves, or none [ED-4] [ST-1] [W2]', async () => {
    await store.runs.create({ id: 's', workflow: 'w' });
    for (const isDelivered of [true, false]) {
      const mark = `both ${isDelivered}`;
      const cut = cutAt(mark, 'toServer', isDelivered);
      const code = await codeOf(
        store.transaction(['r', 's'], async (tx) => {
          for (const id of ['r', 's']) await tx.events.append(id, { type: 'e', payload: mark });
        }),
      );
      await cut;
      expect(code).toBe('OUTCOME_UNKNOWN');
    }
    // It orders this behind what is still under way on the server.
    await store.runs.update('r', { priority: 1 });
    expect(await eventsOf('r')).toEqual(['both true']);
    expect(await eventsOf('s')).toEqual(['both true']);
  });

  test('while nothing was sent fails nothing: the next call takes another one [ED-4]', async () => {
    await proxy.set('reset');
    await proxy.set('pass');
    await noticed(undefined);
    await store.runs.update('r', { priority: 1 });
    expect((await witness.runs.get('r')).priority).toBe(1);
  });

  test('behind a commit does not take back what the commit has answered [W1] [ED-4]', async () => {
    await store.runs.get('r');
    await witness.events.append('r', { type: 'e', payload: 'of another' });
    // One batch: what is known of `r` is out of date, and read anew when the commit has answered.
    const cut = cutAfter('mark 3');
    const [created, appended] = await Promise.all([
      codeOf(store.runs.create({ id: 's', workflow: 'w', input: 'mark 3' })),
      codeOf(store.events.append('r', { type: 'e', payload: 'late' })),
      cut,
    ]);
    expect([created, appended]).toEqual([undefined, 'STORAGE_FAILED']);
    expect((await witness.runs.get('s')).input).toBe('mark 3');
    expect(await eventsOf('r')).toEqual(['of another']);
  });
});

describe('a server that cannot be reached', () => {
  test.each(['refuse', 'reset', 'drop'] as const)(
    'since connections %s: STORAGE_FAILED, nothing is stored, and the store goes on after it [ED-4]',
    async (mode) => {
      await proxy.set('reset');
      await proxy.set(mode);
      await noticed('STORAGE_FAILED');
      const append = { type: 'e', payload: 'mark 4' };
      expect(await codeOf(store.events.append('r', append))).toBe('STORAGE_FAILED');
      expect(await codeOf(Promise.resolve(store.runs.list()))).toBe('STORAGE_FAILED');
      await proxy.set('reset');
      await proxy.set('pass');
      expect(await eventsOf('r')).toEqual([]);
      expect(await store.events.append('r', append)).toMatchObject({ seq: 1 });
    },
  );
});
