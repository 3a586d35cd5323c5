import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, Dialect, Migration, MigrationContext } from '../../src/index.ts';
import { everythingOf, MigrateWorld, refusalOf, tablesOf } from './migrateWorld.ts';

let world: MigrateWorld;
let db: Database;

const table = (name: string): Migration => ({
  name,
  up: `CREATE TABLE ${name} (id integer PRIMARY KEY); INSERT INTO ${name} VALUES (1);`,
  down: `DROP TABLE ${name}`,
});

describe.each<Dialect>(['sqlite', 'postgres'])('a rollback, on %s,', (dialect) => {
  beforeEach(async () => {
    world = await MigrateWorld.create(dialect);
    db = await world.connect();
  });
  afterEach(() => world.remove());

  test('by down(n) undoes the newest, in the opposite order [MG-2] [DB-8]', async () => {
    const migrator = world.migrator(db, { migrations: ['a', 'b', 'c'].map(table) });
    await migrator.up();
    const result = await migrator.down(2);
    expect(result.migrations.map(({ name }) => name)).toEqual(['c', 'b']);
    expect(result.current).toBe('a');
    expect(await tablesOf(db)).toEqual(['a', 'holdfast_migrations']);
    expect((await migrator.up()).migrations.map(({ name }) => name)).toEqual(['b', 'c']);
  });

  test('by name undoes what was applied after it; Infinity undoes all [MG-2]', async () => {
    const migrator = world.migrator(db, { migrations: ['a', 'b', 'c'].map(table) });
    await migrator.up();
    expect((await migrator.down('b')).current).toBe('b');
    expect(await refusalOf(migrator.down('c'))).toBe('INVALID_ARGUMENT: c is not applied');
    expect((await migrator.down(Infinity)).current).toBeNull();
    expect((await migrator.down(0)).migrations).toEqual([]);
    expect(await tablesOf(db)).toEqual(['holdfast_migrations']);
  });

  test.each([
    [3, '3 are to be undone, and 2 are applied'],
    [-1, '-1 is not a whole number'],
  ])('of %d migrations is refused where there are two [MG-2]', async (count, message) => {
    const migrator = world.migrator(db, { migrations: ['a', 'b'].map(table) });
    await migrator.up();
    expect(await refusalOf(migrator.down(count))).toContain(message);
    expect(await migrator.getCurrentVersion()).toBe('b');
  });

  test('begins nothing when one of them has no way back [MG-2]', async () => {
    const oneWay: Migration = { name: 'b', up: 'CREATE TABLE b (id integer)' };
    const migrator = world.migrator(db, { migrations: [table('a'), oneWay, table('c')] });
    await migrator.up();
    const before = await everythingOf(db);
    expect(await refusalOf(migrator.down(3))).toBe(
      'MIGRATION_INVALID: migrations[1] (b): it cannot be undone: it has no `down`',
    );
    expect(await everythingOf(db)).toEqual(before);
  });

  test('leaves nothing of a migration that fails, not even the version table [MG-2]', async () => {
    await world.write({
      '1_a.sql': `-- up
CREATE TABLE a (id integer PRIMARY KEY);
INSERT INTO a VALUES (1);

INSERT INTO a VALUES (1);
`,
    });
    const before = await everythingOf(db);
    const refusal = await refusalOf(world.migrator(db).up());
    expect(refusal).toMatch(/^MIGRATION_FAILED: .*1_a\.sql, line 5: .*(UNIQUE|duplicate key)/);
    expect(await everythingOf(db)).toEqual(before);
  });

  test('keeps what was applied before the one that fails; mended, it goes on [MG-2]', async () => {
    const bad: Migration = { name: 'b', up: 'CREATE TABLE b (id integer); SELECT nonsense' };
    const broken = world.migrator(db, { migrations: [table('a'), bad, table('c')] });
    expect(await refusalOf(broken.up())).toMatch(
      /^MIGRATION_FAILED: migrations\[1\] \(b\), line 1/,
    );
    expect(await tablesOf(db)).toEqual(['a', 'holdfast_migrations']);
    const mended = world.migrator(db, { migrations: ['a', 'b', 'c'].map(table) });
    expect((await mended.up()).migrations.map(({ name }) => name)).toEqual(['b', 'c']);
  });

  test('leaves a migration applied when its way back fails [MG-2]', async () => {
    const broken = { ...table('a'), down: 'DROP TABLE a; SELECT nonsense' };
    const migrator = world.migrator(db, { migrations: [broken] });
    await migrator.up();
    expect(await refusalOf(migrator.down())).toMatch(/^MIGRATION_FAILED: .*line 1/);
    expect(await migrator.getCurrentVersion()).toBe('a');
    expect((await db.query('SELECT id FROM a')).rows).toEqual([{ id: 1 }]);
  });

  test('cannot be escaped by a COMMIT in a file or in code [MG-2]', async () => {
    await world.write({ '1_a.sql': '-- up\nCREATE TABLE a (id integer);\nCOMMIT;' });
    expect(await refusalOf(world.migrator(db).up())).toMatch(
      /^MIGRATION_INVALID: .*1_a\.sql, line 3: COMMIT is not allowed/,
    );
    const up = async (tx: MigrationContext): Promise<void> => {
      await tx.query('CREATE TABLE a (id integer); /* now */ COMMIT; BEGIN');
    };
    const code = world.migrator(db, { migrations: [{ name: '1', up }] });
    expect(await refusalOf(code.up())).toMatch(/^MIGRATION_INVALID: .*COMMIT is not allowed/);
    expect(await tablesOf(db)).toEqual([]);
  });

  test('takes statements along that a function did not await, and calls that a mistake [MG-2]', async () => {
    let late: Promise<unknown> = Promise.resolve();
    const forgetful = async (tx: MigrationContext): Promise<void> => {
      await tx.query('CREATE TABLE a (id integer)');
      late = tx.query('INSERT INTO a VALUES (1)');
    };
    const migrator = world.migrator(db, { migrations: [{ name: '1', up: forgetful }] });
    expect(await refusalOf(migrator.up())).toMatch(/^MIGRATION_FAILED: .*await each of them/);
    await late;
    expect(await tablesOf(db)).toEqual([]);
  });

  test('keeps a context from being used when its function has returned [MG-2]', async () => {
    let kept: MigrationContext | undefined;
    const up = async (tx: MigrationContext): Promise<void> => {
      await (kept = tx).query('CREATE TABLE a (id integer)');
    };
    await world.migrator(db, { migrations: [{ name: '1', up }] }).up();
    expect(await refusalOf(kept?.query('DROP TABLE a') ?? Promise.resolve())).toMatch(
      /^TRANSACTION_ENDED: /,
    );
  });

  test('also takes back what a function made of an error that it caught [MG-2]', async () => {
    const up = async (tx: MigrationContext): Promise<void> => {
      await tx.query('CREATE TABLE a (id integer PRIMARY KEY)');
      await tx.query('INSERT INTO a VALUES (1)');
      await tx.query('INSERT INTO a VALUES (1)').catch(() => undefined);
    };
    expect(await refusalOf(world.migrator(db, { migrations: [{ name: '1', up }] }).up())).toMatch(
      /^MIGRATION_FAILED: /,
    );
    expect(await tablesOf(db)).toEqual([]);
  });
});
