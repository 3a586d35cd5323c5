import type { Database, Dialect, Queryable } from '../../db.ts';
import { isStoreError } from '../../errors.ts';
import type { EventRow, RunRow } from '../../model/entities.ts';
import { EMPTY_RUN } from '../../model/represent.ts';
import { RunState } from '../../model/runState.ts';
import { artifactFromJson, eventFromJson, runFromJson, stepFromJson } from '../../model/text.ts';
import { ARTIFACTS, attempt, type CheckedPage, EVENTS, parseRow, RUNS, STEPS } from './rows.ts';
import type { CachedRun } from './runCache.ts';

interface StateRow {
  readonly kind: number;
  readonly run_id: string;
  readonly data: string;
  readonly head: number;
  readonly created_position: number;
  readonly last_seq: number;
}

/** The `kind` of the row that tells the time of the log. */
const HEAD_ROW = 3;

/** Events that are checked at a time. */
const CHECKED = 100;

interface EventColumns {
  readonly run_id: string;
  readonly data: string;
}

const PAIRS = 'unnest($1::text[], $2::text[]) AS w(run, key)';
const PAIRS_OF_JSON = '(SELECT value ->> 0 AS run, value ->> 1 AS key FROM json_each($1)) AS w';

/** Runs and events as the database has them. Every answer is one statement, and so one snapshot. */
export class RunReader {
  readonly #db: Queryable;
  readonly #dialect: Dialect;
  #latestMs = 0;

  /** `on`: where it asks, if not the database itself: a transaction of it. */
  constructor(db: Pick<Database, 'dialect'> & Queryable, on: Queryable = db) {
    this.#db = on;
    this.#dialect = db.dialect;
  }

  /** Of runs that are there. */
  async heads(runIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const sql = `SELECT id, head FROM holdfast_runs WHERE id ${this.#any('$1')}`;
    const { rows } = await this.#db.query<{ id: string; head: number }>(sql, [this.#list(runIds)]);
    return new Map(rows.map(({ id, head }) => [id, head]));
  }

  async row(runId: string): Promise<RunRow | undefined> {
    const sql = 'SELECT data FROM holdfast_runs WHERE id = $1';
    const { rows } = await this.#db.query<{ data: string }>(sql, [runId]);
    return rows[0] === undefined ? undefined : runFromJson(parseRow(rows[0].data, runId, RUNS));
  }

  /** When the last commit was made that was seen with a run. Milliseconds since 1970. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /**
   * Each of these runs with its steps and artifacts; one that is not there is empty, and of one that
   * cannot be read it says so: others are not to suffer for it.
   */
  async load(runIds: readonly string[]): Promise<ReadonlyMap<string, CachedRun>> {
    const loaded = new Map<string, CachedRun>(
      runIds.map((id) => [id, { state: new RunState(), head: 0, createdPosition: 0 }]),
    );
    if (runIds.length === 0) return loaded;
    const any = this.#any('$1');
    const { rows } = await this.#db.query<StateRow>(
      `SELECT 0 AS kind, id AS run_id, data, head, created_position, last_seq, 0 AS n
         FROM holdfast_runs WHERE id ${any}
       UNION ALL SELECT 1, run_id, data, 0, created_position, 0, n
         FROM holdfast_steps WHERE run_id ${any}
       UNION ALL SELECT 2, run_id, data, 0, 0, 0, version
         FROM holdfast_artifacts WHERE run_id ${any}
       UNION ALL SELECT ${HEAD_ROW}, '', '', at_ms, 0, 0, 0 FROM holdfast_log_head
       ORDER BY 1, 5, 7`,
      [this.#list(runIds)],
    );
    for (const row of rows) {
      if (row.kind === HEAD_ROW) this.#latestMs = Math.max(this.#latestMs, row.head);
      else loaded.set(row.run_id, withRow(loaded.get(row.run_id) as CachedRun, row));
    }
    return loaded;
  }

  /** The events after `after`, ascending, at most `limit`; `undefined` when there is no such run. */
  async events(
    runId: string,
    after: number,
    limit: number,
  ): Promise<readonly EventRow[] | undefined> {
    const { rows } = await this.#db.query<{ data: string | null }>(
      // The run comes first. Joined to it, PostgreSQL would read and sort all of its events.
      `SELECT 0 AS seq, NULL AS data FROM holdfast_runs WHERE id = $1
       UNION ALL SELECT seq, data FROM (SELECT seq, data FROM holdfast_events
         WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS page
       ORDER BY seq`,
      [runId, after, limit],
    );
    if (rows.length === 0) return undefined;
    return rows.flatMap(({ data }) => (data === null ? [] : eventOf(data, runId)));
  }

  /** What is wrong with some events after `after`. */
  async checkEvents(runId: string, after: number): Promise<CheckedPage> {
    const sql = `SELECT seq, data FROM holdfast_events
      WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT ${CHECKED}`;
    type Columns = { readonly seq: number; readonly data: string };
    const { rows } = await this.#db.query<Columns>(sql, [runId, after]);
    const faults = rows
      .map(({ data }) => attempt(() => eventOf(data, runId)))
      .filter((event) => isStoreError(event));
    return { faults, last: rows.at(-1)?.seq };
  }

  async eventsByKey(
    wanted: readonly { readonly run: string; readonly key: string }[],
  ): Promise<readonly { readonly run: string; readonly event: EventRow }[]> {
    const runs = wanted.map(({ run }) => run);
    const keys = wanted.map(({ key }) => key);
    // Pair by pair: of two lists that of the runs alone may become the way into the index.
    const isPostgres = this.#dialect === 'postgres';
    const sql = `SELECT e.run_id, e.data FROM ${isPostgres ? PAIRS : PAIRS_OF_JSON}
      CROSS JOIN holdfast_events e WHERE e.run_id = w.run AND e.key = w.key`;
    const params = isPostgres
      ? [runs, keys]
      : [JSON.stringify(runs.map((run, n) => [run, keys[n]]))];
    const { rows } = await this.#db.query<EventColumns>(sql, params);
    return rows.map(({ run_id: run, data }) => ({
      run,
      event: eventOf(data, run),
    }));
  }

  /** The last `seq` of a run; `undefined` when it is not there. */
  async lastSeq(runId: string): Promise<number | undefined> {
    const sql = 'SELECT last_seq FROM holdfast_runs WHERE id = $1';
    const { rows } = await this.#db.query<{ last_seq: number }>(sql, [runId]);
    return rows[0]?.last_seq;
  }

  #any(parameter: string): string {
    return this.#dialect === 'postgres'
      ? `= ANY(${parameter}::text[])`
      : `IN (SELECT value FROM json_each(${parameter}))`;
  }

  #list(values: readonly string[]): unknown {
    return this.#dialect === 'postgres' ? values : JSON.stringify(values);
  }
}

/** The run with one more of its rows, of which its own comes first. */
function withRow(run: CachedRun, row: StateRow): CachedRun {
  const { state } = run;
  try {
    const { data, run_id: id } = row;
    if (row.kind === 1) state.putStep(stepFromJson(parseRow(data, id, STEPS)));
    else if (row.kind === 2) state.putArtifact(artifactFromJson(parseRow(data, id, ARTIFACTS)));
    else state.run = runFromJson(parseRow(data, id, RUNS));
  } catch (error) {
    if (!isStoreError(error, 'DATA_CORRUPT')) throw error;
    state.run ??= { ...EMPTY_RUN, id: row.run_id };
    return { ...placed(run, row), damage: error };
  }
  return placed(run, row);
}

function placed(run: CachedRun, { kind, head, created_position, last_seq }: StateRow): CachedRun {
  if (kind !== 0) return run;
  run.state.lastSeq = last_seq;
  return { ...run, head, createdPosition: created_position };
}

function eventOf(text: string, runId: string, table = EVENTS): EventRow {
  return eventFromJson(parseRow(text, runId, table));
}
