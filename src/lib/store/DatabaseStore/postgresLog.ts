import type { Database, Queryable } from '../../db.ts';
import type { Batch } from './batch.ts';
import type { BatchOutcome, CommitLog } from './log.ts';

const COMMIT = 'SELECT holdfast_commit($1, $2, $3, $4, $5, $6, $7, $8) AS outcome';

type Outcome = readonly [before: number, at: number, missed: readonly number[]];

/** Commits by one call of a function of the database: one round trip, one transaction. */
export class PostgresLog implements CommitLog {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  commit(batch: Batch, at: number): Promise<BatchOutcome> {
    return this.commitIn(this.#db, batch, at);
  }

  async commitIn(db: Queryable, batch: Batch, given: number): Promise<BatchOutcome> {
    const values = [given, ...parametersOf(batch)];
    // A SELECT that writes: only then is a connection that dies under it `OUTCOME_UNKNOWN`.
    const readOnly = batch.commits.length === 0;
    const { rows } = await db.query<{ outcome: string }>(COMMIT, values, { readOnly });
    const [before, at, missed] = JSON.parse(rows[0]?.outcome as string) as Outcome;
    const passed = new Set(batch.guards.map(({ g }) => g));
    for (const g of missed) passed.delete(g);
    return { before, at, passed };
  }
}

/**
 * Lines and JSON as the function takes them. Neither ids, names nor JSON text hold control characters,
 * so that tabs and line feeds can stand between them.
 */
function parametersOf(batch: Batch): readonly unknown[] {
  const { guards, commits, touched, steps, events } = batch;
  return [
    commits.length,
    lines(guards, ({ g, head, run }) => `${g}\t${head}\t${run}`),
    lines(commits, ({ c, g, data }) => `${c}\t${g}\t${data}`),
    lines(touched, ({ c, last_seq, id }) => `${c}\t${last_seq}\t${id}`),
    lines(steps, ({ c, n, run, id, data }) => `${c}\t${n}\t${run}\t${id}\t${data}`),
    lines(events, ({ c, seq, run, key, data }) => `${c}\t${seq}\t${run}\t${key ?? ''}\t${data}`),
    othersOf(batch),
  ];
}

function lines<R>(rows: readonly R[], line: (row: R) => string): string | null {
  return rows.length === 0 ? null : rows.map(line).join('\n');
}

function othersOf({ keys, deletions, runs, retagged, tags, artifacts }: Batch): string | null {
  const tables = Object.entries({ keys, deletions, runs, retagged, tags, artifacts });
  const others = tables.filter(([, rows]) => rows.length > 0);
  return others.length === 0 ? null : JSON.stringify(Object.fromEntries(others));
}
