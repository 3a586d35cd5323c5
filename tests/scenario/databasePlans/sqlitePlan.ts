import type { Queryable } from '../../../src/index.ts';
import { BIG, type Bounds, type SentStatement } from './statement.ts';

/** `SEARCH r USING INDEX holdfast_runs_by_status (status=? AND created_ms<?)` */
const STEP = /^(SCAN|SEARCH) (\w+)(?: EXISTS)?(?: USING (?:COVERING )?INDEX (\w+))?/;

/**
 * What EXPLAIN QUERY PLAN, https://www.sqlite.org/eqp.html, says against a statement: that a big table
 * is read whole, that everything is sorted, or that an index is made for this one time.
 */
export async function sqliteFaults(
  db: Queryable,
  { sql, params }: SentStatement,
  bounds: Bounds,
): Promise<readonly string[]> {
  const { rows } = await db.query<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, params);
  const plan = rows.map(({ detail }) => detail);
  const tables = tablesByAlias(sql);
  const faults = plan.filter((detail) => {
    const [, how, name, index] = STEP.exec(detail) ?? [];
    const isBig = BIG.test(tables.get(name ?? '') ?? '');
    if (how === 'SCAN') return isBig && (index ?? name) !== bounds.walk;
    const isSort = detail.endsWith('FOR ORDER BY') && bounds.isSorting !== true;
    return detail.includes('AUTOMATIC') || (isSort && !isOfOneRun(plan));
  });
  const { index = bounds.sqliteIndex } = bounds;
  const isUsed = plan.some((detail) => STEP.exec(detail)?.[3] === index);
  if (index !== undefined && !isUsed) faults.push(`not ${index}`);
  return faults.map((fault) => `${fault}: ${sql}\n${plan.join('\n')}`);
}

/** A sort of what one run has, or of what a parameter holds, is bounded by that. */
function isOfOneRun(plan: readonly string[]): boolean {
  const searches = plan.filter((detail) => detail.startsWith('SEARCH '));
  return searches.every((detail) => /\((<expr>=\? AND run_id|run_id|id)=\?/.test(detail));
}

/** By alias and by name. */
function tablesByAlias(sql: string): ReadonlyMap<string, string> {
  const named = sql.matchAll(/\b(holdfast_\w+)(?:\s+(?:AS\s+)?(\w+))?/g);
  return new Map(
    Array.from(named).flatMap(([, table = '', alias = table]) => [
      [table, table],
      [alias, table],
    ]),
  );
}
