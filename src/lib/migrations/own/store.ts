import type { Dialect } from '../../db.ts';
import type { Migration } from '../migration.ts';

const TYPES = {
  postgres: {
    text: 'text COLLATE "C"',
    number: 'bigint',
    key: 'bigserial PRIMARY KEY',
    blob: 'bytea',
  },
  sqlite: { text: 'TEXT', number: 'INTEGER', key: 'INTEGER PRIMARY KEY', blob: 'BLOB' },
} as const;

/**
 * The tables of a database store. Rows are JSON text as in a journal, never `jsonb`, which would
 * change numbers and refuse `\\u0000`; the columns that filters look at stand beside it. Times are
 * milliseconds since 1970. Events are stored once: the log names them, and those of a deleted run
 * stay for as long as it does.
 */
function schemaOf(dialect: Dialect): string {
  const { text, number, key, blob } = TYPES[dialect];
  const partitioned = dialect === 'postgres' ? ' PARTITION BY RANGE (position)' : '';
  // Rows that change often find room beside them, and no index needs to know.
  const roomy = dialect === 'postgres' ? ' WITH (fillfactor = 70)' : '';
  const tables = `
CREATE TABLE holdfast_store (
  only_row ${number} PRIMARY KEY CHECK (only_row = 1),
  store_id ${text} NOT NULL,
  timeline ${number} NOT NULL,
  created_ms ${number} NOT NULL
);
CREATE TABLE holdfast_log_head (
  only_row ${number} PRIMARY KEY CHECK (only_row = 1),
  position ${number} NOT NULL,
  at_ms ${number} NOT NULL
);
INSERT INTO holdfast_log_head VALUES (1, 0, 0);
CREATE TABLE holdfast_changes (
  position ${number} PRIMARY KEY,
  at_ms ${number} NOT NULL,
  data ${text} NOT NULL
)${partitioned};
CREATE TABLE holdfast_runs (
  n ${key},
  id ${text} NOT NULL UNIQUE,
  created_ms ${number} NOT NULL,
  created_position ${number} NOT NULL,
  workflow ${text} NOT NULL,
  project ${text},
  parent_run_id ${text},
  parent_step_id ${text},
  status ${text} NOT NULL,
  ended_ms ${number},
  tags ${text} NOT NULL,
  head ${number} NOT NULL,
  last_seq ${number} NOT NULL,
  data ${text} NOT NULL
)${roomy};
CREATE INDEX holdfast_runs_by_creation
  ON holdfast_runs (created_ms, created_position, id, ended_ms);
CREATE INDEX holdfast_runs_by_status ON holdfast_runs (status, created_ms, created_position, id);
CREATE INDEX holdfast_runs_by_workflow ON holdfast_runs (workflow, created_ms, created_position);
CREATE INDEX holdfast_runs_by_workflow_status
  ON holdfast_runs (workflow, status, created_ms, created_position);
CREATE INDEX holdfast_runs_by_project ON holdfast_runs (project, created_ms, created_position)
  WHERE project IS NOT NULL;
CREATE INDEX holdfast_runs_by_parent_run
  ON holdfast_runs (parent_run_id, created_ms, created_position) WHERE parent_run_id IS NOT NULL;
CREATE INDEX holdfast_runs_by_parent_step
  ON holdfast_runs (parent_step_id, created_ms, created_position) WHERE parent_step_id IS NOT NULL;
CREATE TABLE holdfast_run_tags (
  key ${text} NOT NULL,
  value ${text} NOT NULL,
  created_ms ${number} NOT NULL,
  created_position ${number} NOT NULL,
  run ${number} NOT NULL,
  PRIMARY KEY (key, value, created_ms, created_position, run)
);
CREATE INDEX holdfast_run_tags_by_run ON holdfast_run_tags (run);
CREATE TABLE holdfast_steps (
  run_id ${text} NOT NULL,
  id ${text} NOT NULL,
  created_position ${number} NOT NULL,
  n ${number} NOT NULL,
  data ${text} NOT NULL,
  PRIMARY KEY (run_id, id)
);
CREATE TABLE holdfast_artifacts (
  run_id ${text} NOT NULL,
  name ${text} NOT NULL,
  version ${number} NOT NULL,
  data ${text} NOT NULL,
  PRIMARY KEY (run_id, name, version)
);
CREATE TABLE holdfast_events (
  run_id ${text} NOT NULL,
  seq ${number} NOT NULL,
  position ${number} NOT NULL,
  key ${text},
  data ${text} NOT NULL,
  PRIMARY KEY (run_id, seq)
);
CREATE UNIQUE INDEX holdfast_events_by_key ON holdfast_events (run_id, key) WHERE key IS NOT NULL;
CREATE TABLE holdfast_deleted_events (
  position ${number} NOT NULL,
  run_id ${text} NOT NULL,
  seq ${number} NOT NULL,
  data ${text} NOT NULL,
  PRIMARY KEY (position, run_id, seq)
);
CREATE TABLE holdfast_pins (
  name ${text} PRIMARY KEY,
  position ${number} NOT NULL,
  bytes_max ${number} NOT NULL,
  broken ${number} NOT NULL,
  timeline ${number} NOT NULL
);
CREATE TABLE holdfast_blobs (
  digest ${text} NOT NULL,
  part ${number} NOT NULL,
  bytes ${blob} NOT NULL,
  PRIMARY KEY (digest, part)
);`;
  return dialect === 'postgres'
    ? [
        tables,
        EXTEND_FUNCTION,
        DROP_FUNCTION,
        FIXED_PATHS,
        COMMIT_FUNCTION,
        COMMIT_ONE_FUNCTION,
      ].join('\n')
    : `${tables}\n${STATISTICS}`;
}

/**
 * PostgreSQL gathers statistics by itself, SQLite does not, and without any it takes the runs of a
 * status for as few as those of one parent. Given, they make a plan depend on the question alone.
 */
const STATISTICS = `
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('holdfast_runs', 'holdfast_runs_by_creation', '100000 2 2 1 1'),
  ('holdfast_runs', 'holdfast_runs_by_status', '100000 20000 2 2 1'),
  ('holdfast_runs', 'holdfast_runs_by_workflow', '100000 10000 2 2'),
  ('holdfast_runs', 'holdfast_runs_by_workflow_status', '100000 10000 2000 2 2'),
  ('holdfast_runs', 'holdfast_runs_by_project', '100000 1000 2 2'),
  ('holdfast_runs', 'holdfast_runs_by_parent_run', '100000 20 2 2'),
  ('holdfast_runs', 'holdfast_runs_by_parent_step', '100000 5 2 2'),
  ('holdfast_run_tags', 'sqlite_autoindex_holdfast_run_tags_1', '100000 20000 10000 2 2 1'),
  ('holdfast_run_tags', 'holdfast_run_tags_by_run', '100000 3'),
  ('holdfast_events', 'sqlite_autoindex_holdfast_events_1', '1000000 20 1'),
  ('holdfast_events', 'holdfast_events_by_key', '1000000 20 1');
ANALYZE sqlite_schema;`;

/** Commits in one partition of the log: what is trimmed is dropped as a whole. */
export const PARTITION_COMMITS = 65_536;

/**
 * Makes the partition that this position falls into, and the one after it. A table is made beside the
 * log and attached, which takes no lock that a reader of the log holds or waits for: to make it as a
 * partition would wait for every open transaction that has read the log.
 */
const EXTEND_FUNCTION = `
CREATE FUNCTION holdfast_extend_log(upto bigint) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER AS $holdfast$
DECLARE
  name text;
BEGIN
  IF NOT has_table_privilege(session_user, 'holdfast_changes', 'INSERT') THEN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied for table holdfast_changes';
  END IF;
  FOR part IN upto / ${PARTITION_COMMITS} .. upto / ${PARTITION_COMMITS} + 1 LOOP
    name := 'holdfast_changes_' || part;
    CONTINUE WHEN to_regclass(name) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE holdfast_changes INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE holdfast_changes ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
      name, part * ${PARTITION_COMMITS}, (part + 1) * ${PARTITION_COMMITS});
  END LOOP;
END $holdfast$;
SELECT holdfast_extend_log(0);`;

/** Removes a partition of the log. */
const DROP_FUNCTION = `
CREATE FUNCTION holdfast_drop_log(part bigint) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER AS $holdfast$
BEGIN
  IF NOT has_table_privilege(session_user, 'holdfast_changes', 'DELETE') THEN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied for table holdfast_changes';
  END IF;
  EXECUTE format('DROP TABLE %I', 'holdfast_changes_' || part);
END $holdfast$;`;

/**
 * Both act as the owner of the tables, for roles that may read and write rows and no more. They look
 * in the schema of the tables alone, whatever path their caller has.
 */
const FIXED_PATHS = `
DO $holdfast$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['holdfast_extend_log', 'holdfast_drop_log'] LOOP
    EXECUTE format('ALTER FUNCTION %I(bigint) SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
END $holdfast$;`;

/** A table that came as lines, and the columns of one. */
const lines = (table: string) => `string_to_table(${table}, E'\\n') AS line`;
const column = (n: number) => `split_part(line, E'\\t', ${n})`;
/** The number of a commit is the first column of all that belongs to one. */
const NUMBER = `${column(1)}::int`;
const POSITION = `before + 1 + ${NUMBER} - width_bucket(${NUMBER}, gone)`;
const IS_THERE = `${NUMBER} <> ALL (gone)`;

/**
 * One batch in one round trip. What is often there comes as lines of columns with tabs in between,
 * which is several times as fast as JSON; neither ids nor JSON text hold control characters. The rest
 * comes as one JSON object. A table without rows is null.
 *
 * It takes the head of the log by a statement of its own: a single statement would look at the rows
 * as they were before it had waited for that lock. Commits are counted from 0 in the batch; `gone`
 * are those of groups that missed, and what follows them moves up. Returns what `before`, `at` and the
 * groups that missed are. The settings keep plans from
 * depending on how large the tables were when they were made: one that grows fast is never scanned.
 */
const COMMIT_FUNCTION = `
CREATE FUNCTION holdfast_commit(given_ms bigint, commit_count int, guards text, commits text,
  touched text, steps text, events text, others json
) RETURNS json LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
  SET enable_hashjoin = off SET enable_mergejoin = off AS $holdfast$
#variable_conflict use_column
DECLARE
  before bigint;
  now_ms bigint;
  last bigint;
  missed int[];
  gone int[] := '{}';
  keys json;
  deletions json;
  runs json;
  retagged json;
  tags json;
  artifacts json;
BEGIN
  UPDATE holdfast_log_head h
    SET position = h.position + commit_count, at_ms = greatest(h.at_ms, given_ms)
    WHERE h.only_row = 1
    RETURNING h.position - commit_count, h.at_ms INTO before, now_ms;
  -- Columns: group, head, run.
  missed := ARRAY(
    SELECT ${column(1)}::int FROM ${lines('guards')}
    WHERE ${column(2)}::bigint <>
      coalesce((SELECT r.head FROM holdfast_runs r WHERE r.id = ${column(3)}), 0));
  IF others IS NOT NULL THEN
    SELECT x.* INTO keys, deletions, runs, retagged, tags, artifacts FROM json_to_record(others)
      AS x(keys json, deletions json, runs json, retagged json, tags json, artifacts json);
    missed := missed || ARRAY(
      SELECT k.g FROM json_to_recordset(keys) AS k(g int, run text, key text)
        JOIN holdfast_events e ON e.run_id = k.run AND e.key = k.key);
  END IF;
  -- Columns: commit, group, data.
  IF cardinality(missed) > 0 THEN
    gone := ARRAY(SELECT ${NUMBER} FROM ${lines('commits')}
      WHERE ${column(2)}::int = ANY (missed) ORDER BY ${NUMBER});
    UPDATE holdfast_log_head SET position = before + commit_count - cardinality(gone)
      WHERE only_row = 1;
  END IF;
  last := before + commit_count - cardinality(gone);
  IF last = before THEN
    RETURN json_build_array(before, now_ms, missed);
  END IF;
  IF deletions IS NOT NULL THEN
    DELETE FROM holdfast_run_tags t USING holdfast_runs r,
      json_to_recordset(deletions) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND r.id = x.run AND t.run = r.n;
    INSERT INTO holdfast_deleted_events (position, run_id, seq, data)
      SELECT e.position, e.run_id, e.seq, e.data
      FROM json_to_recordset(deletions) AS x(g int, run text)
        JOIN holdfast_events e ON e.run_id = x.run
      WHERE x.g <> ALL (missed) AND e.position >= (SELECT min(c.position) FROM holdfast_changes c);
    DELETE FROM holdfast_events e USING json_to_recordset(deletions) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND e.run_id = x.run;
    DELETE FROM holdfast_steps s USING json_to_recordset(deletions) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND s.run_id = x.run;
    DELETE FROM holdfast_artifacts o USING json_to_recordset(deletions) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND o.run_id = x.run;
    DELETE FROM holdfast_runs r USING json_to_recordset(deletions) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND r.id = x.run;
  END IF;
  IF runs IS NOT NULL THEN
    INSERT INTO holdfast_runs (id, created_ms, created_position, workflow, project, parent_run_id,
        parent_step_id, status, ended_ms, tags, head, last_seq, data)
      SELECT x.id, x.created_ms,
        coalesce(before + 1 + x.created_c - width_bucket(x.created_c, gone), x.created_position),
        x.workflow, x.project, x.parent_run_id, x.parent_step_id, x.status, x.ended_ms, x.tags,
        before + 1 + x.c - width_bucket(x.c, gone), x.last_seq, x.data
      FROM json_to_recordset(runs) AS x(g int, c int, id text, created_ms bigint, created_c int,
        created_position bigint, workflow text, project text, parent_run_id text,
        parent_step_id text, status text, ended_ms bigint, tags text, last_seq bigint, data text)
      WHERE x.g <> ALL (missed)
      ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_ms = excluded.ended_ms,
        tags = excluded.tags, head = excluded.head, last_seq = excluded.last_seq,
        data = excluded.data;
  END IF;
  IF retagged IS NOT NULL THEN
    DELETE FROM holdfast_run_tags t USING holdfast_runs r,
      json_to_recordset(retagged) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND r.id = x.run AND t.run = r.n;
  END IF;
  IF tags IS NOT NULL THEN
    INSERT INTO holdfast_run_tags (key, value, created_ms, created_position, run)
      SELECT x.key, x.value, r.created_ms, r.created_position, r.n
      FROM json_to_recordset(tags) AS x(g int, run text, key text, value text)
        JOIN holdfast_runs r ON r.id = x.run
      WHERE x.g <> ALL (missed);
  END IF;
  IF artifacts IS NOT NULL THEN
    INSERT INTO holdfast_artifacts (run_id, name, version, data)
      SELECT x.run, x.name, x.version, x.data
      FROM json_to_recordset(artifacts) AS x(g int, run text, name text, version int, data text)
      WHERE x.g <> ALL (missed)
      ON CONFLICT (run_id, name, version) DO UPDATE SET data = excluded.data;
  END IF;
  -- Columns: commit, last seq, run.
  IF touched IS NOT NULL THEN
    UPDATE holdfast_runs r SET head = ${POSITION}, last_seq = ${column(2)}::bigint
      FROM ${lines('touched')} WHERE r.id = ${column(3)} AND ${IS_THERE};
  END IF;
  -- Columns: commit, number, run, id, data.
  IF steps IS NOT NULL THEN
    INSERT INTO holdfast_steps (run_id, id, created_position, n, data)
      SELECT ${column(3)}, ${column(4)}, ${POSITION}, ${column(2)}::int, ${column(5)}
      FROM ${lines('steps')} WHERE ${IS_THERE}
      ON CONFLICT (run_id, id) DO UPDATE SET data = excluded.data;
  END IF;
  -- Columns: commit, seq, run, key, data.
  IF events IS NOT NULL THEN
    INSERT INTO holdfast_events (run_id, seq, position, key, data)
      SELECT ${column(3)}, ${column(2)}::bigint, ${POSITION}, nullif(${column(4)}, ''), ${column(5)}
      FROM ${lines('events')} WHERE ${IS_THERE};
  END IF;
  IF (before + 1) / ${PARTITION_COMMITS} <> last / ${PARTITION_COMMITS}
      OR (before + 1) % ${PARTITION_COMMITS} = 0 THEN
    PERFORM holdfast_extend_log(last);
  END IF;
  INSERT INTO holdfast_changes (position, at_ms, data)
    SELECT ${POSITION}, now_ms, ${column(3)} FROM ${lines('commits')} WHERE ${IS_THERE};
  RETURN json_build_array(before, now_ms, missed);
END $holdfast$;`;

/**
 * The batch of a caller who is alone: one commit, which changes one step and appends one event of one
 * run at most, and leaves the row of the run as it is. The same as `holdfast_commit` in half of the
 * statements: the guard is part of the update. Returns the position and the time of the commit, or null
 * where the run has moved. What it looks for it finds by one index or by scanning, whatever is known of
 * the tables: that setting is enough.
 */
const COMMIT_ONE_FUNCTION = `
CREATE FUNCTION holdfast_commit_one(given_ms bigint, run text, base bigint, seq bigint, step_id text,
  step_n int, step text, event text, commit text
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $holdfast$
#variable_conflict use_variable
DECLARE
  this bigint;
  now_ms bigint;
BEGIN
  UPDATE holdfast_log_head h SET position = h.position + 1, at_ms = greatest(h.at_ms, given_ms)
    WHERE h.only_row = 1
    RETURNING h.position, h.at_ms INTO this, now_ms;
  UPDATE holdfast_runs r SET head = this, last_seq = seq WHERE r.id = run AND r.head = base;
  IF NOT FOUND THEN
    UPDATE holdfast_log_head h SET position = this - 1 WHERE h.only_row = 1;
    RETURN NULL;
  END IF;
  IF step_id IS NOT NULL THEN
    INSERT INTO holdfast_steps AS s (run_id, id, created_position, n, data)
      VALUES (run, step_id, this, step_n, step)
      ON CONFLICT ON CONSTRAINT holdfast_steps_pkey DO UPDATE SET data = excluded.data;
  END IF;
  IF this % ${PARTITION_COMMITS} = 0 THEN
    PERFORM holdfast_extend_log(this);
  END IF;
  WITH appended AS (
    INSERT INTO holdfast_events (run_id, seq, position, data)
      SELECT run, seq, this, event WHERE event IS NOT NULL)
  INSERT INTO holdfast_changes (position, at_ms, data) VALUES (this, now_ms, commit);
  RETURN this || ' ' || now_ms;
END $holdfast$;`;

export const STORE: Migration = {
  name: '0001_store',
  up: { postgres: schemaOf('postgres'), sqlite: schemaOf('sqlite') },
};
