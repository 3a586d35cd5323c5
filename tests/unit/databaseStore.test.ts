import { existsSync } from 'node:fs';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, openStore, ownMigrator, repairStore } from '../../src/index.ts';
import { PARTITION_COMMITS } from '../../src/lib/migrations.ts';
import { Databases } from '../fixtures/databases.ts';

describe('a store in a database', () => {
  const files = new Databases('sqlite');
  const servers = new Databases('postgres', { isEmpty: true });
  let file: string;
  let sqlite: string;
  let postgres: string;

  beforeEach(async () => {
    sqlite = await files.url();
    file = sqlite.slice('sqlite:'.length);
    postgres = await servers.url();
  });

  test('is not made on PostgreSQL by opening it: the command for that is named', async () => {
    const refused = openStore(postgres);
    await expect(refused).rejects.toMatchObject({
      code: 'SCHEMA_OUTDATED',
      message: expect.stringMatching(/holdfast migrate up --own --store postgres:/),
    });
    await expect(openStore(postgres, { create: false })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    {
      await using db = await connectDatabase(postgres);
      await ownMigrator(db).up();
    }
    await using store = await openStore(postgres);
    expect((await store.runs.create({ workflow: 'w' })).status).toBe('queued');
  });

  test('goes on over the ends of partitions on PostgreSQL, call by call', async () => {
    await using store = await openStore(postgres, { migrate: 'auto' });
    await store.runs.create({ id: 'r', workflow: 'w' });
    await using db = await connectDatabase(postgres);
    for (const end of [1, 2, 3]) {
      const near = end * PARTITION_COMMITS - 2;
      await db.query('UPDATE holdfast_log_head SET position = $1', [near]);
      for (let n = 0; n < 4; n++) await store.events.append('r', { type: 'e', payload: n });
    }
    expect((await store.events.list('r')).items).toHaveLength(12);
  });

  test('is refused by an older program than the one that migrated it', async () => {
    await (await openStore(sqlite)).close();
    await using db = await connectDatabase(sqlite);
    await db.query(`UPDATE holdfast_schema SET name = '9999_newer'`);
    await expect(openStore(sqlite)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
  });

  test('is not made, and neither is its file, where nothing may be made', async () => {
    for (const options of [{ create: false }, { readOnly: true }]) {
      await expect(openStore(sqlite, options)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    expect(existsSync(file)).toBe(false);
  });

  test('serves reads alone when it is opened read-only', async () => {
    {
      await using store = await openStore(sqlite);
      await store.runs.create({ id: 'r', workflow: 'w' });
    }
    await using store = await openStore(sqlite, { readOnly: true });
    expect((await store.runs.get('r')).id).toBe('r');
    const writes = [
      store.runs.update('r', { priority: 1 }),
      store.artifacts.put('r', { name: 'a', body: 'x' }),
      store.transaction('r', (tx) => tx.runs.delete('r')),
      store.pins.create({ name: 'p' }),
    ];
    for (const write of writes) {
      await expect(write).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    }
  });

  test('has nothing to repair: it recovers by itself', async () => {
    await expect(repairStore(sqlite)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(existsSync(file)).toBe(false);
  });

  test('takes the options of a folder without a word, for only its URL has changed', async () => {
    await using store = await openStore(sqlite, { journalBytesKeep: 1_000, lockWaitMs: 0 });
    await store.runs.create({ workflow: 'w' });
    const wrong = { unknown: 1 } as object;
    await expect(openStore(sqlite, wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
