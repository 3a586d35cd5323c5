import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, type Dialect } from '../../src/index.ts';
import { type Result, World } from './cliWorld.ts';
import { MigrateWorld } from './migrateWorld.ts';

let world: MigrateWorld;
let cli: World;

beforeEach(async () => {
  cli = await World.create();
});
afterEach(async () => {
  await world.remove();
  await cli.remove();
});

/** Runs the command line beside a folder `migrations`. */
function migrate(...args: readonly string[]): Promise<Result> {
  return cli.run(['migrate', ...args, '--store', world.url]);
}

async function make(dialect: Dialect): Promise<void> {
  world = await MigrateWorld.create(dialect);
  await world.write({
    '1_users.sql':
      '-- up\nCREATE TABLE users (id integer);\nINSERT INTO users VALUES (1);\n-- down\nDROP TABLE users;',
    '2_posts.sql': '-- up\nCREATE TABLE posts (id integer);\nDELETE FROM users;\n',
  });
  await publish();
}

async function publish(): Promise<void> {
  await cp(world.directory, cli.path('migrations'), { recursive: true });
}

describe.each<Dialect>(['sqlite', 'postgres'])('holdfast migrate, on %s,', (dialect) => {
  beforeEach(() => make(dialect));

  test('plans with warnings, tries, applies and undoes [DB-8] [MG-1] [MG-2] [MG-10]', async () => {
    const plan = await migrate('plan');
    expect(plan).toMatchObject({ code: 0, stderr: '' });
    const file = join(cli.folder, 'migrations', '2_posts.sql');
    expect(plan.stdout).toBe(
      '○ 1_users\n○ 2_posts  cannot be undone\n' +
        `  ⚠ ${file}, line 3: DELETE without WHERE changes every row of the table\n`,
    );
    const dry = await migrate('up', '--dry-run');
    expect(dry.stdout).toMatch(
      /^○ 1_users {2}\d+ms, 1 row\n○ 2_posts .*\na dry run: nothing was applied, no migration is applied\n$/,
    );
    const first = await migrate('up', '--to', '1_users');
    expect(first.stdout).toMatch(/^✔ 1_users {2}.*, 1 row\nnow at 1_users\n$/);
    expect((await migrate('down')).stdout).toMatch(/^✔ 1_users .*\nno migration is applied\n$/);
    expect((await migrate('up')).code).toBe(0);
    expect((await migrate('up')).stdout).toBe('nothing to be applied, now at 2_posts\n');
    expect((await migrate('plan')).stdout).toBe('nothing is pending\n');
    const refused = await migrate('down', '2');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /^holdfast: .*2_posts\.sql: it cannot be undone[^\n]* — [^\n]+\n$/,
    );
    expect((await migrate('down', '1_users')).stderr).toContain('cannot be undone');
  });

  test('shows the status, and fails when something is wrong [MG-11]', async () => {
    await migrate('up', '--to', '1_users');
    const good = await migrate('status');
    expect(good.code).toBe(0);
    expect(good.stdout.split('\n')).toEqual([
      expect.stringMatching(/^✔ applied {2}1_users {2}\d{4}-.*Z {2}\d+ms, 1 row$/),
      '○ pending  2_posts',
      expect.stringMatching(/^ {2}⚠ .*2_posts\.sql, line 3: DELETE/),
      'at 1_users, 1 migration pending',
      '',
    ]);
    await world.write({ '1_users.sql': '-- up\nCREATE TABLE users (number integer);' });
    await publish();
    await using db = await connectDatabase(world.url);
    await db.query('CREATE INDEX by_hand ON users (id)');
    const bad = await migrate('status');
    expect(bad.code).toBe(7);
    expect(bad.stdout).toMatch(
      /✖ .*1_users\.sql was changed .* \(MIGRATION_EDITED\)\n✖ drift: table .*by_hand/,
    );
    const up = await migrate('up');
    expect(up.code).toBe(7);
    expect(up.stderr).toMatch(
      /^holdfast: [^\n]*1_users\.sql was changed[^\n]* — Bring the file back[^\n]*\n$/,
    );
    const untold = await migrate('repair');
    expect(untold.stdout).toMatch(
      /^✖ left: .*1_users\.sql was changed .*--accept-edited 1_users.* \(MIGRATION_EDITED\)\n$/,
    );
    const repair = await migrate('repair', '--accept-edited', '1_users', '--accept-drift');
    expect(repair.stdout).toMatch(
      /^✔ 1_users is accepted as it is now\n✔ accepted: table .*by_hand/,
    );
    expect((await migrate('repair', '--accept-edited', '1_users')).stdout).toBe(
      '○ 1_users is as it was applied: nothing to accept\n',
    );
    expect((await migrate('repair')).stdout).toBe('there is nothing to repair\n');
    expect((await migrate('up')).code).toBe(0);
  });

  test('speaks JSON to programs', async () => {
    const [first] = (await migrate('plan', '--json')).stdout.split('\n');
    expect(JSON.parse(first ?? '')).toMatchObject({ name: '1_users', warnings: [] });
    const applied = JSON.parse((await migrate('up', '--json')).stdout) as unknown;
    expect(applied).toMatchObject({ current: '2_posts', dryRun: false });
    expect(JSON.parse((await migrate('status', '--json')).stdout)).toMatchObject({ problems: [] });
    expect(JSON.parse((await migrate('repair', '--json')).stdout)).toMatchObject({ settled: [] });
    const wrong = await migrate('down', '9', '--json');
    expect(JSON.parse(wrong.stderr)).toMatchObject({ error: { code: 'INVALID_ARGUMENT' } });
  });
});

describe('holdfast migrate', () => {
  beforeEach(() => make('sqlite'));

  test.each<[string[], string]>([
    [['sideways'], 'It is one of up, down, status, plan, repair'],
    [['up', '3'], 'up takes no 3'],
    [['status', '--store', 'file:./x'], 'file:./x has no schema to migrate — name a database'],
    [['up', '--directory', 'nowhere'], 'nowhere: migrations cannot be read'],
  ])('%j is refused with one line and code 2', async (args, message) => {
    const { code, stderr } = await cli.run(['migrate', '--store', world.url, ...args]);
    expect({ code, lines: stderr.trim().split('\n').length }).toEqual({ code: 2, lines: 1 });
    expect(stderr).toContain(message);
  });

  test('settles what was cut off, and says what verify thinks of it [MG-11]', async () => {
    await world.write({
      '3_out.mjs': `export const transactional = false;
        export const up = () => { throw new Error('cut off'); };
        export const verify = () => { throw new Error('not there yet'); };`,
    });
    await publish();
    expect((await migrate('up')).stderr).toContain('cut off');
    const { stdout } = await migrate('repair');
    expect(stdout).toBe(
      '✔ 3_out may go on: run up, or down, again\n  its verify says: not there yet\n',
    );
  });

  test('lists what a dry run could not try [MG-10]', async () => {
    await world.write({ '3_v.sql': '-- transactional: false\n-- up\nVACUUM;' });
    await publish();
    expect((await migrate('up', '--dry-run')).stdout).toContain('○ 3_v  not tried');
    expect((await migrate('plan')).stdout).toContain(
      '3_v  without a transaction, cannot be undone',
    );
  });

  test('without a folder speaks of the migrations of Holdfast itself', async () => {
    const elsewhere = await MigrateWorld.create('sqlite');
    try {
      const status = await cli.run(['migrate', 'status', '--json', '--store', elsewhere.url], {
        cwd: elsewhere.folder.replace(/$/, '/migrations'),
      });
      expect(JSON.parse(status.stdout)).toMatchObject({ current: null, problems: [] });
    } finally {
      await elsewhere.remove();
    }
  });
});
