import { type Database, type Queryable, queryEach } from '../../db.ts';
import type { Batch } from './batch.ts';
import { eventsOfRuns } from './eventSql.ts';
import type { BatchOutcome, CommitLog } from './log.ts';

const HEAD = 'SELECT position, max(at_ms, $1) AS at_ms FROM holdfast_log_head';

type Table = keyof Batch;
type Column<T extends Table> = keyof Batch[T][number] & string;

/** One statement of a batch; `$1` is its table, each row an array of these columns. */
interface Write {
  readonly table: Table;
  readonly columns: readonly string[];
  readonly sql: string;
}

/**
 * The rows of `$1` by the names of their columns. As arrays: of an object each `->>` would look for
 * its key through the texts before it, which takes twice as long.
 */
function rowsOf(columns: readonly string[], parameter = '$1'): string {
  const named = columns.map((name, n) => `value ->> ${n} AS ${name}`);
  return `(SELECT ${named.join(', ')} FROM json_each(${parameter}) WHERE true)`;
}

function write<T extends Table>(
  table: T,
  columns: readonly Column<T>[],
  sql: (rows: string) => string,
): Write {
  return { table, columns, sql: sql(rowsOf(columns)) };
}

function factsInto(facts: 'texts' | 'numbers', rows: string): string {
  return `INSERT INTO holdfast_artifact_${facts} (path, value, artifact)
    SELECT x.path, x.value, o.n FROM ${rows} x JOIN holdfast_artifacts o
      ON o.run_id = x.run AND o.name = x.name AND o.version = x.version`;
}

const ARTIFACT = ['run', 'name', 'version'] as const;
const GUARD = ['g', 'run', 'head'];
const KEY = ['g', 'run', 'key'];
const FAILED = `
  SELECT x.g FROM ${rowsOf(GUARD)} x LEFT JOIN holdfast_runs r ON r.id = x.run
    WHERE coalesce(r.head, 0) <> x.head
  UNION SELECT k.g FROM ${rowsOf(KEY, '$2')} k
    JOIN holdfast_events e ON e.run_id = k.run AND e.key = k.key`;

/** Statements of a batch, in their order. */
const WRITES: readonly Write[] = [
  write('deletions', ['run'], tagsOf),
  write(
    'deletions',
    ['run'],
    (rows) =>
      `INSERT INTO holdfast_deleted_events (position, run_id, seq, data)
       SELECT position, run_id, seq, data FROM holdfast_events
       WHERE rowid IN ${eventsOfRuns(rows)}
         AND position >= (SELECT min(position) FROM holdfast_changes)`,
  ),
  write(
    'deletions',
    ['run'],
    (rows) => `DELETE FROM holdfast_events WHERE rowid IN ${eventsOfRuns(rows)}`,
  ),
  write('deletions', ['run'], (rows) => deletionFrom('holdfast_steps', 'run_id', rows)),
  ...['texts', 'numbers', 'parents'].map((facts) =>
    write(
      'deletions',
      ['run'],
      (rows) =>
        `DELETE FROM holdfast_artifact_${facts} WHERE artifact IN
          (SELECT n FROM holdfast_artifacts WHERE run_id IN (SELECT run FROM ${rows}))`,
    ),
  ),
  write('deletions', ['run'], (rows) => deletionFrom('holdfast_artifacts', 'run_id', rows)),
  write('deletions', ['run'], (rows) => deletionFrom('holdfast_runs', 'id', rows)),
  write(
    'touched',
    ['c', 'id', 'last_seq'],
    (rows) =>
      `UPDATE holdfast_runs SET head = x.c, last_seq = x.last_seq
         FROM ${rows} x WHERE holdfast_runs.id = x.id`,
  ),
  write(
    'runs',
    [
      ...(['id', 'created_ms', 'created_c', 'created_position', 'workflow', 'project'] as const),
      ...(['parent_run_id', 'parent_step_id', 'status', 'ended_ms', 'tags', 'c'] as const),
      ...(['last_seq', 'data'] as const),
    ],
    (rows) =>
      `INSERT INTO holdfast_runs (id, created_ms, created_position, workflow, project,
         parent_run_id, parent_step_id, status, ended_ms, tags, head, last_seq, data)
       SELECT id, created_ms, coalesce(created_c, created_position), workflow, project,
         parent_run_id, parent_step_id, status, ended_ms, tags, c, last_seq, data
       FROM ${rows} WHERE true
       ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_ms = excluded.ended_ms,
         tags = excluded.tags, head = excluded.head, last_seq = excluded.last_seq,
         data = excluded.data`,
  ),
  write('retagged', ['run'], tagsOf),
  write(
    'tags',
    ['run', 'key', 'value'],
    (rows) =>
      `INSERT INTO holdfast_run_tags (key, value, created_ms, created_position, run)
       SELECT x.key, x.value, r.created_ms, r.created_position, r.n
       FROM ${rows} x JOIN holdfast_runs r ON r.id = x.run`,
  ),
  write(
    'steps',
    ['run', 'id', 'c', 'n', 'data'],
    (rows) =>
      `INSERT INTO holdfast_steps (run_id, id, created_position, n, data)
       SELECT run, id, c, n, data FROM ${rows} WHERE true
       ON CONFLICT (run_id, id) DO UPDATE SET data = excluded.data`,
  ),
  write(
    'artifacts',
    [
      ...(['run', 'name', 'version', 'id', 'created_ms', 'digest', 'media_type'] as const),
      ...(['size', 'expires_ms', 'deleted', 'data'] as const),
    ],
    (rows) =>
      `INSERT INTO holdfast_artifacts (run_id, name, version, id, created_ms, digest, media_type,
         size, expires_ms, deleted, data)
       SELECT run, name, version, id, created_ms, digest, media_type, size, expires_ms, deleted,
         data FROM ${rows} WHERE true
       ON CONFLICT (run_id, name, version) DO UPDATE SET media_type = excluded.media_type,
         expires_ms = excluded.expires_ms, deleted = excluded.deleted, data = excluded.data`,
  ),
  ...['texts', 'numbers'].map((facts) =>
    write(
      'artifacts',
      ['run', 'name', 'version'],
      (rows) =>
        `DELETE FROM holdfast_artifact_${facts} WHERE artifact IN
          (SELECT o.n FROM ${rows} x JOIN holdfast_artifacts o
            ON o.run_id = x.run AND o.name = x.name AND o.version = x.version)`,
    ),
  ),
  write('texts', [...ARTIFACT, 'path', 'value'], (rows) => factsInto('texts', rows)),
  write('numbers', [...ARTIFACT, 'path', 'value'], (rows) => factsInto('numbers', rows)),
  write(
    'parents',
    [...ARTIFACT, 'parent_run', 'parent_name', 'parent_version'],
    (rows) =>
      `INSERT OR IGNORE INTO holdfast_artifact_parents (run_id, name, version, artifact)
       SELECT x.parent_run, x.parent_name, x.parent_version, o.n
       FROM ${rows} x JOIN holdfast_artifacts o
         ON o.run_id = x.run AND o.name = x.name AND o.version = x.version`,
  ),
];
/** The many, and the large: row by row they save being written as JSON and read again. */
const EVENT = `INSERT INTO holdfast_events (run_id, seq, position, key, data)
  VALUES ($1, $2, $3, $4, $5)`;
const CHANGES = 'INSERT INTO holdfast_changes (position, at_ms, data) VALUES ($1, $2, $3)';
const MOVE = 'UPDATE holdfast_log_head SET position = $1, at_ms = $2';

function tagsOf(rows: string): string {
  return `DELETE FROM holdfast_run_tags
    WHERE run IN (SELECT r.n FROM ${rows} x JOIN holdfast_runs r ON r.id = x.run)`;
}

function deletionFrom(table: string, column: string, rows: string): string {
  return `DELETE FROM ${table} WHERE ${column} IN (SELECT run FROM ${rows})`;
}

/** Commits in one transaction of the process that has the file. */
export class SqliteLog implements CommitLog {
  readonly commitBytesMax = Infinity;
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  commit(batch: Batch, given: number): Promise<BatchOutcome> {
    return this.#db.transaction((tx) => this.commitIn(tx, batch, given));
  }

  /** Without commits it only reads. */
  check(tx: Queryable, batch: Batch, given: number): Promise<BatchOutcome> {
    return this.commitIn(tx, batch, given);
  }

  async commitIn(tx: Queryable, batch: Batch, given: number): Promise<BatchOutcome> {
    const { rows } = await tx.query<{ position: number; at_ms: number }>(HEAD, [given]);
    const [{ position: before, at_ms: at }] = rows as [{ position: number; at_ms: number }];
    const passed = await passing(tx, batch);
    const positions = new Map<number, number>();
    for (const { g, c } of batch.commits) {
      if (passed.has(g)) positions.set(c, before + positions.size + 1);
    }
    if (positions.size === 0) return { before, at, passed };
    await tx.query(MOVE, [before + positions.size, at]);
    for (const { table, columns, sql } of WRITES) {
      const rows = (batch[table] as readonly AnyRow[]).filter(({ g }) => passed.has(g));
      for (const part of partsOf(rows)) {
        await tx.query(sql, [arraysOf(part, columns, positions)]);
      }
    }
    const events = batch.events.filter(({ g }) => passed.has(g));
    const commits = batch.commits.filter(({ g }) => passed.has(g));
    await queryEach(
      tx,
      EVENT,
      events.map(({ run, seq, c, key, data }) => [run, seq, positions.get(c), key, data]),
    );
    await queryEach(
      tx,
      CHANGES,
      commits.map(({ c, data }) => [positions.get(c), at, data]),
    );
    return { before, at, passed };
  }
}

async function passing(tx: Queryable, { guards, keys }: Batch): Promise<ReadonlySet<number>> {
  const values = [arraysOf(guards, GUARD), arraysOf(keys, KEY)];
  const { rows } = await tx.query<{ g: number }>(FAILED, values);
  const failed = new Set(rows.map(({ g }) => g));
  return new Set(guards.map(({ g }) => g).filter((g) => !failed.has(g)));
}

/** What goes into one text: of the rows of large runs all together may be longer than a string can. */
const PART_BYTES = 4 * 1024 * 1024;

type AnyRow = { readonly g: number } & Readonly<Record<string, unknown>>;

/** Rows as JSON, with positions in the place of the numbers of commits. */
function arraysOf(
  rows: readonly AnyRow[],
  columns: readonly string[],
  positions?: ReadonlyMap<number, number>,
): string {
  const valueOf = (row: AnyRow, name: string) => {
    const value = row[name];
    return name === 'c' || name === 'created_c' ? positions?.get(value as number) : value;
  };
  return JSON.stringify(rows.map((row) => columns.map((name) => valueOf(row, name))));
}

function* partsOf(rows: readonly AnyRow[]): Generator<readonly AnyRow[], void, undefined> {
  let part: AnyRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    part.push(row);
    bytes += typeof row['data'] === 'string' ? row['data'].length : 0;
    if (bytes < PART_BYTES) continue;
    yield part;
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield part;
}
