import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Database, type Dialect, openStore, ownMigrator } from '../../src/index.ts';
import { MigrateWorld } from './migrateWorld.ts';

/** Writes the schema down as it is now, to be looked at and committed with what has changed it. */
const IS_RENEWED = process.env['HOLDFAST_RENEW'] === '1';
const RENEW = 'HOLDFAST_RENEW=1 npm run jest -- tests/scenario/ownSchema.test.ts';

let world: MigrateWorld;
let db: Database;

afterEach(() => world.remove());

async function make(dialect: Dialect): Promise<void> {
  world = await MigrateWorld.create(dialect);
  await (await openStore(world.url, { migrate: 'auto' })).close();
  db = await world.connect();
}

async function linesNow(): Promise<readonly string[]> {
  return (await ownMigrator(db).describeSchema()).trimEnd().split('\n');
}

/** The lines of `tests/fixtures/schema`: an object or a part of one each. */
async function recorded(dialect: Dialect, now: readonly string[]): Promise<readonly string[]> {
  const file = join(import.meta.dirname, '..', 'fixtures', 'schema', `${dialect}.txt`);
  if (IS_RENEWED) {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${now.join('\n')}\n`);
  }
  return (await readFile(file, 'utf8')).trimEnd().split('\n');
}

const without = (lines: readonly string[], others: readonly string[]): readonly string[] =>
  lines.filter((line) => !others.includes(line));

describe.each<Dialect>(['sqlite', 'postgres'])('the tables of a store, on %s,', (dialect) => {
  beforeEach(() => make(dialect));

  test('are those that were written down [MG-7]', async () => {
    const now = await linesNow();
    const then = await recorded(dialect, now);
    const changed = { gone: without(then, now), added: without(now, then) };
    expect({ ...changed, renew: RENEW }).toEqual({ gone: [], added: [], renew: RENEW });
    expect(now).toEqual(then);
  });

  test('are as its migrations left them [MG-7]', async () => {
    expect((await ownMigrator(db).status()).drift).toEqual([]);
  });
});

test('a function of the store that was changed is a changed schema [MG-7]', async () => {
  await make('postgres');
  const before = await linesNow();
  await db.query(`CREATE OR REPLACE FUNCTION holdfast_extend_log(upto bigint) RETURNS void
    LANGUAGE plpgsql AS 'BEGIN END'`);
  const changed = without(await linesNow(), before);
  expect(changed).toEqual([expect.stringMatching(/^function public\.holdfast_extend_log/)]);
  const { drift } = await ownMigrator(db).status();
  expect(drift.map(({ object }) => object)).toEqual([
    'function public.holdfast_extend_log(upto bigint)',
  ]);
});
