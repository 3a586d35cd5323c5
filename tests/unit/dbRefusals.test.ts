import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, type Database } from '../../src/index.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';

const INDEX = new URL('../../src/index.ts', import.meta.url).href;

/** A program that has nothing else to do; it is given the URL, and is gone after the test. */
function program(databases: Databases, url: string, source: string): ChildProcess {
  const text = `import { connectDatabase, openStore } from '${INDEX}';\n${source}`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', text, url];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  databases.afterwards(() => child.kill('SIGKILL'));
  return child;
}

describe.each(DIALECTS)('a database in %s', (dialect) => {
  const databases = new Databases(dialect, { isEmpty: true });
  let db: Database;

  beforeEach(async () => {
    db = await databases.connect();
    await db.query('CREATE TABLE t (a int)');
  });

  test.each(['BEGIN', 'begin;', 'SAVEPOINT s', 'COMMIT', 'ROLLBACK', 'START TRANSACTION'])(
    'refuses %s by itself, whose transaction the next query would not be in [DB-1]',
    async (sql) => {
      await expect(db.query(sql)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  );

  test('takes a text that holds the whole of its transaction [DB-1]', async () => {
    await db.query('BEGIN; INSERT INTO t VALUES (1); COMMIT');
    expect((await db.query('SELECT a FROM t')).rows).toEqual([{ a: 1 }]);
  });

  test('refuses options that it does not know [DB-1]', async () => {
    const options = { poolSize: 3 } as object;
    await expect(connectDatabase(await databases.url(), options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('options.poolSize') as unknown,
    });
  });

  test('that a store is not in cannot take its commits along [ST-1]', async () => {
    const store = await databases.open({}, await databases.another());
    await store.runs.create({ id: 'r', workflow: 'w' });
    const enlisted = () =>
      db.transaction((tx) => store.enlist(tx).runs.update('r', { status: 'running' }));
    await expect(enlisted()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await databases.open();
    await expect(enlisted()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await store.runs.get('r')).status).toBe('queued');
  });

  test('keeps a program alive that watches a store in it, and does nothing else [EM-2]', async () => {
    const store = await databases.open();
    const source = `
      const store = await openStore(process.argv[1]);
      const commits = store.watch();
      console.log('ready');
      for await (const { changes } of commits) {
        console.log(changes[0].type);
        break;
      }
      await store.close();`;
    const watching = program(databases, await databases.url(), source);
    const lines = createInterface({ input: watching.stdout as NodeJS.ReadableStream });
    const said: string[] = [];
    lines.on('line', (line) => said.push(line));
    const ended = once(watching, 'exit');
    await once(lines, 'line');
    await store.runs.create({ workflow: 'w' });
    expect(await ended).toEqual([0, null]);
    expect(said).toEqual(['ready', 'run.created']);
  });
});

const protectedDatabases = new Databases('postgres', { isEmpty: true });

test('a program ends that was refused for want of a password [ED-2]', async () => {
  const url = new URL(await protectedDatabases.url());
  url.password = '';
  const source = `
    await connectDatabase(process.argv[1]).catch(({ code }) => console.log(code));`;
  const refused = program(protectedDatabases, url.href, source);
  const lines = createInterface({ input: refused.stdout as NodeJS.ReadableStream });
  const [said] = (await once(lines, 'line')) as [string];
  expect(said).toBe('QUERY_FAILED');
  expect(await once(refused, 'exit')).toEqual([0, null]);
});
