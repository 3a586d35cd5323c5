import type { Database, Queryable } from '../../db.ts';
import type { Batch } from './batch.ts';
import type { BatchOutcome, CommitLog } from './log.ts';
import { refuseTooLarge } from './rowBytes.ts';

const COMMIT = 'SELECT holdfast_commit($1, $2, $3, $4, $5, $6, $7, $8) AS outcome';
const COMMIT_ONE = 'SELECT holdfast_commit_one($1, $2, $3, $4, $5, $6, $7, $8, $9) AS outcome';
const CHECK = `SELECT array_agg(w.g) AS missed
  FROM unnest($1::int[], $2::bigint[], $3::text[]) AS w(g, head, run)
  WHERE w.head <> coalesce((SELECT r.head FROM holdfast_runs r WHERE r.id = w.run), 0)`;

const MiB = 1024 * 1024;
/** A string of V8 ends at 512 Mi units, a message to PostgreSQL at 1 GiB: three bytes a unit at most. */
const CALL_BYTES_MAX = 320 * MiB;

type Outcome = readonly [before: number, at: number, missed: readonly number[]];

/** Commits by one call of a function of the database: one round trip, one transaction. */
export class PostgresLog implements CommitLog {
  /** So that what was gathered before it still goes along in the same call. */
  readonly commitBytesMax = 256 * MiB;
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  commit(batch: Batch, at: number): Promise<BatchOutcome> {
    const { commits } = batch;
    return commits.length > 0
      ? this.commitIn(this.#db, batch, at)
      : this.check(this.#db, batch, at);
  }

  /** Answers that change nothing hold if what they rest on does: nothing is locked or written. */
  async check(db: Queryable, { guards }: Batch, at: number): Promise<BatchOutcome> {
    const lists = [
      guards.map(({ g }) => g),
      guards.map(({ head }) => head),
      guards.map(({ run }) => run),
    ];
    const { rows } = await db.query<{ missed: readonly number[] | null }>(CHECK, lists);
    return { before: 0, at, passed: passedOf(guards, rows[0]?.missed ?? []) };
  }

  async commitIn(db: Queryable, batch: Batch, at: number): Promise<BatchOutcome> {
    refuseTooLarge(callBytes(batch), CALL_BYTES_MAX);
    const one = parametersOfOne(batch);
    const sql = one === undefined ? COMMIT : COMMIT_ONE;
    const values = [at, ...(one ?? parametersOf(batch))];
    // A SELECT that writes: a connection that dies under it is `OUTCOME_UNKNOWN`.
    const { rows } = await db.query<{ outcome: string | null }>(sql, values, { readOnly: false });
    const outcome = rows[0]?.outcome ?? null;
    return one === undefined ? outcomeOf(batch, outcome as string) : outcomeOfOne(at, outcome);
  }
}

/** Runs and artifacts go as JSON inside of JSON, where a text may be twice as long. */
function callBytes({ commits, steps, events, runs, artifacts, texts }: Batch): number {
  let bytes = 0;
  for (const rows of [commits, steps, events]) for (const { data } of rows) bytes += data.length;
  for (const rows of [runs, artifacts]) for (const { data } of rows) bytes += 2 * data.length;
  for (const { path, value } of texts) bytes += 2 * (path.length + value.length);
  return bytes;
}

function outcomeOf({ guards }: Batch, text: string): BatchOutcome {
  const [before, at, missed] = JSON.parse(text) as Outcome;
  return { before, at, passed: passedOf(guards, missed) };
}

/** Its only group is number 0. */
function outcomeOfOne(given: number, text: string | null): BatchOutcome {
  if (text === null) return { before: 0, at: given, passed: new Set() };
  const space = text.indexOf(' ');
  const position = Number(text.slice(0, space));
  const at = Number(text.slice(space));
  return { before: position - 1, at, passed: new Set([0]) };
}

function passedOf(guards: Batch['guards'], missed: readonly number[]): ReadonlySet<number> {
  const passed = new Set(guards.map(({ g }) => g));
  for (const g of missed) passed.delete(g);
  return passed;
}

/** Those of `holdfast_commit_one`, for a batch that it can take. */
function parametersOfOne(batch: Batch): readonly unknown[] | undefined {
  const { commits, guards, touched, runs, keys, deletions, artifacts, steps, events } = batch;
  const [[commit, another], [guard], [run], [step], [event]] = [
    commits,
    guards,
    touched,
    steps,
    events,
  ];
  if (commit === undefined || another !== undefined) return undefined;
  if (guard === undefined || run === undefined || guards.length > 1) return undefined;
  if (steps.length > 1 || events.length > 1) return undefined;
  if (runs.length + keys.length + deletions.length + artifacts.length > 0) return undefined;
  const { head } = guard;
  return [run.id, head, run.last_seq, step?.id, step?.n, step?.data, event?.data, commit.data];
}

/**
 * Lines and JSON as the function takes them. Neither ids, names nor JSON text hold control characters,
 * so that tabs and line feeds can stand between them.
 */
function parametersOf(batch: Batch): readonly unknown[] {
  const { guards, commits, touched, steps, events } = batch;
  return [
    commits.length,
    lines(guards, ({ g, head, run }) => `${g}\t${head}\t${run}`),
    lines(commits, ({ c, g, data }) => `${c}\t${g}\t${data}`),
    lines(touched, ({ c, last_seq, id }) => `${c}\t${last_seq}\t${id}`),
    lines(steps, ({ c, n, run, id, data }) => `${c}\t${n}\t${run}\t${id}\t${data}`),
    lines(events, ({ c, seq, run, key, data }) => `${c}\t${seq}\t${run}\t${key ?? ''}\t${data}`),
    othersOf(batch),
  ];
}

function lines<R>(rows: readonly R[], line: (row: R) => string): string | null {
  return rows.length === 0 ? null : rows.map(line).join('\n');
}

function othersOf(batch: Batch): string | null {
  const { keys, deletions, runs, retagged, tags, artifacts, texts, numbers, parents } = batch;
  const ofArtifacts = { artifacts, texts, numbers, parents };
  const tables = Object.entries({ keys, deletions, runs, retagged, tags, ...ofArtifacts });
  const others = tables.filter(([, rows]) => rows.length > 0);
  return others.length === 0 ? null : JSON.stringify(Object.fromEntries(others));
}
