import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { type ProxyCut, TcpProxy } from '../../src/testkit.ts';
import { sharedPostgres, type TestDatabase } from '../services/postgres.ts';

let database: TestDatabase;
let proxy: TcpProxy;
let direct: pg.Client;

beforeAll(async () => {
  database = await (await sharedPostgres()).createDatabase();
  direct = new pg.Client({ connectionString: database.url });
  await direct.connect();
  await direct.query('CREATE TABLE cut (n int)');
});

afterAll(async () => {
  await direct.end();
  await database.drop();
});

beforeEach(async () => {
  const { hostname, port } = new URL(database.url);
  proxy = await TcpProxy.start({ target: { host: hostname, port: Number(port) } });
});

afterEach(async () => {
  await proxy.close();
  await direct.query('TRUNCATE cut');
});

/** Commits a row over a connection that is cut; how often the row is there afterwards. */
async function rowsAfter(cut: ProxyCut): Promise<number> {
  const client = new pg.Client({ connectionString: proxy.url(database.url) });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  await client.query('BEGIN');
  await client.query('INSERT INTO cut VALUES (1)');
  const happened = proxy.cut(cut);
  await expect(client.query('COMMIT')).rejects.toThrow(/ECONNRESET|terminated/);
  await happened;
  await backendEnded(rows[0]!.pid);
  const { rowCount } = await direct.query('SELECT n FROM cut');
  return rowCount ?? 0;
}

/** Until then the server may still be at it. */
async function backendEnded(pid: number): Promise<void> {
  const sql = 'SELECT 1 FROM pg_stat_activity WHERE pid = $1';
  while (((await direct.query(sql, [pid])).rowCount ?? 0) > 0);
}

describe('a COMMIT whose connection is cut', () => {
  const at = (piece: Buffer) => piece.includes('COMMIT');

  it('has done nothing when the server did not get it [ED-4]', async () => {
    expect(await rowsAfter({ direction: 'toServer', at })).toBe(0);
  });

  it('has stored the row when the server got it, whatever the client knows [ED-4]', async () => {
    expect(await rowsAfter({ direction: 'toServer', at, isDelivered: true })).toBe(1);
  });

  it('has stored the row when only the answer is lost [ED-4]', async () => {
    expect(await rowsAfter({ direction: 'toClient', at })).toBe(1);
  });
});
