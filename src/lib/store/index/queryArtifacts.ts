import { LIMITS } from '../../limits.ts';
import { checkInteger, invalid } from '../../model/check.ts';
import type { ArtifactVersion } from '../../model/entities.ts';
import { artifactFromJson } from '../../model/text.ts';
import type { CataloguedArtifact } from '../commands/artifactCatalog.ts';
import type { ArtifactFilter } from '../contract.ts';
import { type ArtifactTables, sourceOf, testOf } from './artifactConditions.ts';
import { type Condition, conditionsOf } from './artifactFilter.ts';
import { Binder } from './binder.ts';

export interface Statement {
  readonly sql: string;
  readonly params: readonly (string | number)[];
}

/** Where a page ended: what the list is ordered by. */
export interface ArtifactPlace {
  readonly createdMs: number;
  readonly id: string;
}

/** So few that all of them are looked at and sorted; of more the newest are walked. */
const FEW = 1_000;

const COLUMNS =
  'a.data AS data, a.run_id AS run_id, a.name AS name, a.version AS version,' +
  ' a.created_ms AS created_ms, a.id AS id';

/**
 * A query of artifacts, newest first, in two statements: how many each condition would find, as far as
 * they are few, and then the page, by way of the one that finds the fewest, or else by walking down from
 * the newest. A statement is made of constants; whatever the caller gave is a value, bound to a `$n`.
 */
export class ArtifactQuery {
  readonly limit: number;
  readonly #conditions: readonly Condition[];
  readonly #tables: ArtifactTables;
  readonly #after: ArtifactPlace | undefined;

  constructor(filter: ArtifactFilter, tables: ArtifactTables, after?: ArtifactPlace) {
    this.#conditions = conditionsOf(filter);
    const { limit = LIMITS.listDefault } = filter;
    this.limit = checkInteger(limit, 'filter.limit', 1, LIMITS.listMax);
    this.#tables = tables;
    this.#after = after;
  }

  /** Its answer has one column a source: how many it finds, and no more than a few. */
  get probe(): Statement | undefined {
    const binder = new Binder();
    const counts = this.#conditions.flatMap((condition, n) => {
      const source = sourceOf(condition, this.#tables, binder);
      if (source === undefined) return [];
      return `(SELECT count(*) FROM (${source} LIMIT ${FEW + 1}) AS p${n}) AS c${n}`;
    });
    if (counts.length === 0) return undefined;
    return { sql: `SELECT ${counts.join(', ')}`, params: binder.params };
  }

  /** Asks for one more than `limit`, to know whether there is a next page. `undefined`: it is empty. */
  page(counts: Readonly<Record<string, unknown>> = {}): Statement | undefined {
    const [fewest] = this.#conditions
      .map((condition, n) => ({ condition, count: Number(counts[`c${n}`] ?? Infinity) }))
      .toSorted((a, b) => a.count - b.count);
    if (fewest?.count === 0) return undefined;
    const binder = new Binder();
    const isFew = fewest !== undefined && fewest.count <= FEW;
    const from = isFew ? this.#from(fewest.condition, binder) : `${this.#tables.artifacts} a`;
    const tests = this.#conditions.map((condition) => testOf(condition, this.#tables, binder));
    const where = ['a.deleted = 0', ...tests, ...this.#afterPlace(binder)].join(' AND ');
    const sql = `SELECT ${COLUMNS} FROM ${from} WHERE ${where}
      ORDER BY created_ms DESC, id DESC LIMIT ${this.limit + 1}`;
    return { sql, params: binder.params };
  }

  #from(condition: Condition, binder: Binder): string {
    const { artifacts, dialect } = this.#tables;
    const source = sourceOf(condition, this.#tables, binder);
    // The limit is for the planner of PostgreSQL, which would take them for many.
    const found = `(SELECT DISTINCT n FROM (${source} LIMIT ${4 * FEW}) AS w) AS s`;
    return dialect === 'sqlite'
      ? `${found} CROSS JOIN ${artifacts} a ON a.n = s.n`
      : `${found} CROSS JOIN LATERAL (SELECT * FROM ${artifacts} WHERE n = s.n OFFSET 0) a`;
  }

  #afterPlace(binder: Binder): readonly string[] {
    if (this.#after === undefined) return [];
    const { createdMs, id } = this.#after;
    return [`(a.created_ms, a.id) < (${binder.bind(createdMs)}, ${binder.bind(id)})`];
  }
}

const EXPIRED_PAGE = 500;

/** Those whose time ended before `nowMs`, in the order of that, after the last one of the page before. */
function expiredAfter(
  nowMs: number,
  last: Row | undefined,
  { artifacts }: ArtifactTables,
): Statement {
  const binder = new Binder();
  const after =
    last === undefined
      ? ''
      : `AND (a.expires_ms, a.n) > (${binder.all([last['expires_ms'] as number, last['n'] as number])})`;
  const sql = `SELECT ${COLUMNS}, a.expires_ms AS expires_ms, a.n AS n FROM ${artifacts} a
    WHERE a.deleted = 0 AND a.expires_ms IS NOT NULL AND a.expires_ms <= ${binder.bind(nowMs)} ${after}
    ORDER BY a.expires_ms, a.n LIMIT ${EXPIRED_PAGE}`;
  return { sql, params: binder.params };
}

/** Pages of them; `ask` runs a statement. */
export async function* expiredArtifacts(
  nowMs: number,
  tables: ArtifactTables,
  ask: (statement: Statement) => readonly Row[] | Promise<readonly Row[]>,
): AsyncGenerator<readonly CataloguedArtifact[], void, undefined> {
  for (let last: Row | undefined; ;) {
    const rows = await ask(expiredAfter(nowMs, last, tables));
    if (rows.length > 0) yield artifactPage(rows, rows.length).found;
    if (rows.length < EXPIRED_PAGE) return;
    last = rows.at(-1);
  }
}

/** Those that were made from this version, oldest first. */
export function childrenOf(
  { runId, name, version }: ArtifactVersion,
  { artifacts, parents }: ArtifactTables,
): Statement {
  const sql = `SELECT ${COLUMNS} FROM ${parents} p JOIN ${artifacts} a ON a.n = p.artifact
    WHERE p.run_id = $1 AND p.name = $2 AND p.version = $3
    ORDER BY created_ms, run_id, name, version`;
  return { sql, params: [runId, name, version] };
}

type Row = Readonly<Record<string, unknown>>;

export interface ArtifactPage {
  readonly found: readonly CataloguedArtifact[];
  /** The place at which it ended, where there is more. */
  readonly next: string | undefined;
}

/** Of one row more than asked for, if there is a next page. */
export function artifactPage(
  rows: readonly Row[],
  limit: number,
  parse: (row: Row) => unknown = ({ data }) => JSON.parse(data as string) as unknown,
): ArtifactPage {
  const found = rows.slice(0, limit);
  const last = rows.length > limit ? found.at(-1) : undefined;
  const next = last && `${String(last['created_ms'])} ${String(last['id'])}`;
  const artifactOf = (row: Row) => {
    return { runId: row['run_id'] as string, row: artifactFromJson(parse(row)) };
  };
  return { found: found.map(artifactOf), next };
}

export function placeFromText(text: string | undefined): ArtifactPlace | undefined {
  if (text === undefined) return undefined;
  const [, createdMs, id] = /^(-?\d{1,16}) (.+)$/.exec(text) ?? [];
  if (createdMs === undefined || id === undefined)
    throw invalid('filter.cursor', 'is none of this list');
  return { createdMs: Number(createdMs), id };
}
