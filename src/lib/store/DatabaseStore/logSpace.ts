import type { Database, Queryable } from '../../db.ts';
import { isStoreError } from '../../errors.ts';

/** What is stored of the log, and how parts of it go. */
export interface LogSpace {
  /** Of all of it, as `trim` counts them. It costs the same however long the log is. */
  bytes(tx: Queryable): Promise<number>;
  /** Bytes of the log after each of these positions; about, and rather too few. */
  bytesAfter(tx: Queryable, positions: readonly number[]): Promise<readonly number[]>;
  /**
   * Removes commits up to `upTo`, or fewer, as long as `bytesKeep` are left. One short transaction, in
   * which no pin can come: `work` says how far it may go.
   */
  trim(bytesKeep: number, limit: (tx: Queryable) => Promise<number>): Promise<void>;
}

/** Commits that SQLite removes in one transaction, and looks at to know how large one is. */
const CHUNK = 8_192;
const SAMPLE = 1_000;
/** Who has read the log and is still in that transaction keeps it, for now. Milliseconds. */
const LOCK_WAIT_MS = 200;

/** A table of SQLite: rows are deleted, some thousand at a time. */
export class TableSpace implements LogSpace {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Exact for a log no longer than the sample; else as if all commits were like its newest ones. */
  async bytes(tx: Queryable): Promise<number> {
    const { first, last, mean } = await this.#measure(tx);
    return last === 0 ? 0 : Math.round((last - first + 1) * mean);
  }

  async bytesAfter(tx: Queryable, positions: readonly number[]): Promise<readonly number[]> {
    const { last, mean } = await this.#measure(tx);
    return positions.map((position) => Math.max(0, last - position) * mean);
  }

  async trim(bytesKeep: number, limit: (tx: Queryable) => Promise<number>): Promise<void> {
    for (let isDone = false; !isDone;) {
      isDone = await this.#db.transaction(async (tx) => {
        const { first, last, mean } = await this.#measure(tx);
        const upTo = Math.min(await limit(tx), last - Math.ceil(bytesKeep / Math.max(1, mean)));
        const end = Math.min(upTo, first + CHUNK - 1);
        if (end >= first) {
          await tx.query('DELETE FROM holdfast_changes WHERE position <= $1', [end]);
          await forgetDeletedEvents(tx, end);
        }
        return end >= upTo;
      });
    }
  }

  async #measure(tx: Queryable) {
    type Measured = { readonly first: number; readonly last: number; readonly mean: number };
    const sql = `SELECT coalesce((SELECT min(position) FROM holdfast_changes), 0) AS first,
      coalesce((SELECT max(position) FROM holdfast_changes), 0) AS last,
      coalesce((SELECT avg(bytes) FROM (SELECT octet_length(data) AS bytes FROM holdfast_changes
        ORDER BY position DESC LIMIT ${SAMPLE})), 0) AS mean`;
    return (await tx.query<Measured>(sql)).rows[0] as Measured;
  }
}

async function headOf(tx: Queryable): Promise<number> {
  const { rows } = await tx.query<{ position: number }>('SELECT position FROM holdfast_log_head');
  return rows[0]?.position ?? 0;
}

/** They were kept for the log alone, which now begins after `upTo`. */
async function forgetDeletedEvents(tx: Queryable, upTo: number): Promise<void> {
  // With one bound alone PostgreSQL may take it for a third of the table, and read all of it.
  const sql = 'DELETE FROM holdfast_deleted_events WHERE position BETWEEN 0 AND $1';
  await tx.query(sql, [upTo]);
}

function total(partitions: readonly Partition[]): number {
  return partitions.reduce((sum, { bytes }) => sum + bytes, 0);
}

interface Partition {
  readonly name: string;
  readonly bytes: number;
  /** The first position of it, and the first after it. */
  readonly from: number;
  readonly to: number;
}

/** Partitions of PostgreSQL: dropped whole, which costs the same however many commits they hold. */
export class PartitionSpace implements LogSpace {
  readonly #db: Database;
  readonly #partitionCommits: number;

  constructor(db: Database, partitionCommits: number) {
    this.#db = db;
    this.#partitionCommits = partitionCommits;
  }

  /** What its partitions take on the disk, with their indexes. */
  async bytes(tx: Queryable): Promise<number> {
    return total(await this.#partitions(tx));
  }

  async bytesAfter(tx: Queryable, positions: readonly number[]): Promise<readonly number[]> {
    const partitions = await this.#partitions(tx);
    return positions.map((position) => total(partitions.filter(({ from }) => from > position)));
  }

  async trim(bytesKeep: number, limit: (tx: Queryable) => Promise<number>): Promise<void> {
    try {
      await this.#db.transaction(async (tx) => {
        await tx.query(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`);
        await tx.query('LOCK TABLE holdfast_pins IN SHARE ROW EXCLUSIVE MODE');
        // The one that the next commit goes to stays, however little is to be kept.
        const upTo = Math.min(await limit(tx), await headOf(tx));
        const partitions = await this.#partitions(tx);
        let left = total(partitions);
        for (const { bytes, from, to } of partitions) {
          left -= bytes;
          if (to - 1 > upTo || left < bytesKeep) return;
          await tx.query('SELECT holdfast_drop_log($1)', [from / this.#partitionCommits]);
          await forgetDeletedEvents(tx, to - 1);
        }
      });
    } catch (error) {
      // Somebody reads it: it is tried again with the next commits.
      if (!isStoreError(error, 'LOCK_TIMEOUT')) throw error;
    }
  }

  /** Oldest first. */
  async #partitions(tx: Queryable): Promise<readonly Partition[]> {
    const sql = `SELECT c.oid::regclass::text AS name, pg_total_relation_size(c.oid) AS bytes
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'holdfast_changes'::regclass`;
    const { rows } = await tx.query<{ name: string; bytes: number }>(sql);
    return rows
      .map((row) => {
        const from = Number(/(\d+)"?$/.exec(row.name)?.[1]) * this.#partitionCommits;
        return { ...row, from, to: from + this.#partitionCommits };
      })
      .toSorted((a, b) => a.from - b.from);
  }
}
