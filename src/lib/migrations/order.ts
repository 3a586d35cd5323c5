import { invalid } from './invalid.ts';
import type { LoadedMigration } from './migration.ts';

/**
 * By name, as the bytes of the names compare, each behind what it requires. (Kahn's algorithm, always
 * taking the smallest name that is free.) `MIGRATION_INVALID` for a requirement that does not exist,
 * and for a circle, with its path. What was `applied` may be required although it is not among them:
 * that it is missing is said elsewhere.
 */
export function ordered(
  migrations: readonly LoadedMigration[],
  applied: Iterable<string> = [],
): readonly LoadedMigration[] {
  const byName = new Map<string, LoadedMigration>();
  for (const migration of migrations) {
    const twin = byName.get(migration.name);
    if (twin !== undefined) {
      throw invalid(migration.source, `it has the name of ${twin.source}; a name is used once`);
    }
    byName.set(migration.name, migration);
  }
  const gone = new Set(applied);
  refuseUnknown(byName, gone);
  const waiting = [...byName.values()].toSorted((a, b) => compareNames(a.name, b.name));
  const taken = new Set([...gone].filter((name) => !byName.has(name)));
  const order: LoadedMigration[] = [];
  while (waiting.length > 0) {
    const free = waiting.findIndex(({ requires }) => requires.every((name) => taken.has(name)));
    if (free < 0) throw circle(waiting, taken);
    for (const migration of waiting.splice(free, 1)) {
      taken.add(migration.name);
      order.push(migration);
    }
  }
  return order;
}

/** The same on every machine, whatever its language. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function refuseUnknown(
  byName: ReadonlyMap<string, LoadedMigration>,
  gone: ReadonlySet<string>,
): void {
  for (const { source, requires } of byName.values()) {
    const unknown = requires.find((name) => !byName.has(name) && !gone.has(name));
    if (unknown !== undefined) {
      throw invalid(source, `it requires ${unknown}, and there is no such migration`);
    }
  }
}

/** Among those that can never be free, following requirements must come back to where it was. */
function circle(waiting: readonly LoadedMigration[], taken: ReadonlySet<string>): Error {
  const stuck = new Map(waiting.map((migration) => [migration.name, migration]));
  const path: string[] = [];
  let at: string | undefined = waiting[0]?.name;
  while (at !== undefined && !path.includes(at)) {
    path.push(at);
    at = stuck.get(at)?.requires.find((name) => !taken.has(name));
  }
  const round = [...path.slice(path.indexOf(at ?? '')), at].join(' → ');
  const source = stuck.get(at ?? '')?.source ?? 'migrations';
  return invalid(source, `requirements go round in a circle: ${round}`);
}
