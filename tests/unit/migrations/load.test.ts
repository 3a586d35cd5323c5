import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryFileSystem, type FileSystem, type Migration } from '../../../src/index.ts';
import { loadMigrations } from '../../../src/lib/migrations/load.ts';
import type { LoadedMigration } from '../../../src/lib/migrations/migration.ts';
import { realFileSystem } from '../../../src/lib/ports/fileSystem.ts';

const SURFACE = pathToFileURL(join(import.meta.dirname, '../../../src/index.ts')).href;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-load-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function load(fileSystem: FileSystem = realFileSystem): Promise<readonly LoadedMigration[]> {
  return loadMigrations({
    directory: folder,
    migrations: undefined,
    fileSystem,
    dialect: 'sqlite',
  });
}

function listed(...migrations: Migration[]): Promise<readonly LoadedMigration[]> {
  const fileSystem = createMemoryFileSystem();
  return loadMigrations({ directory: 'unused', migrations, fileSystem, dialect: 'sqlite' });
}

const write = (name: string, text: string | Uint8Array): Promise<void> =>
  writeFile(join(folder, name), text);

describe('a folder of migrations', () => {
  test('holds SQL files and modules; what lies beside them is left alone', async () => {
    await write('1_a.sql', '-- up\nSELECT 1;');
    await write('2_b.ts', 'export const up: string = "SELECT 1";');
    await write('3_c.MJS'.toLowerCase(), 'export function up() {}');
    await write('4_d.cjs', 'exports.up = () => {};');
    for (const other of ['README.md', '.hidden.sql', '2_b.d.ts', '2_b.js.map']) {
      await write(other, 'anything');
    }
    await mkdir(join(folder, 'old'));
    expect((await load()).map(({ name }) => name)).toEqual(['1_a', '2_b', '3_c', '4_d']);
  });

  test('is read through the port of the file system', async () => {
    const fileSystem = createMemoryFileSystem();
    await fileSystem.mkdir(folder, { recursive: true });
    const file = await fileSystem.open(join(folder, '1_a.SQL'), 'w');
    const text = Buffer.from('-- up\nSELECT 1;');
    await file.write(text, 0, text.length, 0);
    expect((await load(fileSystem)).map(({ name }) => name)).toEqual(['1_a']);
  });

  test('loads a module anew when its file has changed', async () => {
    // Jest remembers files by their path alone; Node does not.
    const program = `
      import { writeFileSync } from 'node:fs';
      import { connectDatabase, Migrator } from '${SURFACE}';
      const [directory] = process.argv.slice(1);
      const db = await connectDatabase('sqlite::memory:');
      for (const n of [1, 2]) {
        writeFileSync(directory + '/' + n + '_a.mjs', 'export const up = "SELECT 1";');
        writeFileSync(directory + '/3_b.mjs', 'export const up = "CREATE TABLE t' + n + ' (a)";');
        await new Migrator(db, { directory }).up({ to: n === 1 ? '1_a' : undefined });
      }
      console.log((await db.query("SELECT name FROM sqlite_schema WHERE name LIKE 't_'")).rows);`;
    const args = ['--input-type=module', '-e', program, folder];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).toContain("name: 't2'");
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ['1_a.mjs', 'export const down = "SELECT 1";', /1_a\.mjs: it exports no `up`/],
    ['1_a.mjs', 'export const up = "";', /its `up` is empty/],
    ['1_a.mjs', 'export const up = "SELECT 1", down = 7;', /`down` is SQL, or a function/],
    ['1_a.mjs', 'export const up = "SELECT 1", verify = "x";', /`verify` is a function/],
    ['1_a.mjs', 'export const up = "SELECT 1", transactional = "no";', /`transactional` is/],
    ['1_a.mjs', 'export const up = "SELECT 1", requires = [7];', /`requires` is a name/],
    ['1_a.mjs', 'export const up = {', /it cannot be loaded: /],
    ['1_a.mjs', 'throw new Error("at once");', /it cannot be loaded: at once/],
    ['1_a.sql', Uint8Array.of(0x2d, 0x2d, 0xff), /1_a\.sql: it cannot be read as UTF-8/],
    ['1 a.sql', '-- up\nSELECT 1', /a name is 1 to 200 characters without spaces/],
  ])('is refused because of %s: %s', async (name, text, message) => {
    await write(name, text);
    await expect(load()).rejects.toMatchObject({ code: 'MIGRATION_INVALID' });
    await expect(load()).rejects.toThrow(message);
  });

  test('is refused when a name is there twice', async () => {
    await write('1_a.sql', '-- up\nSELECT 1');
    await write('1_a.mjs', 'export const up = "SELECT 1"');
    await expect(load()).rejects.toThrow(/1_a\.sql: it has the name of .*1_a\.mjs/);
  });
});

describe('a list of migrations', () => {
  test('has checksums of its SQL, of its functions, and of what they require', async () => {
    const checksums = async (...migrations: Migration[]): Promise<Set<string>> =>
      new Set((await listed(...migrations)).map(({ checksum }) => checksum));
    const [up, verify] = ['SELECT 1', (): void => undefined];
    expect(
      await checksums(
        { name: '1', up },
        { name: '2', up: 'SELECT 2' },
        { name: '3', up, down: up },
        { name: '4', up, requires: '1' },
        { name: '5', up, transactional: false },
        { name: '6', up, verify },
        { name: '7', up: verify },
        { name: '8', up, checksum: 'mine' },
      ),
    ).toHaveProperty('size', 8);
    expect(await checksums({ name: '1', up }, { name: '2', up })).toHaveProperty('size', 1);
  });

  test('names an entry without a name by its place', async () => {
    await expect(listed({ name: '', up: 'SELECT 1' })).rejects.toThrow(
      /^migrations\[0\] \(\): a name/,
    );
    await expect(listed(null as unknown as Migration)).rejects.toMatchObject({
      code: 'MIGRATION_INVALID',
    });
  });
});
