import type { Queryable } from '../../db.ts';
import type { Batch } from './batch.ts';

/** What became of a batch. */
export interface BatchOutcome {
  /** The position of the last commit before it; the commits that passed follow in their order. */
  readonly before: number;
  /** Milliseconds since 1970; never earlier than that of a commit before. */
  readonly at: number;
  /** The groups that passed: nobody had moved their runs. Of the others nothing is stored. */
  readonly passed: ReadonlySet<number>;
}

/** The log of a database. */
export interface CommitLog {
  /** What the rows of one commit may hold, in UTF-16 units of their texts. */
  readonly commitBytesMax: number;

  /**
   * Checks each group of the batch against what is stored, numbers the commits of those that pass,
   * and stores them; all in one transaction, durable when it resolves.
   */
  commit(batch: Batch, at: number): Promise<BatchOutcome>;

  /** Whether what a batch that changes nothing rests on is still so. It writes and locks nothing. */
  check(db: Queryable, batch: Batch, at: number): Promise<BatchOutcome>;

  /** The same as `commit` in a transaction of somebody else, whose commit decides. */
  commitIn(tx: Queryable, batch: Batch, at: number): Promise<BatchOutcome>;
}
