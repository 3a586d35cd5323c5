import type { Dialect } from '../../db.ts';
import { EVENT_BLOCK } from '../../migrations.ts';
import { EVENTS } from './rows.ts';

/**
 * `$1`: a run, `$2`: after which of its events, `$3`: how many. The run comes first, with its last event:
 * joined to it, PostgreSQL would read and sort all of its events.
 */
const PAGE_BY_KEY = `SELECT 0 AS kind, last_seq AS seq, NULL AS data FROM holdfast_runs WHERE id = $1
  UNION ALL SELECT 1, seq, data FROM (SELECT seq, data FROM ${EVENTS.name}
    WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS page
  ORDER BY kind, seq`;

/**
 * Block by block, none after the last. A write-ahead log of pages is as long as the index has pages that
 * change: ordered by run, it would have one for each run that appends. By block, the runs that have come
 * about as far share them (256 callers, a run each: 243 pages a batch by run, 100 by block).
 */
const PAGE_BY_BLOCK = `WITH RECURSIVE
  run(last_seq) AS (SELECT last_seq FROM holdfast_runs WHERE id = $1),
  blocks(block) AS (SELECT ($2 + 1) / ${EVENT_BLOCK} FROM run
    UNION ALL SELECT block + 1 FROM blocks, run
      WHERE (block + 1) * ${EVENT_BLOCK} <= min(last_seq, $2 + $3))
  SELECT 0 AS kind, last_seq AS seq, NULL AS data FROM run
  UNION ALL SELECT 1, e.seq, e.data FROM blocks b CROSS JOIN ${EVENTS.name} e
    WHERE e.seq / ${EVENT_BLOCK} = b.block AND e.run_id = $1 AND e.seq > $2 AND e.seq <= $2 + $3
  ORDER BY kind, seq`;

/** A page of the events of a run. */
export function eventPage(dialect: Dialect): string {
  return dialect === 'postgres' ? PAGE_BY_KEY : PAGE_BY_BLOCK;
}

/** What tells that two rows are of one event: both with `run_id`, `seq` and `position`. */
export function isSameEvent(dialect: Dialect, one: string, other: string): string {
  const columns = ['run_id', 'seq', 'position'];
  const alike = columns.map((column) => `${one}.${column} = ${other}.${column}`).join(' AND ');
  const block = `${one}.seq / ${EVENT_BLOCK} = ${other}.seq / ${EVENT_BLOCK}`;
  return dialect === 'postgres' ? alike : `${block} AND ${alike}`;
}

/** SQLite: the rows of all events of the runs that `rows` names as `run`. */
export function eventsOfRuns(rows: string): string {
  return `(WITH RECURSIVE blocks(run, block) AS (
      SELECT r.id, r.last_seq / ${EVENT_BLOCK} FROM ${rows} x JOIN holdfast_runs r ON r.id = x.run
      UNION ALL SELECT run, block - 1 FROM blocks WHERE block > 0)
    SELECT e.rowid FROM blocks b CROSS JOIN ${EVENTS.name} e
      WHERE e.seq / ${EVENT_BLOCK} = b.block AND e.run_id = b.run)`;
}
