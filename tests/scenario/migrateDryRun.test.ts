import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, Dialect, Migration, MigrationContext } from '../../src/index.ts';
import { everythingOf, MigrateWorld, refusalOf } from './migrateWorld.ts';

let world: MigrateWorld;
let db: Database;

const base: Migration = {
  name: '1_base',
  up: `CREATE TABLE people (id integer PRIMARY KEY, name text);
    INSERT INTO people VALUES (1, 'Ada'), (2, 'Alan');`,
  down: 'DROP TABLE people',
};

const change: Migration = {
  name: '2_change',
  up: async (tx: MigrationContext) => {
    await tx.query('ALTER TABLE people ADD COLUMN born integer');
    await tx.query('UPDATE people SET born = $1 WHERE id = $2', [1815, 1]);
    await tx.query('DELETE FROM people WHERE id = 2');
    await tx.query('CREATE TABLE more (id integer); CREATE VIEW v AS SELECT id FROM people');
  },
  down: 'DROP VIEW v; DROP TABLE more; ALTER TABLE people DROP COLUMN born',
};

describe.each<Dialect>(['sqlite', 'postgres'])('a dry run, on %s,', (dialect) => {
  beforeEach(async () => {
    world = await MigrateWorld.create(dialect);
    db = await world.connect();
  });
  afterEach(() => world.remove());

  test('writes nothing on an empty database, not even the version table [MG-10]', async () => {
    const before = await everythingOf(db);
    const result = await world.migrator(db, { migrations: [base, change] }).up({ dryRun: true });
    expect(result).toMatchObject({ dryRun: true, current: null, untried: [] });
    expect(result.migrations.map(({ name, rows }) => [name, rows])).toEqual([
      ['1_base', 2],
      ['2_change', 2],
    ]);
    expect(await everythingOf(db)).toEqual(before);
  });

  test('writes nothing where there is something, and finds what would fail [MG-10]', async () => {
    await world.migrator(db, { migrations: [base] }).up();
    const before = await everythingOf(db);
    const bad = {
      name: '3_bad',
      up: 'INSERT INTO more VALUES (1); INSERT INTO nowhere VALUES (1)',
    };
    const migrator = world.migrator(db, { migrations: [base, change, bad] });
    expect((await migrator.up({ dryRun: true, to: '2_change' })).migrations).toHaveLength(1);
    expect(await refusalOf(migrator.up({ dryRun: true }))).toMatch(
      /^MIGRATION_FAILED: migrations\[2\] \(3_bad\), line 1: .*nowhere/,
    );
    expect(await everythingOf(db)).toEqual(before);
  });

  test('of going down writes nothing either [MG-10]', async () => {
    const migrator = world.migrator(db, { migrations: [base, change] });
    await migrator.up();
    const before = await everythingOf(db);
    const result = await migrator.down(2, { dryRun: true });
    expect(result.migrations.map(({ name }) => name)).toEqual(['2_change', '1_base']);
    expect(result.current).toBe('2_change');
    expect(await everythingOf(db)).toEqual(before);
  });

  test('writes nothing of what a function did not wait for [MG-10]', async () => {
    const before = await everythingOf(db);
    let late: Promise<unknown> = Promise.resolve();
    const up = (tx: MigrationContext): void => {
      late = tx.query('CREATE TABLE leaked (id integer)');
    };
    const migrator = world.migrator(db, { migrations: [{ name: '1', up }] });
    expect(await refusalOf(migrator.up({ dryRun: true }))).toMatch(/^MIGRATION_FAILED/);
    await late;
    expect(await everythingOf(db)).toEqual(before);
  });

  test('cannot be made to write by a COMMIT [MG-10]', async () => {
    const before = await everythingOf(db);
    for (const word of ['COMMIT', 'END', 'BEGIN', 'ROLLBACK', "PREPARE TRANSACTION 'x'"]) {
      const up = async (tx: MigrationContext): Promise<void> => {
        await tx.query('CREATE TABLE leaked (id integer)');
        await tx.query(`-- a comment\n/* and another */ ${word}`);
      };
      const migrator = world.migrator(db, { migrations: [{ name: '1', up }] });
      expect(await refusalOf(migrator.up({ dryRun: true }))).toMatch(
        /^MIGRATION_INVALID: .* is not allowed/,
      );
    }
    expect(await everythingOf(db)).toEqual(before);
  });

  test('lists what cannot be in a transaction, and all that follows, as untried [MG-10]', async () => {
    const outside: Migration = { name: '2_out', transactional: false, up: 'VACUUM' };
    const after = { ...change, name: '3_change' };
    const before = await everythingOf(db);
    const migrator = world.migrator(db, { migrations: [base, outside, after] });
    expect(await migrator.up({ dryRun: true })).toMatchObject({
      migrations: [{ name: '1_base' }],
      untried: ['2_out', '3_change'],
    });
    expect(await everythingOf(db)).toEqual(before);
  });
});

test('a dry run finds what PostgreSQL would only see at COMMIT [MG-10]', async () => {
  const world = await MigrateWorld.create('postgres');
  try {
    const db = await world.connect();
    const up = `CREATE TABLE a (id integer PRIMARY KEY);
      CREATE TABLE b (a integer REFERENCES a DEFERRABLE INITIALLY DEFERRED);
      INSERT INTO b VALUES (1)`;
    const migrator = world.migrator(db, { migrations: [{ name: '1', up }] });
    const wanted = /^MIGRATION_FAILED: migrations\[0\] \(1\): .*foreign key/;
    expect(await refusalOf(migrator.up({ dryRun: true }))).toMatch(wanted);
    expect(await refusalOf(migrator.up())).toMatch(wanted);
    expect(await migrator.getCurrentVersion()).toBeNull();
  } finally {
    await world.remove();
  }
});
