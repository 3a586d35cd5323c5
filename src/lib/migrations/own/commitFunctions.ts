import { PARTITION_COMMITS } from './logPartitions.ts';

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
export const COMMIT_FUNCTION = `
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
  texts json;
  numbers json;
  parents json;
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
    SELECT x.* INTO keys, deletions, runs, retagged, tags, artifacts, texts, numbers, parents
      FROM json_to_record(others) AS x(keys json, deletions json, runs json, retagged json,
        tags json, artifacts json, texts json, numbers json, parents json);
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
    DELETE FROM holdfast_artifact_texts t USING holdfast_artifacts o,
      json_to_recordset(deletions) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND o.run_id = x.run AND t.artifact = o.n;
    DELETE FROM holdfast_artifact_numbers t USING holdfast_artifacts o,
      json_to_recordset(deletions) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND o.run_id = x.run AND t.artifact = o.n;
    DELETE FROM holdfast_artifact_parents t USING holdfast_artifacts o,
      json_to_recordset(deletions) AS x(g int, run text)
      WHERE x.g <> ALL (missed) AND o.run_id = x.run AND t.artifact = o.n;
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
    INSERT INTO holdfast_artifacts (run_id, name, version, id, created_ms, digest, media_type, size,
        expires_ms, deleted, data)
      SELECT x.run, x.name, x.version, x.id, x.created_ms, x.digest, x.media_type, x.size,
        x.expires_ms, x.deleted, x.data
      FROM json_to_recordset(artifacts) AS x(g int, run text, name text, version bigint, id text,
        created_ms bigint, digest text, media_type text, size bigint, expires_ms bigint,
        deleted bigint, data text)
      WHERE x.g <> ALL (missed)
      ON CONFLICT (run_id, name, version) DO UPDATE SET media_type = excluded.media_type,
        expires_ms = excluded.expires_ms, deleted = excluded.deleted, data = excluded.data;
    DELETE FROM holdfast_artifact_texts t USING holdfast_artifacts o,
      json_to_recordset(artifacts) AS x(g int, run text, name text, version bigint)
      WHERE x.g <> ALL (missed) AND o.run_id = x.run AND o.name = x.name
        AND o.version = x.version AND t.artifact = o.n;
    DELETE FROM holdfast_artifact_numbers t USING holdfast_artifacts o,
      json_to_recordset(artifacts) AS x(g int, run text, name text, version bigint)
      WHERE x.g <> ALL (missed) AND o.run_id = x.run AND o.name = x.name
        AND o.version = x.version AND t.artifact = o.n;
  END IF;
  IF texts IS NOT NULL THEN
    INSERT INTO holdfast_artifact_texts (path, value, artifact)
      SELECT x.path, x.value, o.n
      FROM json_to_recordset(texts) AS x(g int, run text, name text, version bigint, path text,
        value text)
        JOIN holdfast_artifacts o ON o.run_id = x.run AND o.name = x.name
          AND o.version = x.version
      WHERE x.g <> ALL (missed);
  END IF;
  IF numbers IS NOT NULL THEN
    INSERT INTO holdfast_artifact_numbers (path, value, artifact)
      SELECT x.path, x.value, o.n
      FROM json_to_recordset(numbers) AS x(g int, run text, name text, version bigint, path text,
        value double precision)
        JOIN holdfast_artifacts o ON o.run_id = x.run AND o.name = x.name
          AND o.version = x.version
      WHERE x.g <> ALL (missed);
  END IF;
  IF parents IS NOT NULL THEN
    INSERT INTO holdfast_artifact_parents (run_id, name, version, artifact)
      SELECT x.parent_run, x.parent_name, x.parent_version, o.n
      FROM json_to_recordset(parents) AS x(g int, run text, name text, version bigint,
        parent_run text, parent_name text, parent_version bigint)
        JOIN holdfast_artifacts o ON o.run_id = x.run AND o.name = x.name
          AND o.version = x.version
      WHERE x.g <> ALL (missed)
      ON CONFLICT DO NOTHING;
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
export const COMMIT_ONE_FUNCTION = `
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
