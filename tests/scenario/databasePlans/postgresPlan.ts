import type { Queryable } from '../../../src/index.ts';
import { BIG, type Bounds, COMMIT, type SentStatement } from './statement.ts';

/** A step of a plan as EXPLAIN (ANALYZE, FORMAT JSON) tells it; counts are means of its loops. */
interface Step {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly Step[];
}

/**
 * A prepared statement is planned for its values, and after some runs perhaps once for all: which of the
 * two is the server's to choose, so both have to be good.
 */
const MODES = ['force_custom_plan', 'force_generic_plan'] as const;

/**
 * Runs a statement by EXPLAIN (ANALYZE) and takes back what it did. Says where a step of its plan read
 * more rows than it may, and where a table was read whole that was not empty.
 */
export async function postgresFaults(
  db: Queryable,
  statement: SentStatement,
  bounds: Bounds,
): Promise<readonly string[]> {
  if (COMMIT.test(statement.sql)) return commitFaults(db, statement);
  const faults: string[] = [];
  for (const mode of MODES) {
    const steps = stepsOf(await explain(db, statement, mode));
    const found = steps.flatMap((step) => faultOf(step, bounds));
    const { index } = bounds;
    const isWalking = steps.some((step) => step['Index Name'] === index);
    if (index !== undefined && !isWalking) found.push(`not ${index}`);
    const plan = steps.map(lineOf).join('\n');
    faults.push(...found.map((fault) => `${fault}, ${mode}: ${statement.sql}\n${plan}`));
  }
  return faults;
}

/** Pages of 8 KiB that a commit of some changes may look at, those of its writes included. */
const COMMIT_PAGES_MAX = 200;

/** The plans inside of a function are not in that of its call: but the pages that they look at are. */
async function commitFaults(db: Queryable, statement: SentStatement): Promise<readonly string[]> {
  // The first time it is planned, which reads the catalogue.
  await explain(db, statement, 'force_generic_plan');
  const step = await explain(db, statement, 'force_generic_plan');
  const pages = step['Shared Hit Blocks'] + step['Shared Read Blocks'];
  return pages > COMMIT_PAGES_MAX ? [`${pages} pages: ${statement.sql}`] : [];
}

async function explain(
  db: Queryable,
  { sql, params }: SentStatement,
  mode: (typeof MODES)[number],
): Promise<Step> {
  const values = params.length === 0 ? '' : `(${params.map(literal).join(', ')})`;
  await db.query('SAVEPOINT before');
  await db.query(`SET LOCAL plan_cache_mode = ${mode}`);
  await db.query(`PREPARE explained AS ${sql}`);
  const { rows } = await db.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE explained${values}`,
  );
  await db.query('DEALLOCATE explained');
  await db.query('ROLLBACK TO before');
  const [{ Plan }] = JSON.parse(rows[0]?.['QUERY PLAN'] ?? '') as [{ readonly Plan: Step }];
  return Plan;
}

function literal(value: SentStatement['params'][number]): string {
  if (value === null) return 'NULL';
  if (value instanceof Uint8Array) return `'\\x${Buffer.from(value).toString('hex')}'`;
  const text = Array.isArray(value) ? `{${value.map((it) => JSON.stringify(it)).join()}}` : value;
  return `'${String(text).replaceAll("'", "''")}'`;
}

function stepsOf(step: Step): readonly Step[] {
  return [step, ...(step.Plans ?? []).flatMap(stepsOf)];
}

function faultOf(step: Step, { rowsMax }: Bounds): readonly string[] {
  const [rows, table = ''] = [rowsOf(step), step['Relation Name']];
  // The server's own catalogue knows nothing of runs.
  if (table.startsWith('pg_')) return [];
  if (rows > rowsMax) return [`${rows} rows, and ${rowsMax} would do`];
  return step['Node Type'] === 'Seq Scan' && BIG.test(table) && rows > 0 ? [`all of ${table}`] : [];
}

/** What it read: rows that it dropped, too. */
function rowsOf(step: Step): number {
  const dropped =
    (step['Rows Removed by Filter'] ?? 0) +
    (step['Rows Removed by Index Recheck'] ?? 0) +
    (step['Rows Removed by Join Filter'] ?? 0);
  return (step['Actual Rows'] + dropped) * step['Actual Loops'];
}

function lineOf(step: Step): string {
  const on = step['Index Name'] ?? step['Relation Name'] ?? '';
  return `${step['Node Type']} ${on} ${rowsOf(step)}`;
}
