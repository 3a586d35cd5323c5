import { beforeEach, describe, expect, test } from '@jest/globals';
import type { RunFilter, Store } from '../../src/index.ts';
import { Databases } from '../fixtures/databases.ts';
import { postgresFaults } from '../scenario/databasePlans/postgresPlan.ts';
import { statementsOf } from '../scenario/databasePlans/statement.ts';
import { DIALECTS } from './dbWorld.ts';

/** Runs, of which every other one is red, and the oldest few are round as well. */
const RUNS = 400;
const ROUND = 20;
const [LIVE, RED, ROUNDED] = [{ stage: 'live' }, { colour: 'red' }, { shape: 'round' }];

async function create(store: Store, from: number, to: number): Promise<void> {
  const tagsOf = (n: number) => ({
    ...LIVE,
    ...(n % 2 === 0 ? RED : {}),
    ...(n < ROUND ? ROUNDED : {}),
  });
  const ids = Array.from({ length: to - from }, (_, n) => from + n);
  await Promise.all(
    ids.map((n) => store.runs.create({ id: `${n}`, workflow: 'w', tags: tagsOf(n) })),
  );
}

describe.each(DIALECTS)('runs with several tags in %s', (dialect) => {
  const databases = new Databases(dialect);
  let store: Store;

  beforeEach(async () => {
    store = await databases.open();
    await create(store, 0, RUNS);
  });

  const listed = async (filter: RunFilter) =>
    (await store.runs.list(filter)).items.map(({ id }) => Number(id));

  test.each<[NonNullable<RunFilter['tags']>, number]>([
    [{ ...LIVE, ...ROUNDED }, ROUND],
    [{ ...ROUNDED, ...LIVE }, ROUND],
    [{ ...LIVE, ...RED, ...ROUNDED }, ROUND / 2],
    [{ ...LIVE, ...RED }, RUNS / 2],
    [{ ...LIVE, shape: 'square' }, 0],
  ])('are found, newest first, page by page: %j [RM-2]', async (tags, count) => {
    const all = await listed({ tags, limit: 500 });
    expect(all).toHaveLength(count);
    expect(all).toEqual(all.toSorted((a, b) => b - a));
    const paged: number[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await store.runs.list({
        tags,
        limit: 7,
        status: ['queued', 'succeeded'],
        cursor,
      });
      paged.push(...page.items.map(({ id }) => Number(id)));
      if (page.next === null) break;
      cursor = page.next;
    }
    expect(paged).toEqual(all);
  });
});

describe('runs with several tags in PostgreSQL', () => {
  const databases = new Databases('postgres');

  test('are looked for among those of the rarest, whichever comes first [DB-9]', async () => {
    const store = await databases.open();
    await create(store, 0, 5 * RUNS);
    const db = await databases.connect();
    // As the server does by itself, some time after so many rows.
    await db.query('VACUUM ANALYZE holdfast_run_tags');
    for (const tags of [
      { ...LIVE, ...ROUNDED },
      { ...ROUNDED, ...RED, ...LIVE },
    ]) {
      const statements = await statementsOf(() => store.runs.list({ tags }));
      expect(statements).toHaveLength(1);
      for (const statement of statements) {
        const faults = await db.transaction((tx) =>
          postgresFaults(tx, statement, { rowsMax: 200 }),
        );
        expect(faults).toEqual([]);
      }
    }
  });
});
