import { afterEach, describe, expect, test } from '@jest/globals';
import type { Dialect } from '../../src/index.ts';
import { Page } from './document.ts';
import { MigrateWorld, tablesOf } from './migrateWorld.ts';
import { runProgram } from './program.ts';

const page = new Page('tests/fixtures/specification.md');
const [database = '', migrations = ''] = page.blocks('ts');

const USERS = 'CREATE TABLE users (id text PRIMARY KEY)';

let world: MigrateWorld;

afterEach(() => world.remove());

const table = (name: string): string =>
  `-- up\nCREATE TABLE ${name} (id integer);\n-- down\nDROP TABLE ${name};\n`;

/** Runs a block as it stands, between what it takes for granted and what tells of it. */
function run(block: string, before: string, after: string): Promise<unknown> {
  expect(block).not.toBe('');
  const text = `${before}\n${block}\n${after}`;
  return runProgram({ folder: world.folder, text });
}

describe.each<Dialect>(['sqlite', 'postgres'])(
  'the specification, word for word, on %s',
  (kind) => {
    test('connects, commits, asks and closes [DB-1]', async () => {
      world = await MigrateWorld.create(kind);
      const db = await world.connect();
      await db.query(USERS);
      const before = `import { connectDatabase } from 'holdfast';
      const url = ${JSON.stringify(world.url)};`;
      const after = `const late = await db.query('SELECT 1').catch(({ code }) => code);
      console.log(JSON.stringify({ rows: result.rows, late }));`;
      const told = await run(database, before, after);
      expect(told).toEqual({ rows: [{ id: 'test' }], late: 'STORE_CLOSED' });
      expect((await db.query('SELECT id FROM users')).rows).toEqual([{ id: 'test' }]);
    });

    test('rolls back what throws, and rethrows the error [DB-1]', async () => {
      world = await MigrateWorld.create(kind);
      const db = await world.connect();
      await db.query(USERS);
      // The block again, with a throw as the last thing that its callback does.
      const throwing = database.replace('\n});', '\n  throw new Error("not today");\n});');
      const before = `import { connectDatabase } from 'holdfast';
      const url = ${JSON.stringify(world.url)};
      process.on('uncaughtException', (error) => {
        console.log(JSON.stringify(error.message));
        process.exit();
      });`;
      expect(throwing).not.toBe(database);
      expect(await run(throwing, before, '')).toBe('not today');
      expect((await db.query('SELECT id FROM users')).rows).toEqual([]);
    });

    test('migrates up and back, by the files in ./migrations [MG-1] [MG-2]', async () => {
      world = await MigrateWorld.create(kind);
      await world.write({
        '20231231_previous.sql': table('before'),
        '20240101_initial.sql': table('after'),
      });
      // What the block asks for and does not keep is written down on its way.
      const before = `import { connectDatabase, Migrator as Real } from 'holdfast';
      const db = await connectDatabase(${JSON.stringify(world.url)});
      const versions = [];
      class Migrator extends Real {
        async getCurrentVersion() {
          versions.push(await super.getCurrentVersion());
          return versions.at(-1);
        }
      }
      await new Migrator(db).getCurrentVersion();`;
      const after = `await migrator.getCurrentVersion();
      await db.close();
      console.log(JSON.stringify(versions));`;
      const versions = await run(migrations, before, after);
      expect(versions).toEqual([null, '20240101_initial', '20231231_previous']);
      const tables = await tablesOf(await world.connect());
      expect(tables).toContain('before');
      expect(tables).not.toContain('after');
    });
  },
);

test('the specification, word for word, runs in memory for tests [DB-1]', async () => {
  world = await MigrateWorld.create('sqlite');
  // A database in memory is empty when it is connected to.
  const before = `import { connectDatabase as connect } from 'holdfast';
    const url = 'sqlite::memory:';
    const connectDatabase = async (place) => {
      const db = await connect(place);
      await db.query(${JSON.stringify(USERS)});
      return db;
    };`;
  const after = 'console.log(JSON.stringify(result.rows));';
  expect(await run(database, before, after)).toEqual([{ id: 'test' }]);
});
