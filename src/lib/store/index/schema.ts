/** Raised when the tables change: an index of another format is deleted and built anew. */
export const INDEX_FORMAT = 4;

/**
 * Tables of the index. Times are milliseconds since 1970: unlike ISO text they compare right in every
 * year. The columns that filters look at stand before the row's text, which may be megabytes.
 *
 * Each index ends with what a list is ordered by, so that the newest 20 with any one filter are 20
 * neighbours in it. Runs of one commit share a place in that order; the id, which comes last, is not
 * in the indexes, because it would double their size: a handful of rows is sorted in passing.
 *
 * `crc` is `rowChecksum` of the row's other columns, in their order and without `n`: SQLite has no
 * checksum of its own, and would give out what a disk has changed.
 */
export const SCHEMA = `
CREATE TABLE meta (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  format INTEGER NOT NULL,
  store_id TEXT NOT NULL,
  timeline INTEGER NOT NULL,
  position INTEGER NOT NULL,
  checkpoint INTEGER NOT NULL,
  crc INTEGER NOT NULL
) STRICT;

CREATE TABLE runs (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL,
  created_position INTEGER NOT NULL,
  workflow TEXT NOT NULL,
  project TEXT,
  parent_run_id TEXT,
  parent_step_id TEXT,
  status TEXT NOT NULL,
  ended_ms INTEGER,
  tags TEXT NOT NULL,
  position INTEGER NOT NULL,
  parts TEXT NOT NULL,
  data TEXT NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_by_creation ON runs (created_ms, created_position, ended_ms);
CREATE INDEX runs_by_status ON runs (status, created_ms, created_position);
CREATE INDEX runs_by_workflow ON runs (workflow, created_ms, created_position);
CREATE INDEX runs_by_workflow_status ON runs (workflow, status, created_ms, created_position);
CREATE INDEX runs_by_project ON runs (project, created_ms, created_position, status)
  WHERE project IS NOT NULL;
CREATE INDEX runs_by_parent_run ON runs (parent_run_id, created_ms, created_position)
  WHERE parent_run_id IS NOT NULL;
CREATE INDEX runs_by_parent_step ON runs (parent_step_id, created_ms, created_position)
  WHERE parent_step_id IS NOT NULL;

CREATE TABLE run_tags (
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  created_position INTEGER NOT NULL,
  run INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (key, value, created_ms, created_position, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
  n INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  id TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  expires_ms INTEGER,
  deleted INTEGER NOT NULL,
  data TEXT NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX artifacts_by_version ON artifacts (run_id, name, version);
CREATE INDEX artifacts_by_creation ON artifacts (created_ms, id) WHERE deleted = 0;
CREATE INDEX artifacts_by_name ON artifacts (name, created_ms, id) WHERE deleted = 0;
CREATE INDEX artifacts_by_digest ON artifacts (digest, created_ms, id) WHERE deleted = 0;
CREATE INDEX artifacts_by_media_type ON artifacts (media_type, created_ms, id) WHERE deleted = 0;
CREATE INDEX artifacts_by_size ON artifacts (size) WHERE deleted = 0;
CREATE INDEX artifacts_by_expiry ON artifacts (expires_ms)
  WHERE deleted = 0 AND expires_ms IS NOT NULL;

CREATE TABLE artifact_texts (
  path TEXT NOT NULL,
  value TEXT NOT NULL,
  artifact INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (path, value, artifact)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_texts_by_artifact ON artifact_texts (artifact, path);

CREATE TABLE artifact_numbers (
  path TEXT NOT NULL,
  value REAL NOT NULL,
  artifact INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (path, value, artifact)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_numbers_by_artifact ON artifact_numbers (artifact, path);

CREATE TABLE artifact_parents (
  run_id TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  artifact INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (run_id, name, version, artifact)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_parents_by_artifact ON artifact_parents (artifact);

CREATE TABLE event_keys (
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (run_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE damaged_runs (
  run_id TEXT PRIMARY KEY,
  finding TEXT NOT NULL,
  crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run_counts (
  status TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('runs', 'runs_by_creation', '100000 2 2 1'),
  ('runs', 'runs_by_status', '100000 20000 2 2'),
  ('runs', 'runs_by_workflow', '100000 10000 2 2'),
  ('runs', 'runs_by_workflow_status', '100000 10000 2000 2 2'),
  ('runs', 'runs_by_project', '100000 10000 2 2 2'),
  ('runs', 'runs_by_parent_run', '100000 20 2 2'),
  ('runs', 'runs_by_parent_step', '100000 5 2 2'),
  ('run_tags', 'run_tags', '100000 20000 10000 2 2 1'),
  ('artifacts', 'artifacts_by_version', '100000 10 2 1'),
  ('artifacts', 'artifacts_by_creation', '100000 2 1'),
  ('artifacts', 'artifacts_by_name', '100000 1000 2 1'),
  ('artifacts', 'artifacts_by_digest', '100000 2 2 1'),
  ('artifacts', 'artifacts_by_media_type', '100000 10000 2 1'),
  ('artifacts', 'artifacts_by_size', '100000 10'),
  ('artifacts', 'artifacts_by_expiry', '100000 2'),
  ('artifact_texts', 'artifact_texts', '500000 50000 1000 1'),
  ('artifact_texts', 'artifact_texts_by_artifact', '500000 5 1'),
  ('artifact_numbers', 'artifact_numbers', '500000 50000 10 1'),
  ('artifact_numbers', 'artifact_numbers_by_artifact', '500000 5 1'),
  ('artifact_parents', 'artifact_parents', '100000 100 10 5 1'),
  ('artifact_parents', 'artifact_parents_by_artifact', '100000 2');
ANALYZE sqlite_schema;
`;
// The statistics are given, not gathered: a plan then depends on the question alone, the same in a
// store of ten runs and of a million.
