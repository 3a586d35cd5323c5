import { mkdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Dialect } from '../../src/index.ts';
import { type Result, World } from './cliWorld.ts';
import { MigrateWorld } from './migrateWorld.ts';

let world: MigrateWorld;
let cli: World;

beforeEach(async () => {
  cli = await World.create();
});
afterEach(async () => {
  await cli.remove();
  await world.remove();
});

function holdfast(...args: readonly string[]): Promise<Result> {
  return cli.run([...args, '--store', world.url]);
}

describe.each<Dialect>(['sqlite', 'postgres'])('holdfast migrate --own, on %s,', (dialect) => {
  beforeEach(async () => {
    world = await MigrateWorld.create(dialect);
    await mkdir(cli.path('migrations'));
    await cli.write('migrations/1_users.sql', '-- up\nCREATE TABLE users (id integer);');
  });

  test('makes the tables of a store beside a folder of other migrations [MG-1] [DB-8]', async () => {
    const planned = (await holdfast('migrate', 'plan', '--own', '--json')).stdout.trim();
    const names = planned.split('\n').map((line) => (JSON.parse(line) as { name: string }).name);
    expect(names).not.toContain('1_users');
    expect((await holdfast('migrate', 'up')).stdout).toContain('1_users');
    const up = await holdfast('migrate', 'up', '--own');
    expect(up).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`now at ${names.at(-1)}`),
    });
    expect((await holdfast('ls')).stderr).toBe('no run matches\n');
    const status = await holdfast('migrate', 'status', '--own');
    expect(status).toMatchObject({ code: 0, stdout: expect.not.stringContaining('1_users') });
    expect((await holdfast('migrate', 'repair', '--own')).code).toBe(0);
    expect((await holdfast('migrate', 'down', '--own')).stdout).not.toContain('1_users');
    const both = await holdfast('migrate', 'up', '--own', '--directory', 'migrations');
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('--own takes no') });
  });
});

describe('a PostgreSQL without the tables of a store', () => {
  beforeEach(async () => {
    world = await MigrateWorld.create('postgres');
  });

  test.each(['ls', 'stats'])('is refused by %s with the command that makes them', async (verb) => {
    const { code, stderr } = await holdfast(verb);
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /^holdfast: there is no store in \S+ — .*`holdfast migrate up --own --store postgres:\S+`/,
    );
  });

  test('is refused by record, which gives that advice once, and it helps [DB-8]', async () => {
    const record = ['record', '--store', world.url, '--', 'true'];
    const { code, stderr: said } = await cli.run(record);
    expect(code).toBe(7);
    expect(said.match(/holdfast migrate up/g)).toHaveLength(1);
    const [, command = ''] = /run `holdfast ([^`]+)`/.exec(said) ?? [];
    expect(command).toMatch(/^migrate up --own --store \S+$/);
    // The password stays out of every message.
    const typed = [...command.split(' ').slice(0, -1), world.url];
    expect((await cli.run(typed)).code).toBe(0);
    expect((await cli.run(record)).code).toBe(0);
  });

  test('or one that is not there at all, is not blamed on a statement or a disk', async () => {
    const absent = new URL(world.url);
    absent.pathname = '/no_such_database';
    const missing = await cli.run(['ls', '--store', absent.href]);
    expect(missing.stderr).toMatch(/ — check the name of the database in the URL, or create it\n$/);
    absent.host = '127.0.0.1:1';
    const down = await cli.run(['ls', '--store', absent.href]);
    expect(down.stderr).toMatch(/ — check that the database server runs, [^\n]+\n$/);
    expect(down.stderr).not.toContain('disk');
  });
});

test('a wrong argument of migrate is sent to the list of migrations', async () => {
  world = await MigrateWorld.create('sqlite');
  const { code, stderr } = await holdfast('migrate', 'up', '--own', '--to', 'nowhere');
  expect(code).toBe(2);
  expect(stderr).toMatch(/no migration nowhere — `holdfast migrate status` lists [^\n]+\n$/);
});
