import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Dialect, ERROR_CODES } from '../../src/index.ts';
import { Page, ROOT } from './document.ts';
import { MigrateWorld } from './migrateWorld.ts';

const page = new Page('docs/migrations.md');
let worlds: MigrateWorld[];

beforeEach(() => {
  worlds = [];
});
afterEach(async () => {
  for (const world of worlds) await world.remove();
});

test.each<Dialect>(['sqlite', 'postgres'])(
  'the files of docs/migrations.md run on %s [MG-3]',
  async (dialect) => {
    const world = await MigrateWorld.create(dialect);
    worlds.push(world);
    const [file = ''] = page.blocks('sql');
    const [, module = ''] = page.blocks('ts');
    await world.write({
      '20231231_previous.sql': '-- up\nCREATE TABLE previous (id integer);',
      '20240101_initial.sql': file,
      '20240102_initials.ts': module,
    });
    const db = await world.connect();
    const migrator = world.migrator(db);
    await migrator.up({ to: '20240101_initial' });
    await db.query("INSERT INTO users VALUES (1, 'Ada Lovelace')");
    expect((await migrator.up()).migrations).toMatchObject([{ rows: 1 }]);
    expect((await db.query('SELECT initials FROM users')).rows).toEqual([{ initials: 'AL' }]);
    expect((await migrator.down(2)).current).toBe('20231231_previous');
  },
);

test('docs/migrations.md names only codes and links that exist', () => {
  const codes = [...page.text.matchAll(/`((?:MIGRATION|SCHEMA|LOCK)_[A-Z_]+)`/g)];
  expect(codes.length).toBeGreaterThan(6);
  expect(codes.map(([, code = '']) => code).filter((code) => !(code in ERROR_CODES))).toEqual([]);
  const links = [...page.text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link);
  const folder = dirname(join(ROOT, 'docs/migrations.md'));
  expect(links.filter((link) => !existsSync(join(folder, link)))).toEqual([]);
});
