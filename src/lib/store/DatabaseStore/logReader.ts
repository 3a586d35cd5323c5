import type { Database } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import type { Change } from '../../model/change.ts';
import type { EventRow } from '../../model/entities.ts';
import { eventFromJson } from '../../model/text.ts';
import { changesFromJson, type EventReference } from './logText.ts';

const PAGE = 200;
/** Of one page, with the events that it names; a larger commit is a page of its own. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** Both databases know how long a text is without reading it. */
const ROWS = `
  SELECT position, at_ms, data, octet_length(data) AS bytes FROM holdfast_changes
  WHERE position > $1 AND position <= (SELECT max(s.position) FROM
    (SELECT p.position, sum(p.bytes) OVER (ORDER BY p.position) - p.bytes AS before FROM
      (SELECT position, octet_length(data) AS bytes FROM holdfast_changes
        WHERE position > $1 ORDER BY position LIMIT $2) AS p) AS s
    WHERE s.before < $3)
  ORDER BY position`;

interface LoggedCommit {
  readonly position: number;
  readonly at: Date;
  readonly changes: readonly Change[];
}

export interface LogPage {
  readonly commits: readonly LoggedCommit[];
  /** Nothing came after it when it was read. */
  readonly isLast: boolean;
}

interface ChangesRow {
  readonly position: number;
  readonly at_ms: number;
  readonly data: string;
  readonly bytes: number;
}

interface EventAt {
  readonly position: number;
  readonly run_id: string;
  readonly seq: number;
}

type StoredEvent = EventAt & { readonly data: string };

/** The log of a database, with the events that stand in their own table. */
export class LogReader {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Some commits after `after`, in their order. `UNSUPPORTED_FORMAT`, `DATA_CORRUPT`. */
  async page(after: number): Promise<LogPage> {
    const rows = await this.#rows(after, PAGE);
    const all = rows.map(({ position, at_ms, data }) => {
      return { position, at: new Date(at_ms), changes: changesOf(data, position) };
    });
    const read = all.slice(0, countOfPage(rows, all));
    const wanted = read.flatMap(({ position, changes }) =>
      changes.filter(isReference).map(({ runId, seq }) => ({ position, run_id: runId, seq })),
    );
    const events = await this.#events(wanted);
    const missing = wanted.find((event) => !events.has(keyOf(event)));
    if (missing !== undefined) {
      // Unless the log was trimmed in between: then it begins elsewhere.
      const [first] = await this.#rows(after, 1);
      if (first?.position !== rows[0]?.position) return this.page(after);
      const { run_id: id, seq, position } = missing;
      const message = `event ${seq} of run ${id}, which commit ${position} names, is missing`;
      throw new StoreError('DATA_CORRUPT', message, { id });
    }
    const commits = read.map((commit) => ({
      ...commit,
      changes: commit.changes.map((change) => whole(change, commit.position, events)),
    }));
    const isWhole = commits.length === rows.length && rows.length < PAGE;
    return { commits, isLast: isWhole && sum(rows.map(({ bytes }) => bytes)) < PAGE_BYTES };
  }

  /** At most `limit`, and no more once they have `PAGE_BYTES`. */
  async #rows(after: number, limit: number): Promise<readonly ChangesRow[]> {
    return (await this.#db.query<ChangesRow>(ROWS, [after, limit, PAGE_BYTES])).rows;
  }

  /**
   * By `keyOf`. In one statement, so that it meets each in one of the two tables: the deletion of a
   * run moves what the log still names, in the transaction that takes it from the other.
   */
  async #events(wanted: readonly EventAt[]): Promise<ReadonlyMap<string, EventRow>> {
    if (wanted.length === 0) return new Map();
    const isList = this.#db.dialect === 'postgres';
    const from = isList
      ? 'unnest($1::bigint[], $2::text[], $3::bigint[]) AS w(position, run_id, seq)'
      : `(SELECT p.value AS position, r.value AS run_id, s.value AS seq FROM json_each($1) p
           JOIN json_each($2) r ON r.key = p.key JOIN json_each($3) s ON s.key = p.key) AS w`;
    const arm = (table: string) =>
      `SELECT e.position, e.run_id, e.seq, e.data FROM ${from} JOIN ${table} e
         ON e.run_id = w.run_id AND e.seq = w.seq AND e.position = w.position`;
    const lists = (['position', 'run_id', 'seq'] as const)
      .map((column) => wanted.map((event) => event[column]))
      .map((list) => (isList ? list : JSON.stringify(list)));
    const sql = `${arm('holdfast_events')} UNION ALL ${arm('holdfast_deleted_events')}`;
    const { rows } = await this.#db.query<StoredEvent>(sql, lists);
    return new Map(rows.map((row) => [keyOf(row), eventFromJson(parsed(row.data, row.position))]));
  }
}

/** How many of the commits read fill a page, with the events that they name. */
function countOfPage(
  rows: readonly ChangesRow[],
  read: readonly { readonly changes: readonly Logged[] }[],
): number {
  let bytes = 0;
  const full = rows.findIndex((row, n) => {
    const events = read[n]?.changes.filter(isReference) ?? [];
    bytes += row.bytes + sum(events.map(({ size = 0 }) => size));
    return bytes >= PAGE_BYTES;
  });
  return full < 0 ? rows.length : full + 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function keyOf({ position, run_id, seq }: EventAt): string {
  return `${position} ${seq} ${run_id}`;
}

type Logged = Change | EventReference;

function isReference(change: Logged): change is EventReference {
  return 'seq' in change;
}

function whole(change: Logged, position: number, events: ReadonlyMap<string, EventRow>): Change {
  if (!isReference(change)) return change;
  const { type, runId, seq } = change;
  return { type, runId, event: events.get(keyOf({ position, run_id: runId, seq })) as EventRow };
}

function changesOf(data: string, position: number): readonly Logged[] {
  const changes = changesFromJson(parsed(data, position));
  if (!changes.includes(undefined)) return changes as readonly Logged[];
  const message = `commit ${position} was written by a newer version`;
  throw new StoreError('UNSUPPORTED_FORMAT', message);
}

function parsed(text: string, position: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StoreError('DATA_CORRUPT', `commit ${position} of the log is damaged`, { cause });
  }
}
