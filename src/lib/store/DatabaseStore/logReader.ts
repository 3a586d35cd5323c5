import type { Database, Queryable } from '../../db.ts';
import { isStoreError, StoreError } from '../../errors.ts';
import type { Change } from '../../model/change.ts';
import { eventFromJson } from '../../model/text.ts';
import { isSameEvent } from './eventSql.ts';
import { changesFromJson, type EventReference } from './logText.ts';
import { attempt, type CheckedPage, DELETED_EVENTS, EVENTS, parseRow } from './rows.ts';
import { faultOfChanges } from './shapes.ts';

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

type StoredEvent = EventAt & { readonly data: string; readonly is_deleted: number };
/** By `keyOf`. */
type StoredEvents = ReadonlyMap<string, StoredEvent>;

interface ReadPage {
  readonly rows: readonly ChangesRow[];
  /** Of as many of the rows as fill a page. */
  readonly read: readonly (LoggedCommit | StoreError)[];
}

/** The log of a database, with the events that stand in their own table. */
export class LogReader {
  readonly #db: Pick<Database, 'dialect'> & Queryable;

  constructor(db: Pick<Database, 'dialect'> & Queryable) {
    this.#db = db;
  }

  /** Some commits after `after`, in their order. `UNSUPPORTED_FORMAT`, `DATA_CORRUPT`. */
  async page(after: number): Promise<LogPage> {
    const { rows, read } = await this.#read(after);
    const commits: LoggedCommit[] = [];
    for (const outcome of read) {
      if (!isStoreError(outcome)) commits.push(outcome);
      else if (commits.length === 0) throw outcome;
      // Those before it are given first.
      else break;
    }
    const isWhole = commits.length === rows.length && rows.length < PAGE;
    return { commits, isLast: isWhole && sum(rows.map(({ bytes }) => bytes)) < PAGE_BYTES };
  }

  /** What is wrong with some commits after `after`. `UNSUPPORTED_FORMAT`. */
  async check(after: number): Promise<CheckedPage> {
    const { rows, read } = await this.#read(after);
    const faults = read.filter((outcome) => isStoreError(outcome));
    const foreign = faults.find(({ code }) => code !== 'DATA_CORRUPT');
    if (foreign !== undefined) throw foreign;
    return { faults, last: rows[read.length - 1]?.position };
  }

  /** A page of the log, and what each commit of it is, or why it cannot be read. */
  async #read(after: number): Promise<ReadPage> {
    const rows = await this.#rows(after, PAGE);
    const all = rows.map(({ position, at_ms, data }) =>
      attempt(() => ({ position, at: new Date(at_ms), changes: changesOf(data, position) })),
    );
    const some = all.slice(0, countOfPage(rows, all));
    const events = await this.#events(some.flatMap(referencesOf));
    const read = some.map((commit) =>
      isStoreError(commit) ? commit : attempt(() => wholeCommit(commit, events)),
    );
    if (!read.some((outcome) => isStoreError(outcome))) return { rows, read };
    // Events go with the log: where that was trimmed in between, it begins elsewhere.
    const [first] = await this.#rows(after, 1);
    return first?.position === rows[0]?.position ? { rows, read } : this.#read(after);
  }

  /** At most `limit`, and no more once they have `PAGE_BYTES`. */
  async #rows(after: number, limit: number): Promise<readonly ChangesRow[]> {
    return (await this.#db.query<ChangesRow>(ROWS, [after, limit, PAGE_BYTES])).rows;
  }

  /**
   * By `keyOf`. In one statement, so that it meets each in one of the two tables: the deletion of a
   * run moves what the log still names, in the transaction that takes it from the other.
   */
  async #events(wanted: readonly EventAt[]): Promise<StoredEvents> {
    if (wanted.length === 0) return new Map();
    const isList = this.#db.dialect === 'postgres';
    const from = isList
      ? 'unnest($1::bigint[], $2::text[], $3::bigint[]) AS w(position, run_id, seq)'
      : `(SELECT p.value AS position, r.value AS run_id, s.value AS seq FROM json_each($1) p
           JOIN json_each($2) r ON r.key = p.key JOIN json_each($3) s ON s.key = p.key) AS w`;
    const arm = (table: string, isDeleted: number) =>
      `SELECT e.position, e.run_id, e.seq, e.data, ${isDeleted} AS is_deleted
         FROM ${from} JOIN ${table} e ON ${isSameEvent(this.#db.dialect, 'e', 'w')}`;
    const lists = (['position', 'run_id', 'seq'] as const)
      .map((column) => wanted.map((event) => event[column]))
      .map((list) => (isList ? list : JSON.stringify(list)));
    const sql = `${arm(EVENTS.name, 0)} UNION ALL ${arm(DELETED_EVENTS.name, 1)}`;
    const { rows } = await this.#db.query<StoredEvent>(sql, lists);
    return new Map(rows.map((row) => [keyOf(row), row]));
  }
}

/** How many of the commits read fill a page, with the events that they name. */
function countOfPage(
  rows: readonly ChangesRow[],
  read: readonly (ParsedCommit | StoreError)[],
): number {
  let bytes = 0;
  const full = rows.findIndex((row, n) => {
    const commit = read[n];
    const events = isStoreError(commit) ? [] : (commit?.changes.filter(isReference) ?? []);
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

type ParsedCommit = Omit<LoggedCommit, 'changes'> & { readonly changes: readonly Logged[] };

function referencesOf(commit: ParsedCommit | StoreError): readonly EventAt[] {
  if (isStoreError(commit)) return [];
  const { position, changes } = commit;
  return changes.filter(isReference).map(({ runId, seq }) => ({ position, run_id: runId, seq }));
}

function wholeCommit(commit: ParsedCommit, events: StoredEvents): LoggedCommit {
  const { position } = commit;
  const changes = commit.changes.map((change) => whole(change, position, events));
  return { ...commit, changes };
}

function whole(change: Logged, position: number, events: StoredEvents): Change {
  if (!isReference(change)) return change;
  const { type, runId, seq } = change;
  const found = events.get(keyOf({ position, run_id: runId, seq }));
  if (found === undefined) {
    const message = `event ${seq} of run ${runId}, which commit ${position} names, is missing`;
    throw new StoreError('DATA_CORRUPT', message, { id: runId });
  }
  const table = found.is_deleted === 0 ? EVENTS : DELETED_EVENTS;
  return { type, runId, event: eventFromJson(parseRow(found.data, runId, table)) };
}

function changesOf(data: string, position: number): readonly Logged[] {
  const changes = changesFromJson(parsed(data, position));
  if (!changes.includes(undefined)) return changes as readonly Logged[];
  const message = `commit ${position} was written by a newer version`;
  throw new StoreError('UNSUPPORTED_FORMAT', message);
}

function parsed(text: string, position: number): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damagedCommit(position, 'it is no JSON', cause);
  }
  const fault = faultOfChanges(value);
  if (fault !== undefined) throw damagedCommit(position, fault);
  return value;
}

function damagedCommit(position: number, fault: string, cause?: unknown): StoreError {
  const message = `row ${position} of holdfast_changes is damaged: ${fault}`;
  return new StoreError('DATA_CORRUPT', message, { cause });
}
