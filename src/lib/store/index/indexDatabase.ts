import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import { StoreError } from '../../errors.ts';
import { checkIndex } from './indexCheck.ts';
import { indexError, IndexUnusable } from './indexError.ts';
import { INDEX_FORMAT, SCHEMA } from './schema.ts';
import type { Stamp } from './pendingRuns.ts';
import { bytesChecksum, rowChecksum, type Value } from './rowChecksum.ts';

/** The history that the index was derived from. */
export interface IndexIdentity {
  readonly storeId: string;
  readonly timeline: number;
}

/**
 * - `EXCLUSIVE`: one process owns the store, so SQLite needs neither shared memory nor locks a read;
 *   with one connection, the WAL-reset fault of SQLite before 3.51.3 cannot occur either.
 * - `NORMAL`: a commit is not synced, a checkpoint is. What a crash takes back was derived.
 * - No automatic checkpoints: they would sync in the middle of someone's read.
 */
const SETTINGS = `
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16384;
`;

const STATEMENTS_MAX = 128;

export type Columns = Readonly<Record<string, unknown>>;

/** The index's SQLite database. Every failure is a `StoreError`. */
export class IndexDatabase {
  readonly #database: DatabaseSync;
  readonly #identity: IndexIdentity;
  readonly #statements = new LRUCache<string, StatementSync>({ max: STATEMENTS_MAX });

  private constructor(path: string, identity: IndexIdentity) {
    this.#database = new DatabaseSync(path);
    this.#identity = identity;
  }

  /** Opens it, or creates it. `IndexUnusable` when it is damaged or of another store or format. */
  static open(path: string, identity: IndexIdentity, check: boolean): IndexDatabase {
    let database: IndexDatabase | undefined;
    try {
      database = new IndexDatabase(path, identity);
      database.#database.exec(SETTINGS);
      if (database.get('SELECT 1 FROM sqlite_schema LIMIT 1') === undefined) {
        database.#create();
      } else {
        database.#verify(check);
      }
      return database;
    } catch (error) {
      database?.close();
      throw indexError(error);
    }
  }

  get(sql: string, ...values: readonly Value[]): Columns | undefined {
    return this.#attempt(() => this.#prepare(sql).get(...values));
  }

  all(sql: string, ...values: readonly Value[]): Columns[] {
    return this.#attempt(() => this.#prepare(sql).all(...values));
  }

  /** For SQL with `$1`, `$2`… as PostgreSQL has it. */
  query(sql: string, params: readonly Value[]): Columns[] {
    const named = Object.fromEntries(params.map((value, i) => [`$${i + 1}`, value]));
    return this.#attempt(() => this.#prepare(sql).all(named));
  }

  /** Returns the rowid of an inserted row. */
  run(sql: string, ...values: readonly Value[]): number {
    return this.#attempt(() => Number(this.#prepare(sql).run(...values).lastInsertRowid));
  }

  /** All of `work` or nothing. */
  transaction(work: () => void): void {
    this.#attempt(() => this.#database.exec('BEGIN IMMEDIATE'));
    try {
      work();
      this.#attempt(() => this.#database.exec('COMMIT'));
    } catch (error) {
      // SQLite has rolled back by itself after some failures, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  writeStamp({ position, checkpoint }: Stamp): void {
    const crc = this.#checksumOf(position, checkpoint);
    this.run('UPDATE meta SET position = ?, checkpoint = ?, crc = ?', position, checkpoint, crc);
  }

  readStamp(): Stamp {
    const [meta] = this.all('SELECT position, checkpoint FROM meta');
    return { ...meta } as unknown as Stamp;
  }

  /** Brings all that was committed into the main file, synced, and empties the log. */
  checkpoint(): void {
    const [result] = this.all('PRAGMA wal_checkpoint(TRUNCATE)');
    if (result?.['busy'] !== 0) throw indexError(new Error('its log is in use'));
  }

  close(): void {
    if (this.#database.isOpen) this.#attempt(() => this.#database.close());
  }

  #create(): void {
    const { storeId, timeline } = this.#identity;
    this.transaction(() => {
      this.#database.exec(SCHEMA);
      const sql = 'INSERT INTO meta VALUES (1, ?, ?, ?, 0, 0, ?)';
      this.run(sql, INDEX_FORMAT, storeId, timeline, this.#checksumOf(0, 0));
    });
  }

  #checksumOf(position: number, checkpoint: number): number {
    const { storeId, timeline } = this.#identity;
    return rowChecksum([INDEX_FORMAT, storeId, timeline, position, checkpoint]);
  }

  #verify(check: boolean): void {
    const { storeId, timeline } = this.#identity;
    const meta = this.get('SELECT format, store_id, timeline FROM meta');
    if (meta?.['format'] !== INDEX_FORMAT) throw new IndexUnusable('it has another format');
    if (meta['store_id'] !== storeId || meta['timeline'] !== timeline) {
      throw new IndexUnusable('it belongs to another store or timeline');
    }
    if (!check) return;
    this.#database.function('checksum', { deterministic: true }, bytesChecksum);
    checkIndex(this);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Who was under way when the store was closed is told so. */
  #attempt<T>(work: () => T): T {
    if (!this.#database.isOpen) throw new StoreError('STORE_CLOSED', 'the store has been closed');
    try {
      return work();
    } catch (error) {
      throw indexError(error);
    }
  }
}
