import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Database,
  type Dialect,
  type MigrationProgress,
  Migrator,
  ownMigrator,
} from '../../src/index.ts';
import { ManualClock } from '../../src/testkit.ts';
import { MigrateWorld, refusalOf, tablesOf } from './migrateWorld.ts';

let world: MigrateWorld;
let db: Database;

const USERS = `-- up
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);
-- down
DROP TABLE users;
`;
const ROLES = `-- up
CREATE TABLE roles (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO roles VALUES (1, 'admin'), (2, 'guest');
UPDATE roles SET name = 'owner' WHERE id = 1;
-- down
DROP TABLE roles;
`;

describe.each<Dialect>(['sqlite', 'postgres'])('up, on %s,', (dialect) => {
  beforeEach(async () => {
    world = await MigrateWorld.create(dialect);
    db = await world.connect();
  });
  afterEach(() => world.remove());

  test('applies what is there in order, and remembers it [MG-1] [DB-8]', async () => {
    await world.write({ '20240102_roles.sql': ROLES, '20240101_users.sql': USERS });
    const result = await world.migrator(db).up();
    expect(result.migrations.map(({ name }) => name)).toEqual(['20240101_users', '20240102_roles']);
    expect(result).toMatchObject({ current: '20240102_roles', dryRun: false, untried: [] });
    expect(await tablesOf(db)).toEqual(['holdfast_migrations', 'roles', 'users']);
    expect((await db.query('SELECT name FROM roles ORDER BY id')).rows).toEqual([
      { name: 'owner' },
      { name: 'guest' },
    ]);
  });

  test('stops at the one that it is told, and knows all others as pending [MG-1]', async () => {
    await world.write({ '1_a.sql': USERS, '2_b.sql': ROLES });
    const migrator = world.migrator(db);
    expect((await migrator.up({ to: '1_a' })).current).toBe('1_a');
    expect((await migrator.status()).pending).toEqual(['2_b']);
    expect(await refusalOf(migrator.up({ to: '3_c' }))).toContain('there is no migration 3_c');
    expect((await migrator.up({ to: '1_a' })).migrations).toEqual([]);
  });

  test('does nothing when there is nothing to do, as often as it is called [MG-4]', async () => {
    await world.write({ '1_a.sql': USERS });
    const migrator = world.migrator(db);
    await migrator.up();
    const before = await migrator.status();
    for (const again of [migrator, world.migrator(await other())]) {
      expect(await again.up()).toEqual({
        migrations: [],
        untried: [],
        current: '1_a',
        dryRun: false,
      });
    }
    expect(await migrator.status()).toEqual(before);
  });

  test('needs no lock when there is nothing to do: programs start while others migrate [MG-4]', async () => {
    await world.write({ '1_a.sql': USERS });
    await world.migrator(db).up();
    const bystander = world.migrator(await other(), { lockTimeoutMs: 0 });
    let seen: unknown;
    const up = async (): Promise<void> => {
      seen = await bystander.up();
    };
    await world.migrator(db, { migrations: [{ name: '1', up }], table: 'others' }).up();
    expect(seen).toMatchObject({ migrations: [], current: '1_a' });
  });

  test('reads nothing but the version table for the current version, and makes none', async () => {
    const migrator = world.migrator(db, { directory: join(world.folder, 'nowhere') });
    expect(await migrator.getCurrentVersion()).toBeNull();
    expect(await tablesOf(db)).toEqual([]);
    expect(await refusalOf(migrator.up())).toMatch(
      /^MIGRATION_INVALID: .*nowhere: migrations cannot/,
    );
    expect(await tablesOf(db)).toEqual([]);
  });

  test('respects what a migration requires, whatever its name says [MG-6]', async () => {
    await world.write({
      '1_a.sql': '-- requires: 2_b\n-- up\nINSERT INTO b VALUES (1);',
      '2_b.sql': '-- up\nCREATE TABLE b (id integer);',
    });
    const { migrations } = await world.migrator(db).up();
    expect(migrations.map(({ name }) => name)).toEqual(['2_b', '1_a']);
  });

  test('applies nothing where requirements go round in a circle [MG-6]', async () => {
    await world.write({
      '0_first.sql': USERS,
      '1_a.sql': '-- requires: 2_b\n-- up\nSELECT 1;',
      '2_b.sql': '-- requires: 1_a\n-- up\nSELECT 1;',
    });
    expect(await refusalOf(world.migrator(db).up())).toContain('circle: 1_a → 2_b → 1_a');
    expect(await tablesOf(db)).toEqual([]);
  });

  test('runs modules, which transform data row by row [MG-3]', async () => {
    await world.write({
      '1_people.sql': `-- up
        CREATE TABLE people (id integer PRIMARY KEY, full_name text, first text, last text);
        INSERT INTO people (id, full_name) VALUES (1, 'Ada Lovelace'), (2, 'Alan Turing');`,
      '2_names.ts': `
        import type { MigrationContext } from 'holdfast';
        export const requires = '1_people';
        export async function up(tx: MigrationContext): Promise<void> {
          const { rows } = await tx.query<{ id: number; full_name: string }>('SELECT * FROM people');
          for (const { id, full_name } of rows) {
            const [first, last] = full_name.split(' ');
            await tx.query('UPDATE people SET first = $1, last = $2 WHERE id = $3', [first, last, id]);
          }
        }
        export const down = 'UPDATE people SET first = NULL, last = NULL WHERE true';
      `,
      '3_upper.mjs': `export default {
        up: async (tx) => { await tx.query("UPDATE people SET last = upper(last) WHERE id = 1"); } };`,
    });
    const migrator = world.migrator(db);
    const result = await migrator.up();
    expect(result.migrations.map(({ rows }) => rows)).toEqual([2, 2, 1]);
    const { rows } = await db.query('SELECT first, last FROM people ORDER BY id');
    expect(rows).toEqual([
      { first: 'Ada', last: 'LOVELACE' },
      { first: 'Alan', last: 'Turing' },
    ]);
    expect(await refusalOf(migrator.down(2))).toMatch(/3_upper.mjs: it cannot be undone/);
  });

  test('takes migrations from an array, with SQL for each database [MG-1]', async () => {
    const up = { sqlite: 'CREATE TABLE a (s integer)', postgres: 'CREATE TABLE a (p integer)' };
    await world.migrator(db, { migrations: [{ name: 'a', up }] }).up();
    expect(
      Object.keys((await db.query('INSERT INTO a VALUES (1) RETURNING *')).rows[0] ?? {}),
    ).toEqual([dialect === 'sqlite' ? 's' : 'p']);
  });

  test('records how long each took and how many rows it wrote, and tells while it works [MG-9]', async () => {
    const clock = new ManualClock();
    const told: MigrationProgress[] = [];
    const migrations = [
      {
        name: '1',
        up: async (tx: { query: Database['query'] }) => {
          await tx.query('CREATE TABLE a (id integer); INSERT INTO a VALUES (1), (2), (3)');
          await tx.query('SELECT * FROM a');
          clock.advance(250);
          await tx.query('WITH b AS (SELECT 1 AS id) DELETE FROM a WHERE id IN (SELECT id FROM b)');
        },
      },
      { name: '2', up: 'SELECT 1' },
    ];
    const migrator = world.migrator(db, { migrations, clock });
    const result = await migrator.up({ onProgress: (progress) => told.push(progress) });
    expect(result.migrations).toEqual([
      { name: '1', durationMs: 250, rows: 4 },
      { name: '2', durationMs: 0, rows: 0 },
    ]);
    expect((await migrator.status()).migrations[0]).toMatchObject({
      state: 'applied',
      durationMs: 250,
      rows: 4,
      appliedAt: new Date(Date.UTC(2026, 0, 2)),
    });
    expect(
      told.map((one) => (one.phase === 'waiting' ? '' : `${one.phase} ${one.number}/${one.total}`)),
    ).toEqual(['begun 1/2', 'done 1/2', 'begun 2/2', 'done 2/2']);
  });

  test('keeps what was committed before the signal, and nothing of what it interrupts', async () => {
    const stop = new AbortController();
    const migrations = [
      { name: '1', up: 'CREATE TABLE a (id integer)' },
      {
        name: '2',
        up: async (tx: { query: Database['query'] }) => {
          await tx.query('CREATE TABLE b (id integer)');
          stop.abort();
          await tx.query('CREATE TABLE c (id integer)');
        },
      },
    ];
    const migrator = world.migrator(db, { migrations });
    expect(await refusalOf(migrator.up({ signal: stop.signal }))).toMatch(/^ABORTED: /);
    expect(await tablesOf(db)).toEqual(['a', 'holdfast_migrations']);
    expect(await migrator.getCurrentVersion()).toBe('1');
  });

  test('looks for ./migrations unless told otherwise, and keeps a plain table', async () => {
    expect(await refusalOf(new Migrator(db).up())).toMatch(
      new RegExp(`^MIGRATION_INVALID: ${process.cwd()}/migrations: migrations cannot be read`),
    );
    expect(() => new Migrator(db, { table: 'a; b' })).toThrow('table: a; b is not a plain');
    expect(await new Migrator(db, { migrations: [] }).repair()).toEqual({
      settled: [],
      acceptedEdited: [],
      acceptedDrift: [],
      problems: [],
    });
    expect(await ownMigrator(db).getCurrentVersion()).toBeNull();
  });
});

function other(): Promise<Database> {
  return world.connect();
}
