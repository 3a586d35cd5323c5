import { mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, OpenOptions, Store } from '../../src/index.ts';
import { BlobTable } from '../../src/lib/store/DatabaseStore/blobs.ts';
import { Trimmer } from '../../src/lib/store/DatabaseStore/trimmer.ts';
import { ManualClock } from '../../src/testkit/manualClock.ts';
import { collect } from '../fixtures/collect.ts';
import { Databases, DIALECTS } from '../fixtures/databases.ts';

const HOUR_MS = 3_600_000;
const PART = new Uint8Array(256 * 1024).fill(7);

/** Somebody who sends bytes, a part when told. */
class Sender {
  readonly #asked: ((isMore: boolean) => void)[] = [];

  async *body(): AsyncGenerator<Uint8Array> {
    while (await new Promise<boolean>((resolve) => this.#asked.push(resolve))) yield PART;
  }

  send(): Promise<void> {
    return this.#answer(true);
  }

  end(): Promise<void> {
    return this.#answer(false);
  }

  async #answer(isMore: boolean): Promise<void> {
    while (this.#asked.length === 0) await turn();
    this.#asked.shift()?.(isMore);
  }
}

/** Lets everything go on that waits for nothing but its turn. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe.each(DIALECTS)('bytes of artifacts in %s', (dialect) => {
  const databases = new Databases(dialect);
  let clock: ManualClock;
  let db: Database;
  let first: Store;

  beforeEach(async () => {
    clock = new ManualClock();
    first = await openAgain();
    await first.runs.create({ id: 'r', workflow: 'w' });
    db = await databases.connect();
  });

  function openAgain(options: OpenOptions = { clock }): Promise<Store> {
    return databases.open(options);
  }

  async function uploads(): Promise<number> {
    const sql = "SELECT 1 AS one FROM holdfast_blobs WHERE digest LIKE 'upload:%'";
    return (await db.query(sql)).rowCount;
  }

  async function untilUploaded(parts: number): Promise<void> {
    while ((await uploads()) < parts) await turn();
  }

  test('that a killed process has sent in part go after a day, and not before', async () => {
    const sender = new Sender();
    const lost = first.artifacts.put('r', { name: 'a', body: sender.body() });
    await sender.send();
    await sender.send();
    await untilUploaded(2);
    clock.ms += 24 * HOUR_MS - 1;
    await openAgain();
    expect(await uploads()).toBe(2);
    clock.ms += 2;
    await openAgain();
    expect(await uploads()).toBe(0);
    await sender.end();
    // It was not killed but slow: what is gone is not served as if it were whole.
    await expect(lost).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect((await first.artifacts.list('r')).items).toEqual([]);
  });

  test('that were left behind go with what the log does not need any more', async () => {
    const leave = 'INSERT INTO holdfast_blobs (digest, part, bytes) VALUES ($1, 0, $2)';
    for (const name of ['upload:0000000000000001:a', 'upload:9000000000000000:b', 'sha256:1']) {
      await db.query(leave, [name, PART]);
    }
    const blobs = new BlobTable(db, () => clock.now());
    const space = { bytesAfter: async () => [], trim: async () => undefined };
    await new Trimmer({ db, space, bytesKeep: 0, blobs }).trim();
    const { rows } = await db.query('SELECT digest FROM holdfast_blobs ORDER BY digest');
    expect(rows.map(({ digest }) => digest)).toEqual(['sha256:1', 'upload:9000000000000000:b']);
  });

  test('that are on their way are not touched by those who open the store', async () => {
    const sender = new Sender();
    const stored = first.artifacts.put('r', { name: 'a', body: sender.body() });
    await sender.send();
    await untilUploaded(1);
    clock.ms += 23 * HOUR_MS;
    await openAgain();
    await sender.send();
    await sender.end();
    expect(await stored).toMatchObject({ size: 2 * PART.length });
    expect((await first.verify()).findings).toEqual([]);
  });

  test('are stored once when many send the same at the same moment', async () => {
    // They wait for each other, in SQLite for some time.
    const stores = [await openAgain({}), await openAgain({})];
    for (const body of ['the same', '']) {
      const puts = Array.from({ length: 40 }, (_, n) =>
        (stores[n % 2] as Store).artifacts.put('r', { name: `${n}${body}`, body }),
      );
      await Promise.all(puts);
    }
    expect((await db.query('SELECT digest FROM holdfast_blobs')).rowCount).toBe(2);
  });

  describe('that go to a folder', () => {
    let folder: string;
    const text = async (store: Store, name: string) =>
      Buffer.concat(await collect(store.artifacts.open('r', name))).toString();

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'holdfast-blobs-'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    test('are read by every store that names it, beside those of the rows', async () => {
      await first.artifacts.put('r', { name: 'early', body: 'in a row' });
      const blobs = `file:${folder}`;
      const store = await openAgain({ clock, blobs });
      await store.artifacts.put('r', { name: 'late', body: 'in a file' });
      const other = await openAgain({ clock, blobs });
      expect([await text(other, 'early'), await text(other, 'late')]).toEqual([
        'in a row',
        'in a file',
      ]);
      expect((await db.query('SELECT digest FROM holdfast_blobs')).rowCount).toBe(1);
      expect(await readdir(join(folder, 'blobs', 'sha256'))).toHaveLength(1);
      expect(await other.verify()).toMatchObject({ findings: [], blobs: 2 });
      // Who does not name it is told what it misses.
      expect((await first.verify()).findings).toMatchObject([{ code: 'DATA_CORRUPT' }]);
    });

    test('need one: another place is refused', async () => {
      const opening = openAgain({ clock, blobs: 's3://bucket' });
      await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });
  });
});
