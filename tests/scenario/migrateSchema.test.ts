import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Database,
  describeDifference,
  type Dialect,
  type Migration,
  type MigrationContext,
} from '../../src/index.ts';
import { MigrateWorld, refusalOf, tablesOf } from './migrateWorld.ts';

let world: MigrateWorld;
let db: Database;

const users: Migration = {
  name: '1_users',
  up: `CREATE TABLE users (id integer PRIMARY KEY, email text NOT NULL);
    CREATE UNIQUE INDEX users_email ON users (email);
    CREATE VIEW emails AS SELECT email FROM users;`,
  down: 'DROP VIEW emails; DROP TABLE users',
};
const posts: Migration = {
  name: '2_posts',
  up: 'CREATE TABLE posts (id integer PRIMARY KEY, author integer REFERENCES users (id))',
  down: 'DROP TABLE posts',
};

async function driftAfter(sql: string): Promise<readonly string[]> {
  const migrator = world.migrator(db, { migrations: [users] });
  await migrator.up();
  await db.query(sql);
  return (await migrator.status()).drift.map(describeDifference);
}

describe.each<Dialect>(['sqlite', 'postgres'])('the schema, on %s,', (dialect) => {
  const [at] = [(name: string) => (dialect === 'postgres' ? `public.${name}` : name)];

  beforeEach(async () => {
    world = await MigrateWorld.create(dialect);
    db = await world.connect();
  });
  afterEach(() => world.remove());

  test('is afterwards as the migrations left it [MG-7]', async () => {
    const migrator = world.migrator(db, { migrations: [users, posts] });
    await migrator.up();
    expect((await migrator.status()).drift).toEqual([]);
    await migrator.down();
    expect((await migrator.status()).drift).toEqual([]);
    expect(await migrator.describeSchema()).toContain(
      `table ${at('users')}, column email: text not null\n`,
    );
  });

  test.each<[string, string, RegExp]>([
    [
      'a column more',
      'ALTER TABLE users ADD COLUMN age integer',
      /users, column age is not from a migration$/,
    ],
    [
      'a column less',
      'DROP VIEW emails; DROP INDEX users_email; ALTER TABLE users DROP COLUMN email',
      /column email is gone$/m,
    ],
    [
      'an index more',
      'CREATE INDEX by_hand ON users (id)',
      /users, index by_hand is not from a migration$/,
    ],
    ['an index less', 'DROP INDEX users_email', /users, index users_email is gone$/],
    [
      'another view',
      'DROP VIEW emails; CREATE VIEW emails AS SELECT id FROM users',
      /^view .*emails: .* → /i,
    ],
    ['no table', 'DROP VIEW emails; DROP TABLE users', /^table .*users is gone$/m],
  ])('that was changed by hand is reported: %s [MG-7]', async (_what, sql, line) => {
    expect((await driftAfter(sql)).join('\n')).toMatch(line);
  });

  test('of others is none of its business [MG-7]', async () => {
    await db.query('CREATE TABLE before (id integer)');
    expect(await driftAfter('CREATE TABLE beside (id integer); DROP TABLE before')).toEqual([]);
    const others = world.migrator(db, {
      table: 'others',
      migrations: [{ name: '1', up: 'CREATE TABLE other (id integer)' }],
    });
    await others.up();
    expect((await world.migrator(db, { migrations: [users] }).status()).drift).toEqual([]);
  });

  test('that has drifted stops up, unless that is allowed or accepted [MG-7] [MG-11]', async () => {
    await driftAfter('ALTER TABLE users ADD COLUMN age integer');
    const migrator = world.migrator(db, { migrations: [users, posts] });
    for (const dryRun of [true, false]) {
      expect(await refusalOf(migrator.up({ dryRun }))).toMatch(
        /^SCHEMA_DRIFTED: .*users, column age is not from a migration; undo that/,
      );
    }
    expect(await tablesOf(db)).not.toContain('posts');
    expect((await migrator.up({ allowDrift: true })).current).toBe('2_posts');
    expect((await migrator.status()).drift).toHaveLength(1);
    const { acceptedDrift } = await migrator.repair({ acceptDrift: true });
    expect(acceptedDrift.map(describeDifference)).toEqual([
      `table ${at('users')}, column age is not from a migration`,
    ]);
    expect((await migrator.status()).drift).toEqual([]);
    expect((await migrator.down(2)).current).toBeNull();
  });

  test('accepted once is held to afterwards: what was dropped must not come back [MG-7]', async () => {
    await driftAfter('DROP INDEX users_email');
    const migrator = world.migrator(db, { migrations: [users] });
    await migrator.repair({ acceptDrift: true });
    expect((await migrator.status()).drift).toEqual([]);
    await db.query('CREATE UNIQUE INDEX users_email ON users (email)');
    expect((await migrator.status()).drift).toHaveLength(1);
  });

  test('that drifted is no obstacle when there is nothing to apply [MG-4]', async () => {
    await driftAfter('ALTER TABLE users ADD COLUMN age integer');
    const migrator = world.migrator(db, { migrations: [users] });
    expect((await migrator.up()).migrations).toEqual([]);
  });

  test('is to be as before when a migration is undone, or nothing is undone [MG-2] [MG-7]', async () => {
    const careless: Migration = {
      name: '2_careless',
      up: 'ALTER TABLE users ADD COLUMN age integer; CREATE TABLE extra (id integer)',
      down: 'ALTER TABLE users DROP COLUMN age',
    };
    const migrator = world.migrator(db, { migrations: [users, careless] });
    await migrator.up();
    expect(await refusalOf(migrator.down())).toMatch(
      new RegExp(`^SCHEMA_DRIFTED: .*does not bring back .*table ${at('extra')}`),
    );
    expect(await migrator.getCurrentVersion()).toBe('2_careless');
    expect((await migrator.status()).drift).toEqual([]);
    expect((await migrator.down(1, { allowDrift: true })).current).toBe('1_users');
  });

  test('that a column left and came back to is the same again [MG-2]', async () => {
    const drop: Migration = {
      name: '2_drop',
      up: 'ALTER TABLE posts DROP COLUMN a',
      down: 'ALTER TABLE posts ADD COLUMN a text',
    };
    const make: Migration = {
      name: '1_make',
      up: 'CREATE TABLE posts (id integer PRIMARY KEY, a text, b text CHECK (b <> $$$$))'.replace(
        '$$$$',
        "''",
      ),
      down: 'DROP TABLE posts',
    };
    const migrator = world.migrator(db, { migrations: [make, drop] });
    await migrator.up();
    expect((await migrator.down()).current).toBe('1_make');
    expect((await migrator.status()).drift).toEqual([]);
  });

  test('and the data are what `verify` wants, or nothing of the migration stays [MG-7] [MG-8]', async () => {
    const verify = async (tx: MigrationContext): Promise<void> => {
      const { rows } = await tx.query<{ n: unknown }>('SELECT count(*) AS n FROM users');
      if (Number(rows[0]?.n) !== 2) throw new Error(`${String(rows[0]?.n)} users instead of 2`);
    };
    const fill = (values: string): Migration => ({
      name: '2_fill',
      up: `INSERT INTO users VALUES ${values}`,
      verify,
    });
    const bad = world.migrator(db, { migrations: [users, fill("(1, 'a')")] });
    expect(await refusalOf(bad.up())).toBe(
      'MIGRATION_FAILED: migrations[1] (2_fill), verify: 1 users instead of 2',
    );
    expect((await db.query('SELECT * FROM users')).rows).toEqual([]);
    const good = world.migrator(db, { migrations: [users, fill("(1, 'a'), (2, 'b')")] });
    expect((await good.up()).current).toBe('2_fill');
  });

  test('keeps its references: rows that lose what they refer to take the migration back [MG-8]', async () => {
    const orphan: Migration = { name: '3_orphan', up: 'DELETE FROM users WHERE id = 1' };
    const migrator = world.migrator(db, { migrations: [users, posts, orphan] });
    await migrator.up({ to: '2_posts' });
    await db.query("INSERT INTO users VALUES (1, 'a')");
    await db.query('INSERT INTO posts VALUES (1, 1)');
    expect(await refusalOf(migrator.up())).toMatch(
      dialect === 'sqlite'
        ? /^MIGRATION_FAILED: .*it would leave 1 rows of posts refer to users/
        : /^MIGRATION_FAILED: .*foreign key constraint/,
    );
    expect((await db.query('SELECT id FROM users')).rows).toEqual([{ id: 1 }]);
  });
});

describe('on SQLite a table can be built anew', () => {
  beforeEach(async () => {
    world = await MigrateWorld.create('sqlite');
    db = await world.connect();
  });
  afterEach(() => world.remove());

  test('without losing the rows of others that refer to it with ON DELETE CASCADE [MG-3] [MG-8]', async () => {
    const cascade: Migration = {
      name: '2_posts',
      up: 'CREATE TABLE posts (author integer REFERENCES users (id) ON DELETE CASCADE)',
    };
    const rebuild: Migration = {
      name: '3_rebuild',
      up: `DROP VIEW emails;
        CREATE TABLE new_users (id integer PRIMARY KEY, email text NOT NULL, age integer);
        INSERT INTO new_users (id, email) SELECT id, email FROM users;
        DROP TABLE users;
        ALTER TABLE new_users RENAME TO users;`,
    };
    const migrator = world.migrator(db, { migrations: [users, cascade, rebuild] });
    await migrator.up({ to: '2_posts' });
    await db.query("INSERT INTO users VALUES (1, 'a')");
    await db.query('INSERT INTO posts VALUES (1)');
    await migrator.up();
    expect((await db.query('SELECT author FROM posts')).rows).toEqual([{ author: 1 }]);
    // Enforced again: for programs nothing has changed.
    expect(await refusalOf(db.query('INSERT INTO posts VALUES (9)'))).toContain('FOREIGN KEY');
  });
});
