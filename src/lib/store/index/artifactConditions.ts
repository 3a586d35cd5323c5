import type { Dialect } from '../../db.ts';
import type { Binder } from './binder.ts';
import type { Bound, Condition } from './artifactFilter.ts';
import { globOf, likeOf, prefixOf } from './pattern.ts';

/** How the tables are called, and who reads them. */
export interface ArtifactTables {
  readonly dialect: Dialect;
  readonly artifacts: string;
  readonly texts: string;
  readonly numbers: string;
  readonly parents: string;
  readonly runs: string;
  readonly runTags: string;
}

type On<K extends Condition['on']> = Extract<Condition, { readonly on: K }>;
type Fact = On<'text'> | On<'number'>;

/**
 * Keeps PostgreSQL from turning what is looked up row by row into a join over all rows. SQLite goes as
 * it is told.
 */
const apart = ({ dialect }: ArtifactTables) => (dialect === 'sqlite' ? '' : ' OFFSET 0');

/** Whether the condition holds for the artifact `a`. */
export function testOf(condition: Condition, tables: ArtifactTables, binder: Binder): string {
  switch (condition.on) {
    case 'name':
    case 'media_type':
      return matches(`a.${condition.on}`, condition.pattern, tables, binder);
    case 'digest':
      return `a.digest = ${binder.bind(condition.equal)}`;
    case 'run_id':
      return `a.run_id IN (${binder.all(condition.among)})`;
    case 'size':
    case 'created_ms':
      return within(`a.${condition.on}`, condition.bounds, binder);
    case 'newest':
      return (
        `NOT EXISTS (SELECT 1 FROM ${tables.artifacts} y WHERE y.run_id = a.run_id` +
        ` AND y.name = a.name AND y.version > a.version AND y.deleted = 0${apart(tables)})`
      );
    case 'run':
    case 'run tag': {
      const { from, where } = ofRun(condition, 'run first', tables, binder);
      return `EXISTS (SELECT 1 FROM ${from} WHERE r.id = a.run_id AND ${where}${apart(tables)})`;
    }
    case 'text':
    case 'number':
      return hasFact(condition, tables, binder);
    case 'any': {
      const { path, texts, numbers } = condition;
      const text = hasFact({ on: 'text', path, among: texts }, tables, binder);
      return `(${text} OR ${hasFact({ on: 'number', path, among: numbers }, tables, binder)})`;
    }
    case 'path': {
      const { path, exists } = condition;
      const text = hasFact({ on: 'text', path, bounds: [] }, tables, binder);
      const number = hasFact({ on: 'number', path, bounds: [] }, tables, binder);
      return `${exists ? '' : 'NOT '}(${text} OR ${number})`;
    }
  }
}

/**
 * A statement that finds all artifacts for which the condition may hold, by an index; if there is one.
 * In the order of that: PostgreSQL would take what it wants few of for quickest found by reading a table.
 */
export function sourceOf(
  condition: Condition,
  tables: ArtifactTables,
  binder: Binder,
): string | undefined {
  const { artifacts } = tables;
  const live = (where: string) => `SELECT n FROM ${artifacts} WHERE deleted = 0 AND ${where}`;
  switch (condition.on) {
    case 'name':
    case 'media_type':
      return isPrefixed(condition.pattern)
        ? `${live(ranged(condition.on, prefixOf(condition.pattern), binder))} ORDER BY ${condition.on}`
        : undefined;
    case 'run_id':
      return live(`run_id IN (${binder.all(condition.among)})`);
    case 'size':
      return `${live(within('size', condition.bounds, binder))} ORDER BY size`;
    case 'run':
    case 'run tag': {
      const { from, where } = ofRun(condition, 'tag first', tables, binder);
      const found = `${from} ${joined(tables)} ${artifacts} y ON y.run_id = r.id`;
      return `SELECT y.n FROM ${found} WHERE y.deleted = 0 AND ${where}`;
    }
    case 'text':
    case 'number':
      return facts(condition, tables, binder);
    case 'any': {
      const { path, texts, numbers } = condition;
      const text = facts({ on: 'text', path, among: texts }, tables, binder);
      return either(text, facts({ on: 'number', path, among: numbers }, tables, binder));
    }
    case 'path': {
      const { path, exists } = condition;
      if (!exists) return undefined;
      const text = facts({ on: 'text', path, bounds: [] }, tables, binder);
      return either(text, facts({ on: 'number', path, bounds: [] }, tables, binder));
    }
    // In order already: the newest of one digest, or of one name, are neighbours in an index.
    case 'digest':
    case 'created_ms':
    case 'newest':
      return undefined;
  }
}

function facts(fact: Fact, tables: ArtifactTables, binder: Binder): string {
  return `SELECT x.artifact AS n ${ofFact(fact, tables, binder)} ORDER BY x.path, x.value`;
}

function either(one: string, other: string): string {
  return `SELECT n FROM (${one}) AS u UNION ALL SELECT n FROM (${other}) AS v`;
}

function hasFact(fact: Fact, tables: ArtifactTables, binder: Binder): string {
  return `EXISTS (SELECT 1 ${ofFact(fact, tables, binder)} AND x.artifact = a.n${apart(tables)})`;
}

function ofFact(fact: Fact, { texts, numbers }: ArtifactTables, binder: Binder): string {
  const from = `FROM ${fact.on === 'text' ? texts : numbers} x WHERE x.path = ${binder.bind(fact.path)}`;
  if ('among' in fact) return `${from} AND x.value IN (${binder.all(fact.among)})`;
  return fact.bounds.length === 0 ? from : `${from} AND ${within('x.value', fact.bounds, binder)}`;
}

function ofRun(
  condition: On<'run'> | On<'run tag'>,
  order: 'run first' | 'tag first',
  tables: ArtifactTables,
  binder: Binder,
): { readonly from: string; readonly where: string } {
  const { runs, runTags } = tables;
  if (condition.on === 'run') {
    const where = `r.${condition.column} IN (${binder.all(condition.among)})`;
    return { from: `${runs} r`, where };
  }
  const { key, value } = condition;
  const where = `t.key = ${binder.bind(key)} AND t.value = ${binder.bind(value)}`;
  const [tag, run] = [`${runTags} t`, `${runs} r`];
  if (order === 'tag first')
    return { from: `${tag} ${joined(tables)} ${run} ON r.n = t.run`, where };
  const place = 't.created_ms = r.created_ms AND t.created_position = r.created_position';
  return { from: `${run} ${joined(tables)} ${tag} ON ${place} AND t.run = r.n`, where };
}

/** SQLite takes the tables in this order. */
function joined({ dialect }: ArtifactTables): string {
  return dialect === 'sqlite' ? 'CROSS JOIN' : 'JOIN';
}

function within(column: string, bounds: readonly Bound<string | number>[], binder: Binder): string {
  return bounds
    .map(({ operator, value }) => `${column} ${operator} ${binder.bind(value)}`)
    .join(' AND ');
}

function matches(
  column: string,
  pattern: string,
  { dialect }: ArtifactTables,
  binder: Binder,
): string {
  if (prefixOf(pattern) === pattern) return `${column} = ${binder.bind(pattern)}`;
  return dialect === 'sqlite'
    ? // The plus keeps SQLite from walking the names, and sorting what it finds.
      `+${column} GLOB ${binder.bind(globOf(pattern))}`
    : `${column} LIKE ${binder.bind(likeOf(pattern))}`;
}

function isPrefixed(pattern: string): boolean {
  const prefix = prefixOf(pattern);
  return prefix !== '' && prefix !== pattern;
}

function ranged(column: string, prefix: string, binder: Binder): string {
  // No text is greater than one that ends with the last of all characters.
  return `${column} >= ${binder.bind(prefix)} AND ${column} < ${binder.bind(`${prefix}\u{10ffff}`)}`;
}
