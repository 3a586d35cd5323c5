import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { type PostgresServer, sharedPostgres, startPostgres } from '../services/postgres.ts';
import { findBinaries } from '../services/postgres/binaries.ts';
import { fillDataFolder } from '../services/postgres/dataFolder.ts';
import { giveTo, serverUser } from '../services/postgres/osUser.ts';
import { aliveOf } from '../services/postgres/processes.ts';
import { makeServerFolder } from '../services/postgres/serverFolder.ts';

/** The value in the first column of the first row. */
async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

/** What a server is made of: its folder, and all of its processes. */
interface Remains {
  readonly folder: string;
  readonly pids: readonly number[];
}

async function partsOf(url: string): Promise<Remains> {
  const data = (await ask(url, 'SHOW data_directory')) as string;
  const children = await ask(
    url,
    'SELECT array_agg(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
  );
  const postmaster = Number.parseInt(await readFile(join(data, 'postmaster.pid'), 'utf8'), 10);
  return { folder: dirname(data), pids: [postmaster, ...(children as number[])] };
}

async function leftOf({ folder, pids }: Remains): Promise<readonly unknown[]> {
  return [...(await aliveOf(pids)), ...(existsSync(folder) ? [folder] : [])];
}

/** Nobody tells a test when a process has ended that is not its own. */
async function untilNothingIsLeft(remains: Remains): Promise<void> {
  while ((await leftOf(remains)).length > 0) await delay(10);
}

describe('a PostgreSQL for one test', () => {
  let server: PostgresServer;

  beforeEach(async () => {
    server = await startPostgres();
  });

  afterEach(async () => {
    await server.stop();
  });

  it('speaks UTF-8 and is durable', async () => {
    const settings = ['server_encoding', 'fsync', 'full_page_writes', 'synchronous_commit'];
    const values = await Promise.all(settings.map((name) => ask(server.url, `SHOW ${name}`)));
    expect(values).toEqual(['UTF8', 'on', 'on', 'on']);
  });

  it('has databases that know nothing of each other, and that go', async () => {
    const [one, two] = await Promise.all([server.createDatabase(), server.createDatabase()]);
    await ask(one.url, 'CREATE TABLE mine (n int)');
    await expect(ask(two.url, 'SELECT n FROM mine')).rejects.toThrow('does not exist');
    await one.drop();
    await one.drop();
    await expect(ask(one.url, 'SELECT 1')).rejects.toThrow('does not exist');
    expect(await ask(two.url, 'SELECT 1')).toBe(1);
  });

  it('drops a database that is in use', async () => {
    const database = await server.createDatabase();
    const client = new pg.Client({ connectionString: database.url });
    // Twice: why the server ends the connection, and that it has ended.
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    await client.connect();
    const ended = new Promise<void>((resolve) => client.once('end', resolve));
    await database.drop();
    await ended;
    expect(errors[0]).toMatchObject({ code: '57P01' });
  });

  it('keeps what was committed when it is killed by SIGKILL', async () => {
    await ask(server.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    const parts = await partsOf(server.url);
    await server.kill('SIGKILL');
    expect(await aliveOf(parts.pids)).toEqual([]);
    await expect(ask(server.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(server.kill('SIGKILL')).rejects.toThrow('not running');
    await server.restart();
    expect(await ask(server.url, 'SELECT n FROM kept')).toBe(42);
  });

  it.each(['SIGINT', 'SIGQUIT'] as const)('shuts down by %s, and starts again', async (signal) => {
    await ask(server.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    await server.kill(signal);
    await expect(ask(server.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.restart();
    await server.restart();
    expect(await ask(server.url, 'SELECT n FROM kept')).toBe(42);
  });

  it('stands still by SIGSTOP, its open connections too, until SIGCONT', async () => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await server.kill('SIGSTOP');
    await expect(ask(server.url, 'SELECT 1')).rejects.toThrow('timeout');
    let hasAnswered = false;
    const answer = client.query('SELECT 1').then(() => (hasAnswered = true));
    await delay(50);
    expect(hasAnswered).toBe(false);
    await server.kill('SIGCONT');
    await answer;
    await client.end();
    expect(await ask(server.url, 'SELECT 1')).toBe(1);
  });

  it('waits for its port when it starts again', async () => {
    const { folder } = await partsOf(server.url);
    await server.kill('SIGINT');
    const squatter = createServer().listen(Number(new URL(server.url).port), '127.0.0.1');
    await once(squatter, 'listening');
    const restarted = server.restart();
    while (!(await readFile(join(folder, 'log'), 'utf8')).includes('Address already in use'))
      await delay(5);
    squatter.close();
    await restarted;
    expect(await ask(server.url, 'SELECT 1')).toBe(1);
  });

  it.each([
    ['runs', []],
    ['stands still', ['SIGSTOP']],
    ['was killed', ['SIGKILL']],
  ] as const)('leaves no process and no folder when it %s and is stopped', async (_, signals) => {
    const parts = await partsOf(server.url);
    expect(await leftOf(parts)).toHaveLength(parts.pids.length + 1);
    for (const signal of signals) await server.kill(signal);
    await server.stop();
    await server.stop();
    expect(await leftOf(parts)).toEqual([]);
  });
});

describe('starting a PostgreSQL', () => {
  it('turns durability off on request, and sets what it is told to', async () => {
    await using server = await startPostgres({
      isDurable: false,
      isOnDisk: true,
      settings: { work_mem: '5MB' },
    });
    const settings = ['fsync', 'full_page_writes', 'synchronous_commit', 'work_mem'];
    const values = await Promise.all(settings.map((name) => ask(server.url, `SHOW ${name}`)));
    expect(values).toEqual(['off', 'off', 'off', '5MB']);
  });

  it('says what the server said when it did not start', async () => {
    const settings = { work_mem: 'plenty' };
    await expect(startPostgres({ settings })).rejects.toThrow(/work_mem.*plenty/);
  });

  it('makes one template however many need it at once, and copies it', async () => {
    const [binaries, user] = await Promise.all([findBinaries(), serverUser()]);
    const root = makeServerFolder(false);
    await giveTo(user, root);
    const fill = async (name: string) => {
      const folder = join(root, name);
      await mkdir(folder);
      await giveTo(user, folder);
      return fillDataFolder(binaries!, user, folder, join(root, 'templates'));
    };
    const [one, two] = await Promise.all([fill('one'), fill('two')]);
    const copied = await fill('three');
    expect([one, two]).toContain(copied);
    expect(await readdir(join(root, 'templates'))).toHaveLength(1);
    expect(await readdir(join(root, 'three', 'data'))).toContain('PG_VERSION');
    await rm(root, { recursive: true });
  });
});

describe('a PostgreSQL for the whole process', () => {
  type Child = ChildProcessByStdio<Writable, Readable, null>;
  const PROGRAM = fileURLToPath(new URL('servicesChild.ts', import.meta.url));

  async function startChild(kinds: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child: Child = spawn(process.execPath, [PROGRAM, ...kinds], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, HOLDFAST_TEST_POSTGRES_URL: '', ...env },
    });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    return { child, urls: JSON.parse(line) as string[] };
  }

  it('is the same whenever it is asked for', async () => {
    const [one, two] = [await sharedPostgres(), await sharedPostgres()];
    expect(one.url).toBe(two.url);
    const [mine, yours] = await Promise.all([one.createDatabase(), two.createDatabase()]);
    expect(mine.url).not.toBe(yours.url);
    await Promise.all([mine.drop(), yours.drop()]);
  });

  it('is the one that HOLDFAST_TEST_POSTGRES_URL names', async () => {
    const url = 'postgres://somebody@elsewhere:1/db';
    const { child, urls } = await startChild(['shared'], { HOLDFAST_TEST_POSTGRES_URL: url });
    child.kill();
    expect(urls).toEqual([url]);
  });

  it('ends with the process, which it does not keep alive', async () => {
    const { child, urls } = await startChild(['shared', 'own']);
    const parts = await Promise.all(urls.map(partsOf));
    child.stdin.end();
    expect(await once(child, 'exit')).toEqual([0, null]);
    await Promise.all(parts.map(untilNothingIsLeft));
  });

  it('ends with the process when that is killed by SIGKILL', async () => {
    const { child, urls } = await startChild(['shared', 'own']);
    const parts = await Promise.all(urls.map(partsOf));
    expect(new Set(parts.map(({ folder }) => folder)).size).toBe(2);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await Promise.all(parts.map(untilNothingIsLeft));
  });
});
