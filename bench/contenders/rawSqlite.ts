import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { payload } from '../harness/payload.ts';
import type { Contender } from '../harness/measure.ts';

/** As durable as SQLite in WAL mode gets: every commit is synced before it returns. */
export function openDurableSqlite(folder: string): DatabaseSync {
  const database = new DatabaseSync(join(folder, 'raw.db'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  return database;
}

/** The loop that one would write by hand: one insert, one transaction, one caller at a time. */
export function rawSqlite(folder: string): Contender {
  const database = openDurableSqlite(folder);
  database.exec(
    `CREATE TABLE events (run_id TEXT, seq INTEGER, type TEXT, recorded_at TEXT, payload TEXT,
     PRIMARY KEY (run_id, seq)) WITHOUT ROWID`,
  );
  const insert = database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?)');
  let seq = 0;
  return {
    name: 'raw SQLite, WAL, synchronous=FULL',
    write(n) {
      const recordedAt = new Date().toISOString();
      insert.run('run', (seq += 1), 'http.response', recordedAt, JSON.stringify(payload(n)));
    },
    close: () => database.close(),
  };
}
