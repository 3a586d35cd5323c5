import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type {
  Database,
  Dialect,
  Migration,
  MigrationContext,
  MigrationResult,
} from '../../src/index.ts';
import { MigrateProcess } from './migrateProcess.ts';
import { MigrateWorld, refusalOf, tablesOf } from './migrateWorld.ts';

let world: MigrateWorld;
let db: Database;
let victim: MigrateProcess | undefined;

const users: Migration = { name: '1_users', up: 'CREATE TABLE users (id integer, email text)' };

describe.each<Dialect>(['sqlite', 'postgres'])('without a transaction, on %s,', (dialect) => {
  beforeEach(async () => {
    world = await MigrateWorld.create(dialect);
    db = await world.connect();
  });
  afterEach(async () => {
    await victim?.kill();
    victim = undefined;
    await world.remove();
  });

  test('a migration does what no transaction allows [MG-1]', async () => {
    await world.write({ '1_v.sql': '-- transactional: false\n-- up\nVACUUM;\n-- down\nVACUUM;' });
    const migrator = world.migrator(db);
    expect(await migrator.up()).toMatchObject({ migrations: [{ name: '1_v' }], current: '1_v' });
    expect((await migrator.down()).current).toBeNull();
    await world.write({ '1_v.sql': '-- up\nVACUUM;' });
    expect(await refusalOf(migrator.up())).toMatch(
      /VACUUM cannot run in a transaction: set `trans/,
    );
  });

  test('one that fails is seen, settled by repair, and goes on where it failed [MG-11]', async () => {
    const steps = (third: string): Migration => ({
      name: '2_steps',
      transactional: false,
      up: `CREATE TABLE a (id integer); INSERT INTO a VALUES (1); ${third}`,
      down: 'DROP TABLE a; DROP TABLE c',
    });
    const broken = world.migrator(db, {
      migrations: [users, steps('SELECT nonsense')],
      lockTimeoutMs: 0,
    });
    expect(await refusalOf(broken.up())).toMatch(
      /^MIGRATION_FAILED: .*line 1: .*nonsense.* \(what it did before stays, and .*repair/,
    );
    expect(await refusalOf(broken.up())).toMatch(
      /^MIGRATION_FAILED: .* has not ended: look at what/,
    );
    expect(await broken.status()).toMatchObject({
      current: '1_users',
      pending: ['2_steps'],
      migrations: [{}, { state: 'begun' }],
      problems: [{ code: 'MIGRATION_FAILED' }],
    });
    expect((await broken.repair()).settled).toEqual([
      { name: '2_steps', outcome: 'continue', complaint: null, droppedIndexes: [] },
    ]);
    expect((await broken.status()).migrations[1]?.state).toBe('stopped');
    // Mended, and what has ended is not repeated.
    const mended = world.migrator(db, {
      migrations: [users, steps('CREATE TABLE c (id integer)')],
    });
    expect((await mended.up()).migrations).toMatchObject([{ name: '2_steps', rows: 1 }]);
    expect((await db.query('SELECT id FROM a')).rows).toEqual([{ id: 1 }]);
    expect(await mended.status()).toMatchObject({ problems: [], drift: [] });
  });

  test('one whose process was killed is seen, and settled by its own verify [MG-11]', async () => {
    const module = (end: string): string => `
      export const transactional = false;
      export async function up(tx) {
        await tx.query('CREATE TABLE a (id integer)');
        ${end}
      }
      export async function verify(tx) { await tx.query('SELECT id FROM a'); }
    `;
    await world.write({
      '1_a.mjs': module(
        "console.log('inside'); await new Promise(() => setInterval(() => 0, 1000));",
      ),
    });
    victim = new MigrateProcess(world);
    expect(await victim.line()).toBe('ready');
    victim.go();
    expect(await victim.line()).toBe('inside');
    await victim.kill();
    const migrator = world.migrator(db, { lockTimeoutMs: 5_000 });
    expect(
      await refusalOf(world.migrator(db, { lockTimeoutMs: dialect === 'sqlite' ? 0 : 5_000 }).up()),
    ).toMatch(/^MIGRATION_FAILED: .*1_a.mjs runs without a transaction, was begun at/);
    expect((await migrator.repair()).settled).toMatchObject([{ name: '1_a', outcome: 'done' }]);
    expect((await migrator.up()).migrations).toEqual([]);
    expect(await migrator.getCurrentVersion()).toBe('1_a');
  });

  test('one whose verify is not content goes on, and repair says why [MG-8] [MG-11]', async () => {
    let fails = true;
    const up = async (tx: MigrationContext): Promise<void> => {
      await tx.query('CREATE TABLE IF NOT EXISTS a (id integer)');
      if (fails) throw new Error('halfway');
      await tx.query('INSERT INTO a VALUES (1)');
    };
    const verify = async (tx: MigrationContext): Promise<void> => {
      if ((await tx.query('SELECT id FROM a')).rows.length === 0) throw new Error('it is empty');
    };
    const migrations = [{ name: '1', up, verify, transactional: false }];
    const migrator = world.migrator(db, { migrations });
    expect(await refusalOf(migrator.up())).toMatch(/^MIGRATION_FAILED: .*halfway/);
    expect((await migrator.repair()).settled).toMatchObject([
      { outcome: 'continue', complaint: 'it is empty' },
    ]);
    fails = false;
    expect((await migrator.up()).current).toBe('1');
  });

  test('undoing that fails is seen, settled, and goes on where it failed [MG-2] [MG-11]', async () => {
    const steps = (last: string): Migration => ({
      name: '2_steps',
      transactional: false,
      up: 'CREATE TABLE a (id integer); CREATE TABLE b (id integer)',
      down: `DROP TABLE b; ${last}`,
      checksum: 'one',
    });
    const broken = world.migrator(db, {
      migrations: [users, steps('SELECT nonsense')],
      lockTimeoutMs: 0,
    });
    await broken.up();
    expect(await refusalOf(broken.down())).toMatch(/^MIGRATION_FAILED: .*nonsense/);
    expect(await refusalOf(broken.up())).toMatch(/^MIGRATION_FAILED: .* began to be undone at/);
    expect((await broken.repair()).settled).toMatchObject([{ outcome: 'continue' }]);
    const mended = world.migrator(db, { migrations: [users, steps('DROP TABLE a')] });
    expect((await mended.down()).current).toBe('1_users');
    expect(await tablesOf(db)).toEqual(['holdfast_migrations', 'users']);
  });

  test('nothing begins or ends a transaction either [MG-2]', async () => {
    for (const word of ['BEGIN', 'COMMIT', 'SAVEPOINT a']) {
      const migrations = [{ name: '1', transactional: false, up: word }];
      expect(await refusalOf(world.migrator(db, { migrations }).up())).toMatch(/is not allowed/);
    }
  });
});

describe('on PostgreSQL an index is built while others write', () => {
  const index: Migration = {
    name: '2_index',
    transactional: false,
    up: `CREATE INDEX CONCURRENTLY users_id ON users (id);
      CREATE INDEX CONCURRENTLY users_email ON users (email)`,
    down: 'DROP INDEX CONCURRENTLY users_email; DROP INDEX CONCURRENTLY users_id',
  };

  beforeEach(async () => {
    world = await MigrateWorld.create('postgres');
    db = await world.connect();
    await world.migrator(db, { migrations: [users] }).up();
  });
  afterEach(() => world.remove());

  test('with CONCURRENTLY, while others wait for the same migration [MG-1] [MG-5]', async () => {
    const others = [await world.connect(), await world.connect()];
    let waiting: Promise<MigrationResult>[] = [];
    const gather: Migration = {
      name: '1_wait',
      checksum: 'same',
      up: async () => {
        const told = others.map(
          (other) =>
            new Promise<void>((resolve) => {
              const late = world.migrator(other, { migrations });
              waiting = [...waiting, late.up({ onProgress: () => resolve() })];
            }),
        );
        await Promise.all(told);
      },
    };
    const migrations = [users, gather, index];
    const migrator = world.migrator(db, { migrations });
    expect((await migrator.up()).migrations).toHaveLength(2);
    for (const result of await Promise.all(waiting)) expect(result.migrations).toEqual([]);
    expect((await migrator.status()).drift).toEqual([]);
    expect((await migrator.down()).current).toBe('1_wait');
  });

  test('and when that is cut off, repair drops what is left, and up goes on [MG-11]', async () => {
    const other = await world.connect();
    const migrator = world.migrator(db, { migrations: [users, index] });
    // A transaction that has written keeps the second index from becoming valid.
    await other.transaction(async (tx) => {
      await tx.query("INSERT INTO users VALUES (1, 'a')");
      const cut = refusalOf(migrator.up());
      await terminateBuilder(db);
      expect(await cut).toMatch(/^(STORAGE_FAILED|OUTCOME_UNKNOWN|MIGRATION_FAILED): /);
    });
    expect((await migrator.repair()).settled).toMatchObject([
      { name: '2_index', outcome: 'continue', droppedIndexes: ['users_id'] },
    ]);
    expect((await migrator.up()).current).toBe('2_index');
    const { rows } = await db.query('SELECT 1 AS n FROM pg_index WHERE NOT indisvalid');
    expect(rows).toEqual([]);
  });

  test('an invalid index is not taken for one that is there [MG-8]', async () => {
    await db.query("INSERT INTO users VALUES (1, 'a'), (2, 'a')");
    await refusalOf(db.query('CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email)'));
    const up = 'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_email ON users (email)';
    const again = { name: '2_index', transactional: false, up };
    const migrator = world.migrator(db, { migrations: [users, again] });
    expect(await refusalOf(migrator.up({ allowDrift: true }))).toMatch(
      /^MIGRATION_FAILED: .*the index users_email is invalid/,
    );
  });

  test('CONCURRENTLY in a transaction is refused before anything is done', async () => {
    const inside = { ...index, transactional: true };
    expect(await refusalOf(world.migrator(db, { migrations: [users, inside] }).up())).toMatch(
      /^MIGRATION_INVALID: .*CREATE … CONCURRENTLY cannot run in a transaction: set/,
    );
  });
});

/** Ends the connection that builds an index, once it waits. A transaction would see one moment only. */
async function terminateBuilder(db: Database): Promise<void> {
  for (;;) {
    const { rowCount } = await db.query(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
        AND datname = current_database()`);
    if (rowCount > 0) return;
  }
}
