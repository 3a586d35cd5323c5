import { connectDatabase, type Database, openStore, type Store } from '../../../src/index.ts';
import { PARTITION_COMMITS } from '../../../src/lib/migrations.ts';

/** Runs, steps, events and commits of a big store; the busiest run has `BUSY_ROWS` of its own, too. */
export const ROWS = 100_000;
const BUSY_ROWS = 10_000;
/** When run 0 was created; each run a second after the one before it. Milliseconds since 1970. */
const START_MS = Date.UTC(2025, 0, 1);

/** The run `n` of the big store, from 1 to `ROWS`. */
export const runId = (n: number): string => `run-${n}`;
export const createdAt = (n: number): Date => new Date(START_MS + n * 1_000);
/** The one with so many events. */
export const BUSY = runId(ROWS);

/** What the rows are copies of. */
const TEMPLATE = 'template';

/**
 * Scattered over the runs so that no two of these go together: one run of `count` has `value`, where
 * values count from 0. Runs with workflow `w0` are 1 of 20, of project `p0` 1 of 50; tag `team` has 10
 * values, `customer` 1,000, and `stage` says `live` of half of them.
 */
const scattered = (prime: number, count: number): string => `((n * ${prime}) % 100003) % ${count}`;
const of = (name: string, prime: number, count: number): string =>
  `'${name}' || (${scattered(prime, count)})`;
const TEAM = of('t', 7_919, 10);
const CUSTOMER = of('c', 6_007, 1_000);
const STAGE = `CASE ${scattered(5_003, 2)} WHEN 0 THEN 'live' ELSE 'test' END`;
const STATUS = `CASE ${scattered(3_001, 100)} WHEN 0 THEN 'queued' WHEN 1 THEN 'running'
  WHEN 2 THEN 'blocked' WHEN 3 THEN 'cancelled' WHEN 4 THEN 'failed' WHEN 5 THEN 'failed'
  ELSE 'succeeded' END`;

const CREATED = `${START_MS} + CAST(n AS bigint) * 1000`;
/** As the template, with an id of its own. */
const copyOf = (text: string, was: string, id: string): string =>
  `replace(${text}, '"${was}"', '"' || ${id} || '"')`;

const FILLS: readonly string[] = [
  `INSERT INTO holdfast_runs (n, id, created_ms, created_position, workflow, project, parent_run_id,
      parent_step_id, status, ended_ms, tags, head, last_seq, data)
    SELECT 100 + n, 'run-' || n, ${CREATED}, n, ${of('w', 4_001, 20)},
      CASE n % 2 WHEN 0 THEN ${of('p', 2_003, 50)} END,
      CASE n % 4 WHEN 0 THEN 'run-' || (n / 400 + 1) END, CASE n % 8 WHEN 0 THEN 's' || (n / 800 + 1) END,
      status, CASE WHEN status IN ('succeeded', 'failed', 'cancelled') THEN ${CREATED} + 60000 END,
      t.tags, n, CASE n WHEN ${ROWS} THEN ${BUSY_ROWS + 1} ELSE 1 END,
      ${copyOf('t.data', TEMPLATE, "'run-' || n")}
    FROM (SELECT n, ${STATUS} AS status FROM series) AS s, (SELECT tags, data FROM holdfast_runs
      WHERE id = '${TEMPLATE}') AS t`,
  ...[
    ['team', TEAM],
    ['customer', CUSTOMER],
    ['stage', STAGE],
  ].map(
    ([key, value]) => `INSERT INTO holdfast_run_tags (key, value, created_ms, created_position, run)
      SELECT '${key}', ${value}, ${CREATED}, n, 100 + n FROM series`,
  ),
  `INSERT INTO holdfast_steps (run_id, id, created_position, n, data)
    SELECT 'run-' || n, 's1', n, 0, t.data
    FROM series, (SELECT data FROM holdfast_steps WHERE run_id = '${TEMPLATE}') AS t`,
  `INSERT INTO holdfast_artifacts (n, run_id, name, version, id, created_ms, digest, media_type, size,
      deleted, data)
    SELECT 100 + n, 'run-' || n, 'a', 1, 'id-' || n, ${CREATED}, t.digest, t.media_type, t.size, 0, t.data
    FROM series, (SELECT digest, media_type, size, data FROM holdfast_artifacts
      WHERE run_id = '${TEMPLATE}') AS t`,
  `INSERT INTO holdfast_artifact_texts (path, value, artifact)
    SELECT 'm.skey', 'sv' || (n / 10), 100 + n FROM series`,
  `INSERT INTO holdfast_artifact_numbers (path, value, artifact)
    SELECT 'm.sn', n, 100 + n FROM series`,
  ...[
    ["'run-' || n", '1', 'true'],
    [`'${BUSY}'`, 'n + 1', `n <= ${BUSY_ROWS}`],
  ].map(
    ([run, seq, isWanted]) => `INSERT INTO holdfast_events (run_id, seq, position, key, data)
      SELECT ${run}, ${seq}, n, 'key-' || (${seq}),
        replace(${copyOf('t.data', 'key', `'key-' || (${seq})`)}, '"seq":1,', '"seq":' || (${seq}) || ',')
      FROM series, (SELECT data FROM holdfast_events WHERE run_id = '${TEMPLATE}') AS t
      WHERE ${isWanted}`,
  ),
  `INSERT INTO holdfast_changes (position, at_ms, data)
    SELECT h.position + n, ${CREATED}, t.data FROM series, holdfast_log_head AS h,
      (SELECT data FROM holdfast_changes ORDER BY position LIMIT 1) AS t`,
  `INSERT INTO holdfast_deleted_events (position, run_id, seq, data)
    SELECT h.position + n, 'gone-' || n, 1, t.data FROM series, holdfast_log_head AS h,
      (SELECT data FROM holdfast_events WHERE run_id = '${TEMPLATE}') AS t`,
  `INSERT INTO holdfast_blobs (digest, part, bytes)
    SELECT 'sha256:' || n, 0, t.bytes FROM series, (SELECT bytes FROM holdfast_blobs) AS t
    WHERE n <= ${ROWS / 10}`,
  `UPDATE holdfast_log_head SET position = position + ${ROWS},
    at_ms = ${createdAt(ROWS).getTime()}`,
];

const SERIES = {
  postgres: `(SELECT n FROM generate_series(1, ${ROWS}) AS n) AS series`,
  sqlite: `(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted
    WHERE n < ${ROWS}) SELECT n FROM counted) AS series`,
} as const;

/**
 * Makes a store of `ROWS` runs at `url`, each with a step, an event, an artifact and a commit. Returns
 * the place in the log at which these commits begin.
 */
export async function makeBigStore(url: string): Promise<string> {
  await using store = await openStore(url, { migrate: 'auto' });
  await makeTemplate(store);
  const start = store.position();
  await using db = await connectDatabase(url, { statementTimeoutMs: 60_000 });
  if (db.dialect === 'postgres') await preparePostgres(db);
  await db.transaction(async (tx) => {
    for (const sql of FILLS) await tx.query(sql.replaceAll(/\bseries\b/g, SERIES[db.dialect]));
  });
  await store.runs.delete(TEMPLATE);
  return start;
}

/** Everything that a row of the database is made of, once, by the store itself. */
async function makeTemplate({ runs, steps, events, artifacts }: Store): Promise<void> {
  const tags = { team: 't0', customer: 'c0', stage: 'live' };
  const input = { text: 'what somebody wants of this run' };
  await runs.create({ id: TEMPLATE, workflow: 'w0', project: 'p0', tags, input });
  await steps.create(TEMPLATE, { id: 's1', name: 'fetch', input });
  await events.append(TEMPLATE, { type: 'line', idempotencyKey: 'key', payload: input });
  await artifacts.put(TEMPLATE, { name: 'a', body: 'bytes' });
}

/** The tables get the rows that they would have got by commits, and no statistics by themselves. */
async function preparePostgres(db: Database): Promise<void> {
  for (const table of [
    'runs',
    'run_tags',
    'steps',
    'artifacts',
    'events',
    'deleted_events',
    'blobs',
  ]) {
    await db.query(`ALTER TABLE holdfast_${table} SET (autovacuum_enabled = off)`);
  }
  for (let position = 0; position < 2 * ROWS; position += PARTITION_COMMITS) {
    await db.query('SELECT holdfast_extend_log($1)', [position]);
  }
}
