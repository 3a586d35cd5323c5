import { type ErrorCode, StoreError } from '../errors.ts';
import type { LoadedMigration } from './migration.ts';
import { compareNames } from './order.ts';
import type { AppliedRow } from './versionTable.ts';

/** Why nothing can be applied as things are. */
export interface MigrationProblem {
  readonly code: ErrorCode;
  /** The migration. */
  readonly name: string;
  /** Names the file, and what to do. */
  readonly message: string;
}

/** Compares what was applied with what there is, gravest first. Pure: the database is not asked. */
export function problemsOf(
  known: readonly LoadedMigration[],
  rows: readonly AppliedRow[],
): readonly MigrationProblem[] {
  const byName = new Map(known.map((migration) => [migration.name, migration]));
  const gone = rows.filter(({ name }) => !byName.has(name));
  const edited = rows.flatMap((row) => {
    const migration = byName.get(row.name);
    // One that stopped halfway may be mended before it goes on.
    if (migration === undefined || row.state === 'stopped') return [];
    return migration.checksum === row.checksum ? [] : [editedProblem(row, migration)];
  });
  return [
    ...goneProblems(gone, known),
    ...edited,
    ...rows.flatMap((row) => interruptedProblem(row, byName.get(row.name))),
    ...lateProblems(known, rows),
  ];
}

/** Throws the first of them, if there is one. */
export function refuseProblems(problems: readonly MigrationProblem[]): void {
  const [first] = problems;
  if (first !== undefined) throw new StoreError(first.code, first.message, { id: first.name });
}

/** Beyond the newest name that is known stands what a newer program has added. */
function goneProblems(
  gone: readonly AppliedRow[],
  known: readonly LoadedMigration[],
): readonly MigrationProblem[] {
  const newest = known
    .map(({ name }) => name)
    .toSorted(compareNames)
    .at(-1);
  const needs = new Map(known.flatMap((one) => one.requires.map((name) => [name, one] as const)));
  // What a known one requires was known once, however new its name is.
  const isNewer = ({ name }: AppliedRow): boolean =>
    newest !== undefined && compareNames(name, newest) > 0 && !needs.has(name);
  const missing = gone
    .filter((row) => !isNewer(row))
    .map(({ name, appliedAt }) => {
      const needed = needs.get(name);
      const why = needed === undefined ? '' : `, and ${needed.source} requires it`;
      const message =
        `${name} was applied at ${appliedAt} and is not among the migrations any more${why}: ` +
        'bring its file back, or deploy the program that has it';
      return { code: 'MIGRATION_MISSING' as const, name, message };
    });
  const tooNew = gone.filter(isNewer).map(({ name }) => {
    const message =
      `the database has ${name}, and ${newest} is the newest that this program knows: ` +
      'deploy the program that has it, or a newer one';
    return { code: 'SCHEMA_TOO_NEW' as const, name, message };
  });
  return [...missing, ...tooNew];
}

function editedProblem(row: AppliedRow, { name, source }: LoadedMigration): MigrationProblem {
  const message =
    `${source} was changed after it had been applied at ${row.appliedAt}: bring it back as it ` +
    'was and put the change into a new migration; if the change is of no effect, accept it with ' +
    `repair({ acceptEdited: ['${name}'] }) or \`holdfast migrate repair --accept-edited ${name}\``;
  return { code: 'MIGRATION_EDITED', name, message };
}

function interruptedProblem(
  { name, state, appliedAt }: AppliedRow,
  migration: LoadedMigration | undefined,
): readonly MigrationProblem[] {
  if (state !== 'begun' && state !== 'undoing') return [];
  const what = state === 'begun' ? 'was begun' : 'began to be undone';
  const message =
    `${migration?.source ?? name} runs without a transaction, ${what} at ${appliedAt}, and has not ended: ` +
    'look at what it did, then `holdfast migrate repair` lets it go on';
  return [{ code: 'MIGRATION_FAILED', name, message }];
}

/** What would run before something that has run already. */
function lateProblems(
  known: readonly LoadedMigration[],
  rows: readonly AppliedRow[],
): readonly MigrationProblem[] {
  const applied = new Set(rows.filter(isApplied).map(({ name }) => name));
  const last = known.findLastIndex(({ name }) => applied.has(name));
  const newest = known[last]?.name;
  return known.slice(0, Math.max(0, last)).flatMap(({ name, source }) => {
    if (applied.has(name)) return [];
    const message =
      `${source} is older than ${newest}, which was applied already: give it a newer name, ` +
      'or undo what is newer first';
    return [{ code: 'MIGRATION_LATE', name, message }];
  });
}

/** Whether it has taken place: also while it is being undone. */
export function isApplied({ state }: AppliedRow): boolean {
  return state === 'done' || state === 'undoing';
}
