import type { Run } from '../model/entities.ts';
import type { Store } from '../store/contract.ts';
import type { Catalog } from './catalog.ts';
import type { Usage, UsageCount, UsageFilter, VersionUsage } from './definition.ts';

const PAGE = 1_000;

interface Counted {
  runs: number;
  active: number;
  lastRunAt: Date | null;
}

/**
 * Counts the runs that are pinned to these versions. They are found by their workflow, which is the
 * name of the definition: every backend has an index on it, and neither it nor `definition` ever
 * changes. (A tag would: `runs.update` replaces all tags of a run.)
 */
export async function countUsage(
  store: Store,
  { name }: Catalog,
  versions: readonly string[],
  filter: UsageFilter,
): Promise<Usage> {
  const counts = new Map(
    versions.map((version): [string, Counted] => [
      version,
      { runs: 0, active: 0, lastRunAt: null },
    ]),
  );
  for await (const run of store.runs.list({ ...filter, workflow: name, limit: PAGE })) {
    const counted = counts.get(versionOf(run) ?? '');
    if (counted !== undefined) count(counted, run);
  }
  const each = [...counts].map(([version, counted]): VersionUsage => ({ version, ...counted }));
  return { name, ...sum(each), versions: each };
}

const PINNED = /^(.+)@([^@#]+)#sha256:[0-9a-f]{64}$/;

/** The version that a run is pinned to; a run of the same workflow may be no registry's. */
function versionOf({ definition, workflow }: Run): string | undefined {
  const [, name, version] = PINNED.exec(definition ?? '') ?? [];
  return name === workflow ? version : undefined;
}

function count(counted: Counted, run: Run): void {
  counted.runs += 1;
  if (run.endedAt === null) counted.active += 1;
  counted.lastRunAt = later(counted.lastRunAt, run.createdAt);
}

function sum(each: readonly VersionUsage[]): UsageCount {
  return {
    runs: each.reduce((total, { runs }) => total + runs, 0),
    active: each.reduce((total, { active }) => total + active, 0),
    lastRunAt: each.reduce<Date | null>((last, { lastRunAt }) => later(last, lastRunAt), null),
  };
}

function later(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}
