import type { Database, Dialect, Queryable } from '../../db.ts';
import { isStoreError, StoreError } from '../../errors.ts';
import type { EventRow, RunRow } from '../../model/entities.ts';
import { EMPTY_RUN } from '../../model/represent.ts';
import { RunState } from '../../model/runState.ts';
import { artifactFromJson, eventFromJson, runFromJson, stepFromJson } from '../../model/text.ts';
import { eventPage } from './eventSql.ts';
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

/** Some events of a run as they are kept, of those after `after`. */
interface EventPage {
  readonly texts: readonly string[];
  readonly after: number;
  /** The run has counted them, and they are not there. */
  readonly missing: number;
  /** Where the page ends, unless it is the last one. */
  readonly last: number | undefined;
}

/** `bytes`: in UTF-16 units. */
export interface CheckedEvents extends CheckedPage {
  readonly events: number;
  readonly bytes: number;
}

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

  /**
   * The events after `after`, ascending, at most `limit`; `undefined` when there is no such run.
   * `DATA_CORRUPT` when one of them is not there.
   */
  async events(
    runId: string,
    after: number,
    limit: number,
  ): Promise<readonly EventRow[] | undefined> {
    const page = await this.#eventPage(runId, after, limit);
    if (page === undefined) return undefined;
    if (page.missing > 0) throw missingEvents(runId, page);
    return page.texts.map((text) => eventOf(text, runId));
  }

  /** What is wrong with some events after `after`; of a run that is gone, nothing. */
  async checkEvents(runId: string, after: number): Promise<CheckedEvents> {
    const page = await this.#eventPage(runId, after, CHECKED);
    if (page === undefined) return { faults: [], last: undefined, events: 0, bytes: 0 };
    const { texts, missing, last } = page;
    const faults = texts
      .map((text) => attempt(() => eventOf(text, runId)))
      .filter((event) => isStoreError(event));
    if (missing > 0) faults.push(missingEvents(runId, page));
    const bytes = texts.reduce((sum, { length }) => sum + length, 0);
    return { faults, last, events: texts.length, bytes };
  }

  async #eventPage(runId: string, after: number, limit: number): Promise<EventPage | undefined> {
    type Columns = { readonly seq: number; readonly data: string | null };
    const sql = eventPage(this.#dialect);
    const { rows } = await this.#db.query<Columns>(sql, [runId, after, limit]);
    const [run, ...events] = rows;
    if (run === undefined) return undefined;
    const end = Math.min(after + limit, run.seq);
    const inside = events.filter(({ seq }) => seq <= end);
    return {
      texts: inside.flatMap(({ data }) => data ?? []),
      after,
      missing: Math.max(0, end - after) - inside.length,
      last: end < run.seq ? end : undefined,
    };
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

function missingEvents(id: string, { after, missing }: EventPage): StoreError {
  const message = `${EVENTS.name} lacks events of run ${id} after number ${after}: ${missing}`;
  return new StoreError('DATA_CORRUPT', message, { id });
}

function eventOf(text: string, runId: string, table = EVENTS): EventRow {
  return eventFromJson(parseRow(text, runId, table));
}
