import type { LoadedMigration } from './migration.ts';
import type { MigrationEntry, PlannedMigration } from './results.ts';
import type { AppliedRow } from './versionTable.ts';

export function plannedOf(migration: LoadedMigration): PlannedMigration {
  const { name, source, transactional, down, warnings } = migration;
  return { name, source, transactional, canBeUndone: down !== undefined, warnings };
}

/** What is known, in its order, and then what only the database knows. */
export function entriesOf(
  known: readonly LoadedMigration[],
  rows: readonly AppliedRow[],
): readonly MigrationEntry[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const names = new Set(known.map(({ name }) => name));
  return [
    ...known.map((migration) => ({
      ...plannedOf(migration),
      ...factsOf(byName.get(migration.name)),
    })),
    ...rows
      .filter(({ name }) => !names.has(name))
      .map((row) => ({ ...vanished(row), ...factsOf(row) })),
  ];
}

function factsOf(
  row: AppliedRow | undefined,
): Pick<MigrationEntry, 'state' | 'appliedAt' | 'durationMs' | 'rows'> {
  if (row === undefined) return { state: 'pending', appliedAt: null, durationMs: null, rows: null };
  const { durationMs, rows } = row;
  const state = row.state === 'done' ? 'applied' : row.state;
  return { state, appliedAt: new Date(row.appliedAt), durationMs, rows };
}

function vanished({ name }: AppliedRow): PlannedMigration {
  return { name, source: name, transactional: true, canBeUndone: false, warnings: [] };
}
