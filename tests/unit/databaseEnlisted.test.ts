import { beforeEach, describe, expect, test } from '@jest/globals';
import { type Database, type Store, systemClock } from '../../src/index.ts';
import { Databases } from '../fixtures/databases.ts';
import { DIALECTS } from './dbWorld.ts';

const HOUR_MS = 3_600_000;

describe.each(DIALECTS)('a transaction of %s in which a store is enlisted', (dialect) => {
  const databases = new Databases(dialect);
  let store: Store;
  let db: Database;

  beforeEach(async () => {
    store = await databases.open();
    db = await databases.connect();
  });

  test('dates no change before those of others that it has seen [EM-1]', async () => {
    const ahead = { ...systemClock, now: () => Date.now() + HOUR_MS };
    const other = await databases.open({ clock: ahead });
    const { createdAt } = await other.runs.create({ id: 'r', workflow: 'w' });
    await db.transaction(async (tx) => {
      const { runs, events } = store.enlist(tx);
      const run = await runs.update('r', { status: 'running' });
      expect(run.updatedAt.getTime()).toBeGreaterThanOrEqual(createdAt.getTime());
      const event = await events.append('r', { type: 'e' });
      expect(event.recordedAt.getTime()).toBeGreaterThanOrEqual(createdAt.getTime());
    });
    const { startedAt } = await store.runs.get('r');
    expect(startedAt?.getTime()).toBeGreaterThanOrEqual(createdAt.getTime());
    // What is not enlisted knows it too.
    const later = await store.runs.create({ id: 'later', workflow: 'w' });
    expect(later.createdAt.getTime()).toBeGreaterThanOrEqual(createdAt.getTime());
  });

  test('reads where it is read-only, and refuses to write [ST-1]', async () => {
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.steps.create('r', { id: 's', name: 's' });
    const after = store.position();
    const name = await db.transaction(
      async (tx) => {
        const { runs, steps } = store.enlist(tx);
        expect((await runs.get('r')).workflow).toBe('w');
        return (await steps.get('r', 's')).name;
      },
      { readOnly: true },
    );
    expect(name).toBe('s');
    const writing = db.transaction(
      async (tx) => {
        const { runs, events } = store.enlist(tx);
        await expect(events.append('r', { type: 'e' })).rejects.toMatchObject({
          code: 'STORE_READ_ONLY',
          id: 'r',
          message: expect.stringContaining('read-only transaction'),
        });
        // It has only been refused: reading goes on.
        return runs.get('r');
      },
      { readOnly: true },
    );
    expect(await writing).toMatchObject({ id: 'r' });
    expect(store.position()).toBe(after);
    await db.transaction((tx) => store.enlist(tx).events.append('r', { type: 'e' }));
    expect((await store.events.list('r')).items).toHaveLength(1);
  });

  test('reads again where it is read-only and a run has moved meanwhile [RM-3]', async () => {
    await store.runs.create({ id: 'r', workflow: 'w' });
    const other = await databases.open();
    let calls = 0;
    const seen = await db.transaction(
      async (tx) => {
        const { priority } = await store.enlist(tx).runs.get('r');
        if (calls++ === 0) await other.runs.update('r', { priority: 7 });
        return priority;
      },
      { readOnly: true },
    );
    // On SQLite all of it is of one moment; so is what PostgreSQL reads with `repeatable read`.
    expect([seen, calls]).toEqual(dialect === 'postgres' ? [7, 2] : [0, 1]);
  });
});
