import type { Dialect } from '../../db.ts';
import type { Migration } from '../migration.ts';
import { COMMIT_FUNCTION, COMMIT_ONE_FUNCTION } from './commitFunctions.ts';
import { DROP_FUNCTION, EXTEND_FUNCTION, FIXED_PATHS } from './logPartitions.ts';

const TYPES = {
  postgres: {
    text: 'text COLLATE "C"',
    number: 'bigint',
    real: 'double precision',
    key: 'bigserial PRIMARY KEY',
    blob: 'bytea',
  },
  sqlite: {
    text: 'TEXT',
    number: 'INTEGER',
    real: 'REAL',
    key: 'INTEGER PRIMARY KEY',
    blob: 'BLOB',
  },
} as const;

/** So many numbers of events, and all runs that have come as far, stand beside each other in SQLite. */
export const EVENT_BLOCK = 8;

const EVENT_BLOCKS = `CREATE UNIQUE INDEX holdfast_events_by_block
  ON holdfast_events (seq / ${EVENT_BLOCK}, run_id, seq);
`;

/**
 * The tables of a database store. Rows are JSON text as in a journal, never `jsonb`, which would
 * change numbers and refuse `\\u0000`; the columns that filters look at stand beside it. Times are
 * milliseconds since 1970. Events are stored once: the log names them, and those of a deleted run
 * stay for as long as it does.
 */
function schemaOf(dialect: Dialect): string {
  const { text, number, real, key, blob } = TYPES[dialect];
  const partitioned = dialect === 'postgres' ? ' PARTITION BY RANGE (position)' : '';
  // Rows that change often find room beside them, and no index needs to know.
  const roomy = dialect === 'postgres' ? ' WITH (fillfactor = 70)' : '';
  const eventKey = dialect === 'postgres' ? ',\n  PRIMARY KEY (run_id, seq)' : '';
  const eventBlocks = dialect === 'postgres' ? '' : EVENT_BLOCKS;
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
  n ${key},
  run_id ${text} NOT NULL,
  name ${text} NOT NULL,
  version ${number} NOT NULL,
  id ${text} NOT NULL,
  created_ms ${number} NOT NULL,
  digest ${text} NOT NULL,
  media_type ${text} NOT NULL,
  size ${number} NOT NULL,
  expires_ms ${number},
  deleted ${number} NOT NULL,
  data ${text} NOT NULL,
  UNIQUE (run_id, name, version)
);
CREATE INDEX holdfast_artifacts_by_creation ON holdfast_artifacts (created_ms, id)
  WHERE deleted = 0;
CREATE INDEX holdfast_artifacts_by_name ON holdfast_artifacts (name, created_ms, id)
  WHERE deleted = 0;
CREATE INDEX holdfast_artifacts_by_digest ON holdfast_artifacts (digest, created_ms, id)
  WHERE deleted = 0;
CREATE INDEX holdfast_artifacts_by_media_type ON holdfast_artifacts (media_type, created_ms, id)
  WHERE deleted = 0;
CREATE INDEX holdfast_artifacts_by_size ON holdfast_artifacts (size) WHERE deleted = 0;
CREATE INDEX holdfast_artifacts_by_expiry ON holdfast_artifacts (expires_ms)
  WHERE deleted = 0 AND expires_ms IS NOT NULL;
CREATE TABLE holdfast_artifact_texts (
  path ${text} NOT NULL,
  value ${text} NOT NULL,
  artifact ${number} NOT NULL,
  PRIMARY KEY (path, value, artifact)
);
CREATE INDEX holdfast_artifact_texts_by_artifact ON holdfast_artifact_texts (artifact, path);
CREATE TABLE holdfast_artifact_numbers (
  path ${text} NOT NULL,
  value ${real} NOT NULL,
  artifact ${number} NOT NULL,
  PRIMARY KEY (path, value, artifact)
);
CREATE INDEX holdfast_artifact_numbers_by_artifact ON holdfast_artifact_numbers (artifact, path);
CREATE TABLE holdfast_artifact_parents (
  run_id ${text} NOT NULL,
  name ${text} NOT NULL,
  version ${number} NOT NULL,
  artifact ${number} NOT NULL,
  PRIMARY KEY (run_id, name, version, artifact)
);
CREATE INDEX holdfast_artifact_parents_by_artifact ON holdfast_artifact_parents (artifact);
CREATE TABLE holdfast_events (
  run_id ${text} NOT NULL,
  seq ${number} NOT NULL,
  position ${number} NOT NULL,
  key ${text},
  data ${text} NOT NULL${eventKey}
);
${eventBlocks}CREATE UNIQUE INDEX holdfast_events_by_key ON holdfast_events (run_id, key) WHERE key IS NOT NULL;
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
  ('holdfast_artifacts', 'sqlite_autoindex_holdfast_artifacts_1', '100000 10 2 1'),
  ('holdfast_artifacts', 'holdfast_artifacts_by_creation', '100000 2 1'),
  ('holdfast_artifacts', 'holdfast_artifacts_by_name', '100000 1000 2 1'),
  ('holdfast_artifacts', 'holdfast_artifacts_by_digest', '100000 2 2 1'),
  ('holdfast_artifacts', 'holdfast_artifacts_by_media_type', '100000 10000 2 1'),
  ('holdfast_artifacts', 'holdfast_artifacts_by_size', '100000 10'),
  ('holdfast_artifacts', 'holdfast_artifacts_by_expiry', '100000 2'),
  ('holdfast_artifact_texts', 'sqlite_autoindex_holdfast_artifact_texts_1', '500000 50000 1000 1'),
  ('holdfast_artifact_texts', 'holdfast_artifact_texts_by_artifact', '500000 5 1'),
  ('holdfast_artifact_numbers', 'sqlite_autoindex_holdfast_artifact_numbers_1',
    '500000 50000 10 1'),
  ('holdfast_artifact_numbers', 'holdfast_artifact_numbers_by_artifact', '500000 5 1'),
  ('holdfast_artifact_parents', 'sqlite_autoindex_holdfast_artifact_parents_1',
    '100000 100 10 5 1'),
  ('holdfast_artifact_parents', 'holdfast_artifact_parents_by_artifact', '100000 2'),
  ('holdfast_events', 'holdfast_events_by_block', '1000000 10000 8 1'),
  ('holdfast_events', 'holdfast_events_by_key', '1000000 20 1');
ANALYZE sqlite_schema;`;

export const STORE: Migration = {
  name: '0001_store',
  up: { postgres: schemaOf('postgres'), sqlite: schemaOf('sqlite') },
};
