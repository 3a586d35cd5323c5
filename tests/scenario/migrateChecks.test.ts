import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, Dialect, Migrator } from '../../src/index.ts';
import { everythingOf, MigrateWorld, refusalOf } from './migrateWorld.ts';

let world: MigrateWorld;
let db: Database;
let migrator: Migrator;

const table = (name: string, column = 'id'): string =>
  `-- up\nCREATE TABLE ${name} (${column} integer);\n-- down\nDROP TABLE ${name};\n`;

const path = (name: string): string => join(world.directory, name);

/** What every way to change something says; nothing may have changed. */
async function refusals(): Promise<readonly string[]> {
  const before = await everythingOf(db);
  const said = [
    await refusalOf(migrator.up()),
    await refusalOf(migrator.up({ dryRun: true })),
    await refusalOf(migrator.plan()),
  ];
  expect(await everythingOf(db)).toEqual(before);
  return said;
}

describe.each<Dialect>(['sqlite', 'postgres'])('what does not fit together, on %s,', (dialect) => {
  beforeEach(async () => {
    world = await MigrateWorld.create(dialect);
    db = await world.connect();
    migrator = world.migrator(db);
    await world.write({ '2_b.sql': table('b'), '4_d.sql': table('d') });
    await migrator.up();
    // Something to apply, which a refusal must not.
    await world.write({ '5_e.sql': table('e') });
  });
  afterEach(() => world.remove());

  test('is refused: a migration that was edited after it had been applied [MG-11]', async () => {
    await world.write({ '2_b.sql': table('b', 'number') });
    for (const said of [...(await refusals()), await refusalOf(migrator.down())]) {
      expect(said).toMatch(
        /^MIGRATION_EDITED: .*2_b\.sql was changed .* put the change into a new/,
      );
    }
    await world.write({ '2_b.sql': table('b') });
    expect((await migrator.up()).current).toBe('5_e');
  });

  test('is refused also when there is nothing to apply [MG-11]', async () => {
    await migrator.up();
    await world.write({ '2_b.sql': `${table('b')}-- a remark` });
    expect(await refusalOf(migrator.up())).toMatch(/^MIGRATION_EDITED: /);
  });

  test('is no edit: other line ends, and a mark of Unicode at the start [MG-11]', async () => {
    await world.write({ '2_b.sql': `\ufeff${table('b').replaceAll('\n', '\r\n')}` });
    expect((await migrator.up()).current).toBe('5_e');
  });

  test('can be accepted, an edit of no effect, by its name and no other way [MG-11]', async () => {
    await world.write({ '2_b.sql': `${table('b')}-- b`, '4_d.sql': `${table('d')}-- d` });
    const untold = await migrator.repair();
    expect(untold.acceptedEdited).toEqual([]);
    expect(untold.problems.map(({ code, name }) => [code, name])).toEqual([
      ['MIGRATION_EDITED', '2_b'],
      ['MIGRATION_EDITED', '4_d'],
    ]);
    const told = await migrator.repair({ acceptEdited: ['2_b'] });
    expect(told).toMatchObject({ acceptedEdited: ['2_b'], problems: [{ name: '4_d' }] });
    expect(await refusalOf(migrator.up())).toMatch(/^MIGRATION_EDITED: .*4_d\.sql/);
    await migrator.repair({ acceptEdited: ['4_d', '2_b'] });
    expect((await migrator.up()).current).toBe('5_e');
    expect(await refusalOf(migrator.repair({ acceptEdited: ['9'] }))).toMatch(/^INVALID_ARGUMENT/);
  });

  test('is refused: a migration that has vanished [MG-11]', async () => {
    await rm(path('2_b.sql'));
    for (const said of [...(await refusals()), await refusalOf(migrator.down())]) {
      expect(said).toMatch(/^MIGRATION_MISSING: 2_b was applied at .* bring its file back/);
    }
    expect(await migrator.getCurrentVersion()).toBe('4_d');
    await world.write({ '2_b.sql': table('b') });
    expect((await migrator.up()).current).toBe('5_e');
  });

  test('is refused: one that has vanished and that another requires, with both names [MG-6] [MG-11]', async () => {
    await world.write({ '3_c.sql': `-- requires: 4_d\n${table('c')}` });
    await migrator.up();
    await rm(path('5_e.sql'));
    await rm(path('4_d.sql'));
    const said = [await refusalOf(migrator.down()), ...(await refusals())];
    for (const one of said) {
      expect(one).toMatch(
        /^MIGRATION_MISSING: 4_d was applied at .*, and .*3_c\.sql requires it: bring its file back/,
      );
    }
    expect((await migrator.status()).problems[0]).toMatchObject({ name: '4_d' });
    expect((await migrator.repair()).problems[0]).toMatchObject({ name: '4_d' });
    // One that never was there is a slip of the pen.
    await world.write({ '3_c.sql': `-- requires: 4_x\n${table('c')}` });
    expect(await refusalOf(migrator.up())).toMatch(
      /^MIGRATION_INVALID: .*3_c\.sql: it requires 4_x, and there is no such migration/,
    );
  });

  test('is refused: an older one that is merged late; renamed it runs last [MG-11]', async () => {
    await world.write({ '3_c.sql': table('c') });
    for (const said of await refusals()) {
      expect(said).toMatch(/^MIGRATION_LATE: .*3_c\.sql is older than 4_d, .* a newer name/);
    }
    await rename(path('3_c.sql'), path('6_c.sql'));
    const { migrations } = await migrator.up();
    expect(migrations.map(({ name }) => name)).toEqual(['5_e', '6_c']);
  });

  test('can be made to fit: what is newer is undone, and the late one takes its place [MG-11]', async () => {
    await world.write({ '3_c.sql': table('c') });
    await migrator.down(1);
    const { migrations } = await migrator.up();
    expect(migrations.map(({ name }) => name)).toEqual(['3_c', '4_d', '5_e']);
  });

  test('is no late one: what requires something newer [MG-6]', async () => {
    await world.write({ '3_c.sql': `-- requires: 4_d\n${table('c')}` });
    const { migrations } = await migrator.up();
    expect(migrations.map(({ name }) => name)).toEqual(['3_c', '5_e']);
  });

  test('is refused: a schema that is newer than the program [MG-11]', async () => {
    await rm(path('4_d.sql'));
    await rm(path('5_e.sql'));
    for (const said of [...(await refusals()), await refusalOf(migrator.down())]) {
      expect(said).toMatch(/^SCHEMA_TOO_NEW: the database has 4_d, and 2_b is the newest/);
    }
  });

  test('is seen at a glance in the status, which refuses nothing [MG-11]', async () => {
    await world.write({ '2_b.sql': `${table('b')}-- edited`, '3_c.sql': table('c') });
    await rm(path('4_d.sql'));
    const status = await migrator.status();
    expect(status.problems.map(({ code, name }) => [code, name])).toEqual([
      ['MIGRATION_MISSING', '4_d'],
      ['MIGRATION_EDITED', '2_b'],
    ]);
    expect(status.migrations.map(({ name, state }) => [name, state])).toEqual([
      ['2_b', 'applied'],
      ['3_c', 'pending'],
      ['5_e', 'pending'],
      ['4_d', 'applied'],
    ]);
    expect(status).toMatchObject({ current: '4_d', pending: ['3_c', '5_e'], drift: [] });
  });

  test('is warned of in plan and status: dangerous SQL, with file and line [MG-11]', async () => {
    await world.write({ '6_f.sql': '-- up\nSELECT 1;\nDROP TABLE b;\n' });
    const [, planned] = await migrator.plan();
    expect(planned).toMatchObject({ name: '6_f', transactional: true, canBeUndone: false });
    const warning = { source: path('6_f.sql'), line: 3, message: expect.stringContaining('DROP') };
    expect(planned?.warnings).toEqual([warning]);
    expect((await migrator.status()).migrations.at(-1)?.warnings).toEqual([warning]);
    expect((await migrator.plan({ to: '5_e' })).map(({ name }) => name)).toEqual(['5_e']);
  });
});
