import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Database, Migration, MigrationContext } from '../../src/index.ts';
import { MigrateWorld, refusalOf, tablesOf } from './migrateWorld.ts';

let world: MigrateWorld;
let db: Database;

beforeEach(async () => {
  world = await MigrateWorld.create('postgres');
  db = await world.connect({ statementTimeoutMs: 100 });
});
afterEach(() => world.remove());

test('a migration may read a table again that it has changed [MG-3]', async () => {
  const up = async (tx: MigrationContext): Promise<void> => {
    await tx.query('CREATE TABLE a (id integer)');
    await tx.query('INSERT INTO a VALUES (1)');
    await tx.query('SELECT * FROM a');
    await tx.query('ALTER TABLE a ADD COLUMN b integer DEFAULT 2');
    const { rows } = await tx.query('SELECT * FROM a');
    expect(rows).toEqual([{ id: 1, b: 2 }]);
    await tx.query('ALTER TABLE a ALTER COLUMN b TYPE text');
  };
  const again = async (tx: MigrationContext): Promise<void> => {
    expect((await tx.query('SELECT * FROM a')).rows).toEqual([{ id: 1, b: '2' }]);
  };
  const migrations = [
    { name: '1', up },
    { name: '2', up: again },
  ];
  expect((await world.migrator(db, { migrations }).up()).current).toBe('2');
});

test('a statement of a migration may take longer than those of programs', async () => {
  const sleep: Migration = { name: '1', up: 'SELECT pg_sleep(0.3)' };
  expect(await refusalOf(db.query('SELECT pg_sleep(0.3)'))).toMatch(/^QUERY_TIMEOUT/);
  const short = world.migrator(db, { migrations: [sleep], statementTimeoutMs: 100 });
  expect(await refusalOf(short.up())).toMatch(/^QUERY_TIMEOUT: migrations\[0\] \(1\), line 1: /);
  expect((await world.migrator(db, { migrations: [sleep] }).up()).current).toBe('1');
});

test('a connection that is lost takes its migration and its lock along [MG-2] [MG-5]', async () => {
  const up = 'CREATE TABLE a (); SELECT pg_terminate_backend(pg_backend_pid())';
  const migrator = world.migrator(db, { migrations: [{ name: '1', up }] });
  expect(await refusalOf(migrator.up())).toMatch(/^(STORAGE_FAILED|OUTCOME_UNKNOWN): .*line 1: /);
  expect(await tablesOf(db)).toEqual([]);
  const mended = world.migrator(db, { migrations: [{ name: '1', up: 'CREATE TABLE a ()' }] });
  expect((await mended.up()).current).toBe('1');
});

test('a search path that a dump sets does not reach the next migration [MG-1]', async () => {
  const migrations: Migration[] = [
    {
      name: '1',
      up: "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.a ()",
    },
    { name: '2', up: 'CREATE TABLE b ()' },
  ];
  expect((await world.migrator(db, { migrations }).up()).current).toBe('2');
  expect(await tablesOf(db)).toEqual(['a', 'b', 'holdfast_migrations']);
});

test('partitions may come and go, and all kinds of objects are looked at [MG-7]', async () => {
  const trigger =
    'CREATE TRIGGER touched BEFORE INSERT ON app.log FOR EACH ROW EXECUTE FUNCTION app.touch()';
  const up = `
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE DOMAIN short AS varchar(10);
    CREATE SEQUENCE numbers;
    CREATE SCHEMA app;
    CREATE TABLE app.log (id bigint GENERATED ALWAYS AS IDENTITY, at date NOT NULL, m mood,
      note text COLLATE "C", size int GENERATED ALWAYS AS (1 + 1) STORED, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE FUNCTION app.twice(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n * 2; END;
    CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END; $$;
    ${trigger};
    CREATE MATERIALIZED VIEW app.days AS SELECT at FROM app.log;
    CREATE INDEX days_at ON app.days (at);`;
  const down =
    'DROP SCHEMA app CASCADE; DROP SEQUENCE IF EXISTS numbers; DROP DOMAIN short; DROP TYPE mood';
  const migrator = world.migrator(db, { migrations: [{ name: '1', up, down }] });
  await migrator.up();
  await db.query(
    "CREATE TABLE app.log_1 PARTITION OF app.log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
  );
  expect((await migrator.status()).drift).toEqual([]);
  expect((await migrator.describeSchema()).replaceAll(/sha256:\w+/g, 'sha256:X')).toBe(
    [
      'function app.touch(): sha256:X',
      'function app.twice(n integer): sha256:X',
      'sequence public.numbers: sequence',
      'table app.log, column at: date not null',
      'table app.log, column id: bigint not null generated always as identity',
      'table app.log, column m: public.mood',
      'table app.log, column note: text collate C',
      'table app.log, column size: integer generated (1 + 1)',
      'table app.log, constraint log_pkey: PRIMARY KEY (id, at)',
      `table app.log, trigger touched: ${trigger}`,
      'table app.log: partitioned by RANGE (at)',
      'type public.mood: sad, happy',
      'type public.short: character varying(10)',
      'view app.days, index days_at: CREATE INDEX days_at ON app.days USING btree (at)',
      'view app.days: SELECT log.at FROM app.log;',
      '',
    ].join('\n'),
  );
  for (const change of [
    "ALTER TYPE mood ADD VALUE 'calm'",
    'ALTER TABLE app.log DISABLE TRIGGER touched',
    'CREATE OR REPLACE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END; $$',
    'DROP SEQUENCE numbers',
  ]) {
    const before = (await migrator.status()).drift.length;
    await db.query(change);
    expect((await migrator.status()).drift).toHaveLength(before + 1);
  }
  await migrator.down(1);
  expect(await migrator.describeSchema()).toBe('');
});
