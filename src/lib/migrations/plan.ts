import { StoreError } from '../errors.ts';
import { isApplied } from './checks.ts';
import type { LoadedMigration } from './migration.ts';
import type { AppliedRow } from './versionTable.ts';
import { invalid } from './invalid.ts';

/** What `up` has left to do, oldest first; `to` is the last of them. `INVALID_ARGUMENT`: no such name. */
export function pendingOf(
  known: readonly LoadedMigration[],
  rows: readonly AppliedRow[],
  to: string | undefined,
): readonly LoadedMigration[] {
  const applied = new Set(rows.filter(isApplied).map(({ name }) => name));
  const end = to === undefined ? known.length - 1 : placeOf(known, to);
  return known.slice(0, end + 1).filter(({ name }) => !applied.has(name));
}

function placeOf(known: readonly LoadedMigration[], to: string): number {
  const place = known.findIndex(({ name }) => name === to);
  if (place >= 0) return place;
  throw new StoreError('INVALID_ARGUMENT', `to: there is no migration ${to}`, { id: to });
}

export interface Undoing {
  readonly migration: LoadedMigration;
  readonly row: AppliedRow;
}

/**
 * What `down` undoes, newest first: the last `count`, or all that follow a name. `MIGRATION_INVALID` when
 * one of them has no way back: then nothing is undone.
 */
export function undoingsOf(
  known: readonly LoadedMigration[],
  rows: readonly AppliedRow[],
  until: number | string,
): readonly Undoing[] {
  const applied = rows.filter(isApplied);
  const count = typeof until === 'number' ? until : countAfter(applied, until);
  if (!(count === Infinity || (Number.isSafeInteger(count) && count >= 0))) {
    throw new StoreError('INVALID_ARGUMENT', `count: ${count} is not a whole number from 0`);
  }
  if (count !== Infinity && count > applied.length) {
    const message = `count: ${count} are to be undone, and ${applied.length} are applied`;
    throw new StoreError('INVALID_ARGUMENT', message);
  }
  const byName = new Map(known.map((migration) => [migration.name, migration]));
  const chosen = applied.slice(count === Infinity ? 0 : applied.length - count);
  return chosen.toReversed().flatMap((row) => {
    const migration = byName.get(row.name);
    if (migration === undefined) return [];
    if (migration.down === undefined) {
      throw invalid(migration.source, 'it cannot be undone: it has no `down`');
    }
    return [{ migration, row }];
  });
}

function countAfter(applied: readonly AppliedRow[], name: string): number {
  const place = applied.findIndex((row) => row.name === name);
  if (place >= 0) return applied.length - 1 - place;
  throw new StoreError('INVALID_ARGUMENT', `${name} is not applied`, { id: name });
}
