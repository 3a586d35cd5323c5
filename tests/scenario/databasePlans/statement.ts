import { jest } from '@jest/globals';
import type { Queryable } from '../../../src/index.ts';
import type { Connection, Statement } from '../../../src/lib/db/connection.ts';
import { PostgresConnection } from '../../../src/lib/db/postgres/PostgresConnection.ts';
import { SqliteConnection } from '../../../src/lib/db/sqlite/SqliteConnection.ts';

export type SentStatement = Pick<Statement, 'sql' | 'params'>;

/** How much a statement may read, and which way it is to go. */
export interface Bounds {
  /** Rows that any step of its plan may read, those included that a filter drops. */
  readonly rowsMax: number;
  /** An index that it must use. */
  readonly index?: string | undefined;
  /** One that SQLite must use; PostgreSQL weighs by what it has sampled, and may go another way. */
  readonly sqliteIndex?: string | undefined;
  /** An index, or a table by its key, that it may walk from its end: it wants what is there first. */
  readonly walk?: string | undefined;
  /** It sorts what it has found by an index, and no more than it says. */
  readonly isSorting?: boolean | undefined;
}

/** What is wrong with the plan of a statement; nothing, where it is within its bounds. */
export type FaultsOf = (
  db: Queryable,
  statement: SentStatement,
  bounds: Bounds,
) => Promise<readonly string[]>;

/** Tables that grow; partitions of the log have its name and a number. */
export const BIG = /^holdfast_(runs|run_tags|steps|artifacts|events|deleted_events|changes|blobs)/;

/** What drops a partition has no plan of rows. */
const EXPLAINABLE = /^[\s(]*(SELECT(?! holdfast_drop_log)|WITH|INSERT|UPDATE|DELETE)\b/;

/** The functions of PostgreSQL that commit. */
export const COMMIT = /^SELECT holdfast_commit\w*\(/;

class Held extends Error {}

/**
 * Every statement that a database is sent while `work` runs, each text once; as it was sent. What would
 * commit on PostgreSQL is not, if it is to be held: then it can be tried out later.
 */
export async function statementsOf(
  work: () => PromiseLike<unknown>,
  isHeld = false,
): Promise<readonly SentStatement[]> {
  const sent: SentStatement[] = [];
  const spies = [PostgresConnection, SqliteConnection].map(({ prototype }) => {
    // oxlint-disable-next-line typescript/unbound-method -- it is called on its own connection
    const { run } = prototype;
    const spied = jest.spyOn(prototype as Connection, 'run');
    return spied.mockImplementation(function (this: Connection, statement, limit) {
      sent.push(statement);
      if (isHeld && COMMIT.test(statement.sql)) return Promise.reject(new Held());
      return run.call(this, statement, limit);
    });
  });
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Held)) throw error;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  const bySql = new Map(sent.map((statement) => [statement.sql, statement]));
  return [...bySql.values()].filter(({ sql }) => EXPLAINABLE.test(sql));
}
