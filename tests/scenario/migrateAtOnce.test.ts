import { rm } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, Dialect, Migration, MigrationProgress } from '../../src/index.ts';
import { MigrateProcess } from './migrateProcess.ts';
import { MigrateWorld, refusalOf, tablesOf } from './migrateWorld.ts';

let world: MigrateWorld;
let db: Database;
let processes: MigrateProcess[];

const NAMES = ['1_a', '2_b', '3_c', '4_d', '5_e'];

/** Each can run once only, and says how often it ran. */
const FILES = Object.fromEntries(
  NAMES.map((name) => [`${name}.sql`, `-- up\nCREATE TABLE t${name} (id integer);\nSELECT 1;\n`]),
);

interface Told {
  readonly applied: readonly string[];
  readonly current: string;
}

describe.each<Dialect>(['sqlite', 'postgres'])('several at once, on %s,', (dialect) => {
  beforeEach(async () => {
    world = await MigrateWorld.create(dialect);
    processes = [];
    await world.write(FILES);
  });
  afterEach(async () => {
    for (const one of processes) await one.kill();
    await world.remove();
  });

  async function start(): Promise<MigrateProcess> {
    const one = new MigrateProcess(world);
    processes.push(one);
    expect(await one.line()).toBe('ready');
    return one;
  }

  test('four processes: each migration runs once, and all agree [MG-5]', async () => {
    // Made first: as a file that comes into being, SQLite's is no question of migrations.
    db = await world.connect();
    const four = await Promise.all([start(), start(), start(), start()]);
    for (const one of four) one.go();
    const told = await Promise.all(four.map(async (one) => JSON.parse(await one.line()) as Told));
    expect(told.map(({ current }) => current)).toEqual(Array(4).fill('5_e'));
    expect(told.flatMap(({ applied }) => applied).toSorted()).toEqual(NAMES);
    // PostgreSQL's lock is held for all of them; SQLite's falls between two.
    const appliers = told.filter(({ applied }) => applied.length > 0);
    if (dialect === 'postgres') expect(appliers).toHaveLength(1);
    expect(await tablesOf(db)).toEqual(
      ['holdfast_migrations', ...NAMES.map((name) => `t${name}`)].toSorted(),
    );
  });

  test('four in one process and on one database: one applies, three agree [MG-5]', async () => {
    db = await world.connect();
    const four = [1, 2, 3, 4].map(() => world.migrator(db).up());
    const results = await Promise.all(four);
    expect(results.filter(({ migrations }) => migrations.length > 0)).toHaveLength(1);
    expect(results.flatMap(({ migrations }) => migrations)).toHaveLength(5);
    expect(results.map(({ current }) => current)).toEqual(Array(4).fill('5_e'));
  });

  test('three in one process with connections of their own: each runs once, all agree [MG-5]', async () => {
    const dbs = [await world.connect(), await world.connect(), await world.connect()];
    const results = await Promise.all(dbs.map((one) => world.migrator(one).up()));
    expect(results.reduce((sum, { migrations }) => sum + migrations.length, 0)).toBe(5);
    expect(results.map(({ current }) => current)).toEqual(Array(3).fill('5_e'));
  });

  test('one that is killed in the middle leaves nothing of it, and the next goes on [MG-5]', async () => {
    db = await world.connect();
    await world.write({
      '3_c.ts': `export async function up(tx) {
        await tx.query('CREATE TABLE half (id integer)');
        console.log('inside');
        await new Promise(() => setInterval(() => undefined, 1000));
      }`,
    });
    await rm(`${world.directory}/3_c.sql`);
    const victim = await start();
    victim.go();
    expect(await victim.line()).toBe('inside');
    await victim.kill();
    await rm(`${world.directory}/3_c.ts`);
    await world.write({ '3_c.sql': FILES['3_c.sql'] ?? '' });
    const { migrations } = await world.migrator(db).up();
    expect(migrations.map(({ name }) => name)).toEqual(['3_c', '4_d', '5_e']);
    expect(await tablesOf(db)).not.toContain('half');
  });
});

describe('whoever waits too long, on PostgreSQL,', () => {
  beforeEach(async () => {
    world = await MigrateWorld.create('postgres');
    processes = [];
  });
  afterEach(() => world.remove());

  test('is told who has the lock; whoever waits long enough agrees [MG-5]', async () => {
    db = await world.connect();
    const other = await world.connect();
    const told: MigrationProgress[] = [];
    let impatient = '';
    let patient: Promise<unknown> = Promise.resolve();
    const up = async (): Promise<void> => {
      impatient = await refusalOf(world.migrator(other, { migrations, lockTimeoutMs: 0 }).up());
      await new Promise<void>((isWaiting) => {
        const onProgress = (progress: MigrationProgress): void => {
          told.push(progress);
          isWaiting();
        };
        patient = world.migrator(other, { migrations }).up({ onProgress });
      });
    };
    const migrations: Migration[] = [{ name: '1', up, checksum: 'same' }];
    await world.migrator(db, { migrations }).up();
    expect(impatient).toMatch(
      /^LOCK_TIMEOUT: the database is being migrated by process \d+ of the server \(.*user \w+, from .*\), which/,
    );
    expect(await patient).toMatchObject({ migrations: [], current: '1' });
    expect(told).toEqual([{ phase: 'waiting', holder: expect.stringMatching(/^process \d+/) }]);
  });

  test('can give up by its signal [MG-5]', async () => {
    db = await world.connect();
    const other = await world.connect();
    let refusal = '';
    const up = async (): Promise<void> => {
      const stop = new AbortController();
      const onProgress = (): void => stop.abort();
      const waiting = world.migrator(other, { migrations }).up({ signal: stop.signal, onProgress });
      refusal = await refusalOf(waiting);
    };
    const migrations: Migration[] = [{ name: '1', up, checksum: 'same' }];
    await world.migrator(db, { migrations }).up();
    expect(refusal).toMatch(/^ABORTED: /);
  });
});

describe('whoever waits, on SQLite,', () => {
  beforeEach(async () => {
    world = await MigrateWorld.create('sqlite');
    processes = [];
  });
  afterEach(async () => {
    for (const one of processes) await one.kill();
    await world.remove();
  });

  test('waits also for what another process does without a transaction [MG-5]', async () => {
    await world.write({
      '1_slow.mjs': `export const transactional = false;
        export async function up(tx) {
          await tx.query('CREATE TABLE slow (id integer)');
          console.log('inside');
          await new Promise((resolve) => process.stdin.once('data', resolve));
        }`,
    });
    const other = new MigrateProcess(world);
    processes.push(other);
    expect(await other.line()).toBe('ready');
    other.go();
    expect(await other.line()).toBe('inside');
    db = await world.connect();
    const told: MigrationProgress[] = [];
    const onProgress = (progress: MigrationProgress): void => {
      told.push(progress);
      other.go();
    };
    const result = await world.migrator(db).up({ onProgress });
    expect(result).toMatchObject({ migrations: [], current: '1_slow' });
    expect(told).toEqual([{ phase: 'waiting', holder: 'whoever has begun 1_slow' }]);
    expect(JSON.parse(await other.line())).toMatchObject({ applied: ['1_slow'] });
  });

  test('is told when somebody else migrates between two steps of going back [MG-5]', async () => {
    db = await world.connect();
    const migrations = ['1', '2', '3'].map((name) => ({ name, up: 'SELECT 1', down: 'SELECT 1' }));
    const migrator = world.migrator(db, { migrations });
    await migrator.up();
    const onProgress = (progress: MigrationProgress): void => {
      if (progress.phase !== 'done') return;
      const file = new DatabaseSync(world.url.slice('sqlite:'.length));
      file.exec("UPDATE holdfast_migrations SET position = 9 WHERE name = '1'");
      file.close();
    };
    expect(await refusalOf(migrator.down(3, { onProgress }))).toMatch(
      /^VERSION_CONFLICT: .*2 was to be undone, and is not the newest any more/,
    );
  });

  test('for another connection that writes, or for migrations of its own process, is told so [MG-5]', async () => {
    db = await world.connect();
    const other = await world.connect({ lockTimeoutMs: 1 });
    const migrations = [{ name: '1', up: 'SELECT 1' }];
    let said = '';
    const up = async (): Promise<void> => {
      const late = world.migrator(other, { migrations, lockTimeoutMs: 5, table: 'late' });
      said = await refusalOf(late.up());
    };
    const own = world.migrator(db, { migrations: [{ name: '1', up }] });
    const second = world.migrator(db, {
      migrations: [{ name: '1', up, checksum: '' }],
      lockTimeoutMs: 0,
    });
    const [, refusal] = await Promise.all([own.up(), refusalOf(second.up())]);
    expect(said).toMatch(/^LOCK_TIMEOUT: another connection wrote to the file/);
    expect(refusal).toMatch(/^LOCK_TIMEOUT: other migrations of this process/);
  });
});
