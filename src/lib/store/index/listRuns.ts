import {
  checkId,
  checkInteger,
  checkName,
  checkObject,
  checkOneOf,
  checkTags,
  checkTime,
  invalid,
} from '../../model/check.ts';
import type { Dialect } from '../../db.ts';
import { RUN_STATUSES, type RunStatus } from '../../model/entities.ts';
import { LIMITS } from '../../limits.ts';
import type { RunFilter } from '../contract.ts';
import { Binder } from './binder.ts';
import { fromRunCursor, type RunPlace, toRunCursor } from './runCursor.ts';

/**
 * A list of runs as one SQL statement for SQLite and PostgreSQL. Its text is made of the constants
 * below and nothing else; whatever the caller gave is a value, bound to a `$n`.
 */
export interface ListQuery {
  readonly sql: string;
  readonly params: readonly (string | number)[];
  /** Items of the page; the statement asks for one more, to know whether there is a next page. */
  readonly limit: number;
}

const FILTER: ReadonlySet<string> = new Set<keyof RunFilter>([
  'status',
  'workflow',
  'project',
  'parentRunId',
  'parentStepId',
  'tags',
  'createdAfter',
  'createdBefore',
  'endedAfter',
  'endedBefore',
  'limit',
  'cursor',
]);

/** How the tables of runs and of their tags are called, and who reads them. */
export interface RunTables {
  readonly dialect: Dialect;
  readonly runs: string;
  readonly tags: string;
}

/** Those of the index. */
const INDEX_TABLES: RunTables = { dialect: 'sqlite', runs: 'runs', tags: 'run_tags' };

/** Newest first. `created_ms` never falls as `created_position` rises, so both say the same. */
export function listRuns(
  filter: RunFilter | undefined,
  tables: RunTables = INDEX_TABLES,
): ListQuery {
  const given = checkObject<RunFilter>(filter, 'filter', FILTER);
  const limit =
    given.limit === undefined
      ? LIMITS.listDefault
      : checkInteger(given.limit, 'filter.limit', 1, LIMITS.listMax);
  const binder = new Binder();
  const statuses = checkStatuses(given.status);
  const tags = Object.entries(given.tags === undefined ? {} : checkTags(given.tags, 'filter.tags'));
  const isFew = given.parentRunId !== undefined || given.parentStepId !== undefined;
  const source = chooseSource(statuses, tags.length > 0 && !isFew, tables);
  const conditions = [...equalities(given, binder), ...times(given, source.order, binder)];
  const walks = walksOf(tags, source, binder);
  const arms = armsOf(statuses, source, binder).flatMap((arm) =>
    walks.map((walk) => {
      const where = [...arm, ...conditions, ...walk].join(' AND ');
      return `SELECT ${COLUMNS(source.order)} FROM ${source.from}${where && ` WHERE ${where}`}`;
    }),
  );
  const page = `${ORDER} LIMIT ${binder.bind(limit + 1)}`;
  const sql = `${merged(arms, page, tables.dialect)} ${page}`;
  return { sql, params: binder.params, limit };
}

/** SQLite merges arms in their order as it reads them; PostgreSQL does so where each has its own. */
function merged(arms: readonly string[], page: string, dialect: Dialect): string {
  const isPlain = dialect === 'sqlite' || arms.length === 1;
  return arms.map((arm) => (isPlain ? arm : `(${arm} ${page})`)).join(' UNION ALL ');
}

/** The cursor of the next page; `null` when these rows, one more than asked for, are not there. */
export function runCursorAfter(
  rows: readonly Readonly<Record<string, unknown>>[],
  limit: number,
): string | null {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  if (last === undefined) return null;
  return toRunCursor({
    createdMs: last['created_ms'] as number,
    createdPosition: last['created_position'] as number,
    id: last['id'] as string,
  });
}

const COLUMNS = (order: Order): string =>
  `r.data AS data, r.id AS id, ${order}.created_ms AS created_ms,` +
  ` ${order}.created_position AS created_position`;
const ORDER = 'ORDER BY created_ms DESC, created_position DESC, id DESC';

type Order = 'r' | 't';

/** Which table is walked, newest first, and which looked up beside it. */
interface Source extends RunTables {
  readonly order: Order;
  readonly from: string;
}

/**
 * A tag is walked, and its runs' statuses looked up, when runs that have succeeded are wanted: they
 * are the many. Otherwise the few with the wanted statuses are walked, and their tags looked up; and
 * so are the few runs of one parent.
 */
function chooseSource(
  statuses: readonly RunStatus[],
  mayWalkTag: boolean,
  tables: RunTables,
): Source {
  const { dialect, runs, tags } = tables;
  const many = statuses.length === 0 || statuses.includes('succeeded');
  if (!mayWalkTag || !many) return { ...tables, order: 'r', from: `${runs} r` };
  const from =
    dialect === 'sqlite'
      ? `${tags} t CROSS JOIN ${runs} r ON r.n = t.run`
      : `${tags} t CROSS JOIN LATERAL (SELECT * FROM ${runs} WHERE n = t.run ${APART}) r`;
  return { ...tables, order: 't', from };
}

/**
 * Keeps PostgreSQL from joining what is to be looked up row by row: it would read all runs of a tag,
 * and sort them, where it takes the filters for rarer than they are. SQLite goes as it is told.
 */
const APART = 'OFFSET 0';

/** One arm a status: each is a range of an index, in order, and the ranges are merged. */
function armsOf(statuses: readonly RunStatus[], source: Source, binder: Binder): string[][] {
  if (statuses.length === 0) return [[]];
  const bound = statuses.map((status) => binder.bind(status));
  if (source.order === 't') return [[`r.status IN (${bound.join(', ')})`]];
  return bound.map((parameter) => [`r.status = ${parameter}`]);
}

function checkStatuses(status: RunFilter['status']): readonly RunStatus[] {
  if (status === undefined) return [];
  const list: readonly unknown[] = Array.isArray(status) ? status : [status];
  if (list.length === 0) throw invalid('filter.status', 'must name at least one status');
  const checked = list.map((item) => checkOneOf(item, 'filter.status', RUN_STATUSES));
  const unique = [...new Set(checked)];
  return unique.length === RUN_STATUSES.length ? [] : unique;
}

function equalities(given: Partial<RunFilter>, binder: Binder): string[] {
  const { workflow, project, parentRunId, parentStepId } = given;
  const found: string[] = [];
  const equal = (column: string, value: string): void => {
    found.push(`r.${column} = ${binder.bind(value)}`);
  };
  if (workflow !== undefined) equal('workflow', checkName(workflow, 'filter.workflow'));
  if (project !== undefined) equal('project', checkName(project, 'filter.project'));
  if (parentRunId !== undefined) equal('parent_run_id', checkId(parentRunId, 'filter.parentRunId'));
  if (parentStepId !== undefined) {
    equal('parent_step_id', checkId(parentStepId, 'filter.parentStepId'));
  }
  return found;
}

/** Bounds in time, and the place at which the page before ended. */
function times(given: Partial<RunFilter>, order: Order, binder: Binder): string[] {
  const found: string[] = [];
  const createdAfter = milliseconds(given.createdAfter, 'filter.createdAfter');
  const createdBefore = milliseconds(given.createdBefore, 'filter.createdBefore');
  const endedAfter = milliseconds(given.endedAfter, 'filter.endedAfter');
  const endedBefore = milliseconds(given.endedBefore, 'filter.endedBefore');
  if (createdAfter !== undefined) {
    found.push(`${order}.created_ms >= ${binder.bind(createdAfter)}`);
  }
  if (endedAfter !== undefined) found.push(`r.ended_ms >= ${binder.bind(endedAfter)}`);
  if (endedBefore !== undefined) found.push(`r.ended_ms < ${binder.bind(endedBefore)}`);
  const place = given.cursor === undefined ? undefined : fromRunCursor(given.cursor);
  // A run is not created after it ended: the walk need not begin with newer ones.
  const newest = Math.min(createdBefore ?? Infinity, endedBefore ?? Infinity);
  if (newest < (place?.createdMs ?? Infinity)) {
    found.push(`${order}.created_ms < ${binder.bind(newest)}`);
  }
  if (place !== undefined) found.push(afterPlace(place, order, binder));
  return found;
}

function afterPlace(place: RunPlace, order: Order, binder: Binder): string {
  const { createdMs, createdPosition, id } = place;
  const columns = `${order}.created_ms, ${order}.created_position`;
  const values = [createdMs, createdPosition].map((v) => binder.bind(v)).join(', ');
  const after = `(${columns}, r.id) < (${values}, ${binder.bind(id)})`;
  // Of two tables it is no bound of the walk; this is.
  return order === 'r' ? after : `(${columns}) <= (${values}) AND ${after}`;
}

function milliseconds(value: Date | undefined, path: string): number | undefined {
  if (value === undefined) return undefined;
  checkTime(value, path);
  return value.getTime();
}

/**
 * What tags ask of a run. Of several the rarest is walked, which is known when the statement runs: SQLite
 * is given its name then, PostgreSQL has an arm for each and leaves out the others, because it plans well
 * for a tag only where that stands in the statement.
 */
function walksOf(
  wanted: readonly (readonly [string, string])[],
  source: Source,
  binder: Binder,
): string[][] {
  const bound = wanted.map(([key, value]) => ({
    key: binder.bind(key),
    value: binder.bind(value),
  }));
  const lookups = bound.map((tag) => lookupOf(tag, source));
  if (source.order === 'r') return [lookups];
  const walked = ({ key, value }: BoundTag) => `t.key = ${key} AND t.value = ${value}`;
  if (bound.length === 1) return [bound.map(walked)];
  if (source.dialect === 'sqlite') {
    return [[`(t.key, t.value) = (${rarestOf('c.key, c.value', bound, source)})`, ...lookups]];
  }
  const rarest = rarestOf('c.tag', bound, source);
  return bound.map((tag, n) => [`(${rarest}) = ${n}`, walked(tag), ...lookups.toSpliced(n, 1)]);
}

function lookupOf({ key, value }: BoundTag, { order, tags, dialect }: Source): string {
  const run = order === 't' ? 't.run' : 'r.n';
  const apart = dialect === 'sqlite' ? '' : ` ${APART}`;
  return (
    `EXISTS (SELECT 1 FROM ${tags} x WHERE x.key = ${key} AND x.value = ${value}` +
    ` AND x.created_ms = ${order}.created_ms AND x.created_position = ${order}.created_position` +
    ` AND x.run = ${run}${apart})`
  );
}

/** So many runs of a tag are counted to find the rarest: that costs less than a page. */
const COUNTED = 200;

/** Of the tag that the fewest runs have, as far as they are counted. */
function rarestOf(columns: string, bound: readonly BoundTag[], source: Source): string {
  const counts = bound.map(
    (tag, n) =>
      `SELECT ${n} AS tag, CAST(${tag.key} AS text) AS key, CAST(${tag.value} AS text) AS value,` +
      ` (${countOf(tag, source)}) AS runs`,
  );
  return (
    `WITH c AS (${counts.join(' UNION ALL ')}) SELECT ${columns} FROM c` +
    // Without the `+` SQLite makes an index of the few counts.
    ` WHERE +c.runs = (SELECT min(runs) FROM c) LIMIT 1`
  );
}

/**
 * Where PostgreSQL plans once for all values it takes a tag for rare, and would read all of its runs: so
 * it is asked for what stands from the tag on, of which it takes no more than is counted.
 */
function countOf({ key, value }: BoundTag, { tags, dialect }: Source): string {
  const isSqlite = dialect === 'sqlite';
  const some =
    `SELECT value FROM ${tags} WHERE key = ${key} AND value ${isSqlite ? '=' : '>='} ${value}` +
    ` ORDER BY key, value LIMIT ${COUNTED}`;
  return `SELECT count(*) FROM (${some}) AS s${isSqlite ? '' : ` WHERE s.value = ${value}`}`;
}

/** The placeholders of a tag. */
interface BoundTag {
  readonly key: string;
  readonly value: string;
}
