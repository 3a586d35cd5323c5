import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, openStore } from '../../src/index.ts';
import { newDatabase } from '../fixtures/newDatabase.ts';
import { sharedPostgres, type Template, type TestDatabase } from '../services/postgres.ts';

async function ask(url: string, sql: string): Promise<readonly object[]> {
  await using db = await connectDatabase(url);
  return (await db.query(sql)).rows;
}

describe('databases that are copied from a template', () => {
  let template: Template;
  /** What was filled, mostly to be the template. */
  let drafts: string[];
  let copies: TestDatabase[];

  beforeEach(() => {
    [drafts, copies] = [[], []];
    const name = `holdfast_template_${randomUUID().replaceAll('-', '')}`;
    template = { name, fill };
  });

  afterEach(async () => {
    for (const copy of copies) await copy.drop();
    const { url } = await sharedPostgres();
    await ask(url, `DROP DATABASE IF EXISTS ${template.name}`);
  });

  async function fill(url: string): Promise<void> {
    drafts.push(url);
    await ask(url, 'CREATE TABLE t AS SELECT 1 AS n');
  }

  async function copy(of = template): Promise<string> {
    const made = await (await sharedPostgres()).createDatabase(of);
    copies.push(made);
    return made.url;
  }

  /** Whoever fills a database and is too late, or fails, leaves nothing. */
  async function expectNoDrafts(): Promise<void> {
    for (const url of drafts) await expect(ask(url, 'SELECT 1')).rejects.toThrow('does not exist');
  }

  test('are filled once, and hold nothing that another copy was given', async () => {
    const [one, two] = [await copy(), await copy()];
    expect(drafts).toHaveLength(1);
    await ask(one, 'INSERT INTO t VALUES (2)');
    expect(await ask(one, 'SELECT n FROM t ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await ask(two, 'SELECT n FROM t')).toEqual([{ n: 1 }]);
    await expectNoDrafts();
  });

  test('are all whole when the first are asked for at the same moment', async () => {
    const urls = await Promise.all(Array.from({ length: 8 }, () => copy()));
    for (const url of urls) expect(await ask(url, 'SELECT n FROM t')).toEqual([{ n: 1 }]);
    await expectNoDrafts();
    const before = drafts.length;
    await copy();
    expect(drafts).toHaveLength(before);
  });

  test('are not made of what could not be filled', async () => {
    const broken = async (url: string): Promise<void> => {
      await fill(url);
      throw new Error('half of it');
    };
    await expect(copy({ ...template, fill: broken })).rejects.toThrow('half of it');
    await expectNoDrafts();
    expect(await ask(await copy(), 'SELECT n FROM t')).toEqual([{ n: 1 }]);
  });
});

test('stores in copies of the same tables are not the same store', async () => {
  const databases = [await newDatabase('postgres'), await newDatabase('postgres')];
  const ids = new Set<unknown>();
  for (const { url } of databases) {
    await (await openStore(url)).close();
    for (const row of await ask(url, 'SELECT store_id FROM holdfast_store')) {
      ids.add(Object.values(row)[0]);
    }
  }
  for (const database of databases) await database.drop();
  expect(ids.size).toBe(2);
});
