import type { Database, Queryable } from '../../db.ts';
import type { Batch } from './batch.ts';
import type { BatchOutcome, CommitLog } from './log.ts';

const HEAD = 'SELECT position, max(at_ms, $1) AS at_ms FROM holdfast_log_head';
const FAILED = `
  SELECT x.value ->> 'g' AS g FROM json_each($1) x
    LEFT JOIN holdfast_runs r ON r.id = x.value ->> 'run'
    WHERE coalesce(r.head, 0) <> x.value ->> 'head'
  UNION SELECT k.value ->> 'g' FROM json_each($2) k
    JOIN holdfast_events e ON e.run_id = k.value ->> 'run' AND e.key = k.value ->> 'key'`;

/** Statements of a batch, in their order; `$1` is the table of the batch that they are named after. */
const WRITES: readonly (readonly [table: keyof Batch, sql: string])[] = [
  [
    'deletions',
    `DELETE FROM holdfast_run_tags WHERE run IN (SELECT r.n FROM json_each($1) x
       JOIN holdfast_runs r ON r.id = x.value ->> 'run')`,
  ],
  ['deletions', deletionFrom('holdfast_events', 'run_id')],
  ['deletions', deletionFrom('holdfast_steps', 'run_id')],
  ['deletions', deletionFrom('holdfast_artifacts', 'run_id')],
  ['deletions', deletionFrom('holdfast_runs', 'id')],
  [
    'touched',
    `UPDATE holdfast_runs SET head = x.value ->> 'c', last_seq = x.value ->> 'last_seq'
     FROM json_each($1) x WHERE holdfast_runs.id = x.value ->> 'id'`,
  ],
  [
    'runs',
    `INSERT INTO holdfast_runs (id, created_ms, created_position, workflow, project, parent_run_id,
       parent_step_id, status, ended_ms, tags, head, last_seq, data)
     SELECT value ->> 'id', value ->> 'created_ms',
       coalesce(value ->> 'created_c', value ->> 'created_position'), value ->> 'workflow',
       value ->> 'project', value ->> 'parent_run_id', value ->> 'parent_step_id',
       value ->> 'status', value ->> 'ended_ms', value ->> 'tags', value ->> 'c',
       value ->> 'last_seq', value ->> 'data'
     FROM json_each($1) WHERE true
     ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_ms = excluded.ended_ms,
       tags = excluded.tags, head = excluded.head, last_seq = excluded.last_seq,
       data = excluded.data`,
  ],
  [
    'retagged',
    `DELETE FROM holdfast_run_tags WHERE run IN (SELECT r.n FROM json_each($1) x
       JOIN holdfast_runs r ON r.id = x.value ->> 'run')`,
  ],
  [
    'tags',
    `INSERT INTO holdfast_run_tags (key, value, created_ms, created_position, run)
     SELECT x.value ->> 'key', x.value ->> 'value', r.created_ms, r.created_position, r.n
     FROM json_each($1) x JOIN holdfast_runs r ON r.id = x.value ->> 'run'`,
  ],
  [
    'steps',
    `INSERT INTO holdfast_steps (run_id, id, created_position, n, data)
     SELECT value ->> 'run', value ->> 'id', value ->> 'c', value ->> 'n', value ->> 'data'
     FROM json_each($1) WHERE true
     ON CONFLICT (run_id, id) DO UPDATE SET data = excluded.data`,
  ],
  [
    'artifacts',
    `INSERT INTO holdfast_artifacts (run_id, name, version, data)
     SELECT value ->> 'run', value ->> 'name', value ->> 'version', value ->> 'data'
     FROM json_each($1) WHERE true
     ON CONFLICT (run_id, name, version) DO UPDATE SET data = excluded.data`,
  ],
  [
    'events',
    `INSERT INTO holdfast_events (run_id, seq, position, key, data)
     SELECT value ->> 'run', value ->> 'seq', value ->> 'c', value ->> 'key', value ->> 'data'
     FROM json_each($1)`,
  ],
];
const CHANGES = `INSERT INTO holdfast_changes (position, at_ms, data)
  SELECT value ->> 'c', $2, value ->> 'data' FROM json_each($1)`;

function deletionFrom(table: string, column: string): string {
  return `DELETE FROM ${table} WHERE ${column} IN (SELECT value ->> 'run' FROM json_each($1))`;
}

/** Commits in one transaction of the process that has the file. */
export class SqliteLog implements CommitLog {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  commit(batch: Batch, given: number): Promise<BatchOutcome> {
    return this.#db.transaction((tx) => this.commitIn(tx, batch, given));
  }

  async commitIn(tx: Queryable, batch: Batch, given: number): Promise<BatchOutcome> {
    const { rows } = await tx.query<{ position: number; at_ms: number }>(HEAD, [given]);
    const [{ position: before, at_ms: at }] = rows as [{ position: number; at_ms: number }];
    const passed = await passing(tx, batch);
    const positions = new Map<number, number>();
    for (const { g, c } of batch.commits) {
      if (passed.has(g)) positions.set(c, before + positions.size + 1);
    }
    if (positions.size > 0) await write(tx, placed(batch, passed, positions), at);
    return { before, at, passed };
  }
}

async function passing(tx: Queryable, { guards, keys }: Batch): Promise<ReadonlySet<number>> {
  const values = [JSON.stringify(guards), JSON.stringify(keys)];
  const { rows } = await tx.query<{ g: number }>(FAILED, values);
  const failed = new Set(rows.map(({ g }) => g));
  return new Set(guards.map(({ g }) => g).filter((g) => !failed.has(g)));
}

type Placed = Record<keyof Batch, readonly object[]>;

/** What passed, with positions in the place of the numbers of commits. */
function placed(
  batch: Batch,
  passed: ReadonlySet<number>,
  positions: ReadonlyMap<number, number>,
): Placed {
  const at = (c: number | null | undefined) =>
    c === null || c === undefined ? null : positions.get(c);
  const tables = Object.entries(batch).map(([name, rows]) => [
    name,
    (rows as readonly { g: number; c?: number; created_c?: number | null }[])
      .filter(({ g }) => passed.has(g))
      .map((row) => ({ ...row, c: at(row.c), created_c: at(row.created_c) })),
  ]);
  return Object.fromEntries(tables) as Placed;
}

async function write(tx: Queryable, batch: Placed, at: number): Promise<void> {
  for (const [table, sql] of WRITES) {
    if (batch[table].length > 0) await tx.query(sql, [JSON.stringify(batch[table])]);
  }
  await tx.query(CHANGES, [JSON.stringify(batch.commits), at]);
  const last = (batch.commits.at(-1) as { readonly c: number }).c;
  await tx.query('UPDATE holdfast_log_head SET position = $1, at_ms = $2', [last, at]);
}
