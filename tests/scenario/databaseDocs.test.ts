import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, type Dialect, ERROR_CODES, openStore } from '../../src/index.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../services/postgres.ts';
import { Page, ROOT } from './document.ts';
import { runProgram } from './program.ts';

const page = new Page('docs/databases.md');
const [connecting = '', opening = '', watching = '', listening = ''] = page.blocks('ts');
const [granting = ''] = page.blocks('sql');
/** The one place that the page names. */
const PLACE = 'postgres://app@db.example.com/app';

// Its roles are those of the page, and nobody else's.
let server: PostgresServer;
let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-docs-'));
  database = await server.createDatabase();
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const urlOf = (dialect: Dialect) =>
  dialect === 'postgres' ? database.url : `sqlite:${join(folder, 'app.db')}`;

/** Runs a block as it stands, between what it takes for granted and what tells of it. */
function run(url: string, block: string, before: string, after: string): Promise<unknown> {
  expect(block).not.toBe('');
  return runProgram({ folder, text: `${before}\n${block}\n${after}`, places: { [PLACE]: url } });
}

/** The command that the page gives for the tables of a store. */
async function migrate(url: string): Promise<void> {
  const [, command = ''] = /`holdfast (migrate up --own --store) postgres:/.exec(page.text) ?? [];
  const cli = join(ROOT, 'src/cli.ts');
  const args = ['--no-warnings', cli, ...command.split(' '), url];
  await promisify(execFile)(process.execPath, args, { cwd: folder });
}

describe.each<Dialect>(['sqlite', 'postgres'])('docs/databases.md on %s', (dialect) => {
  test('moves money from one account to the other, and tells who is in debt [DB-1]', async () => {
    await using db = await connectDatabase(urlOf(dialect));
    await db.query('CREATE TABLE accounts (id text PRIMARY KEY, cents integer)');
    await db.query("INSERT INTO accounts VALUES ('a', 100), ('b', 0)");
    const told = await run(
      urlOf(dialect),
      connecting,
      '',
      'console.log(JSON.stringify({ rows, rowCount }));',
    );
    expect(told).toEqual({ rows: [{ id: 'a' }], rowCount: 1 });
    const { rows } = await db.query('SELECT id, cents FROM accounts ORDER BY id');
    expect(rows).toEqual([
      { id: 'a', cents: -400 },
      { id: 'b', cents: 500 },
    ]);
  });

  test('opens a store, after its tables were made as the page says [DB-8]', async () => {
    const url = urlOf(dialect);
    await migrate(url);
    const after = `await store.runs.create({ id: 'r', workflow: 'w' });
      console.log(JSON.stringify((await store.runs.get('r')).workflow));
      await store.close();`;
    expect(await run(url, opening, '', after)).toBe('w');
    await using store = await openStore(url);
    expect((await store.runs.get('r')).workflow).toBe('w');
  });

  test('watches, and goes on behind the last commit that it was given [EM-2]', async () => {
    const url = urlOf(dialect);
    await migrate(url);
    // Fails once, in the middle, as it does when the server restarts.
    const before = `import { isStoreError, openStore } from 'holdfast';
      const store = await openStore('${PLACE}');
      const stop = new AbortController();
      const { signal } = stop;
      const waits = [];
      const setTimeout = async (ms) => void waits.push(ms);
      const seen = [];
      async function handle(commit) {
        const [{ runId, type }] = commit.changes;
        seen.push([runId, type]);
        if (seen.length === 2) await store.runs.get('nowhere').catch((error) => {
          throw Object.assign(error, { code: 'STORAGE_FAILED', retryable: true });
        });
        if (runId === 'c') stop.abort();
      }
      const writing = new Promise((resolve) => setImmediate(resolve)).then(async () => {
        for (const id of ['a', 'b', 'c']) await store.runs.create({ id, workflow: 'w' });
      });`;
    const after = `await writing;
      await store.close();
      console.log(JSON.stringify({ seen, waits }));`;
    const created = (id: string) => [id, 'run.created'];
    expect(await run(url, watching, before, after)).toEqual({
      seen: ['a', 'b', 'b', 'c'].map(created),
      waits: [1_000],
    });
  });
});

describe('docs/databases.md', () => {
  test('hears what is notified, and looks again after a gap [DB-2] [ED-4]', async () => {
    const before = `import { connectDatabase } from 'holdfast';
      const db = await connectDatabase('${PLACE}');
      // Listening keeps no process alive.
      const alive = setInterval(() => undefined, 60_000);
      const heard = [];
      let told = () => undefined;
      const wake = (payload) => { heard.push(payload); told(); };
      const lookAgain = () => { heard.push('a gap'); told(); };
      const next = (act) => new Promise((resolve, reject) => {
        told = resolve;
        act().catch(reject);
      });`;
    const after = `await next(() => db.query("SELECT pg_notify('jobs', 'first')"));
      await next(() => db.query(\`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'\`));
      await next(() => db.query("SELECT pg_notify('jobs', 'second')"));
      await stop();
      await db.query("SELECT pg_notify('jobs', 'unheard')");
      await db.close();
      clearInterval(alive);
      console.log(JSON.stringify(heard));`;
    const heard = await run(database.url, listening, before, after);
    expect(heard).toEqual(['first', 'a gap', 'second']);
  });

  test('gives an application the rights that it needs, and they are enough [AR-1] [RM-1]', async () => {
    await migrate(database.url);
    await using owner = await connectDatabase(database.url);
    await owner.query("CREATE ROLE app LOGIN PASSWORD 'app'");
    const url = new URL(database.url);
    [url.username, url.password] = ['app', 'app'];
    await expect(openStore(url.href)).rejects.toMatchObject({ code: 'QUERY_FAILED' });
    await owner.query(granting);
    await using store = await openStore(url.href);
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.artifacts.put('r', { name: 'a', mediaType: 'text/plain', body: 'bytes' });
    await store.runs.delete('r');
    expect((await store.verify()).findings).toEqual([]);
    await using app = await connectDatabase(url.href);
    await expect(app.query('DROP TABLE holdfast_runs')).rejects.toThrow('must be owner');
  });

  test('names only codes and links that exist', () => {
    const codes = [...page.text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code = '']) => code);
    const known = new Set(Object.keys(ERROR_CODES));
    expect(codes.length).toBeGreaterThan(15);
    expect(codes.filter((code) => !known.has(code))).toEqual([]);
    const links = [...page.text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link);
    const pages = dirname(join(ROOT, 'docs/databases.md'));
    expect(links.filter((link) => !existsSync(join(pages, link)))).toEqual([]);
  });

  test('has no block of a program that is not run here', () => {
    expect(page.blocks('ts')).toHaveLength(4);
    expect(page.blocks('sql')).toHaveLength(1);
    expect(page.blocks('sh')).toHaveLength(0);
  });
});
