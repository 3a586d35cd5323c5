import {
  describeDifference,
  type MigrationEntry,
  type MigrationRepair,
  type MigrationResult,
  type MigrationStatus,
  type PlannedMigration,
} from '../../index.ts';
import type { Colours } from '../call.ts';
import { count, duration, padTo, plain, time } from '../text.ts';

/** What `up` and `down` did, or with a dry run would do. */
export function resultLines(
  { migrations, untried, current, dryRun }: MigrationResult,
  direction: 'up' | 'down',
  { green, yellow }: Colours,
): readonly string[] {
  const done = direction === 'up' ? 'applied' : 'undone';
  const lines = migrations.map(({ name, durationMs, rows }) => {
    const facts = `${duration(durationMs)}, ${count(rows, 'row')}`;
    return `${dryRun ? yellow('○') : green('✔')} ${plain(name)}  ${facts}`;
  });
  const version = current === null ? 'no migration is applied' : `now at ${plain(current)}`;
  return [
    ...lines,
    ...untried.map((name) => `${yellow('○')} ${plain(name)}  not tried: see transactional`),
    ...(migrations.length + untried.length === 0 ? [`nothing to be ${done}, ${version}`] : []),
    ...(migrations.length + untried.length > 0
      ? [dryRun ? `a dry run: nothing was ${done}, ${version}` : version]
      : []),
  ];
}

export function planLines(
  planned: readonly PlannedMigration[],
  colours: Colours,
): readonly string[] {
  if (planned.length === 0) return ['nothing is pending'];
  return planned.flatMap((one) => {
    const facts = [
      ...(one.transactional ? [] : ['without a transaction']),
      ...(one.canBeUndone ? [] : ['cannot be undone']),
    ];
    const line = `${colours.dim('○')} ${plain(one.name)}  ${facts.join(', ')}`.trimEnd();
    return [line, ...warningLines(one, colours)];
  });
}

function warningLines({ warnings }: PlannedMigration, { yellow }: Colours): readonly string[] {
  return warnings.map(
    ({ source, line, message }) => `  ${yellow('⚠')} ${plain(source)}, line ${line}: ${message}`,
  );
}

export function statusLines(status: MigrationStatus, colours: Colours): readonly string[] {
  const { current, migrations, pending, problems, drift } = status;
  const { red } = colours;
  const version = current === null ? 'no migration is applied' : `at ${plain(current)}`;
  return [
    ...migrations.flatMap((entry) => [
      entryLine(entry, colours),
      // What was applied cannot be warned of any more.
      ...(entry.state === 'applied' ? [] : warningLines(entry, colours)),
    ]),
    ...problems.map(({ code, message }) => `${red('✖')} ${plain(message)} (${code})`),
    ...drift.map((difference) => `${red('✖')} drift: ${plain(describeDifference(difference))}`),
    `${version}, ${count(pending.length, 'migration')} pending`,
  ];
}

function entryLine(entry: MigrationEntry, { green, yellow, dim }: Colours): string {
  const { name, state, appliedAt, durationMs, rows } = entry;
  const icon = state === 'applied' ? green('✔') : state === 'pending' ? dim('○') : yellow('✂');
  if (appliedAt === null) return `${icon} ${padTo(state, 8)} ${plain(name)}`;
  const facts = `${time(appliedAt)}  ${duration(durationMs ?? 0)}, ${count(rows ?? 0, 'row')}`;
  return `${icon} ${padTo(state, 8)} ${plain(name)}  ${facts}`;
}

/** What `repair` did, with each name that it was told to accept, and what it left as it is. */
export function repairLines(
  { settled, acceptedEdited, acceptedDrift, problems }: MigrationRepair,
  asked: readonly string[],
  { red }: Colours,
): readonly string[] {
  const unchanged = asked.filter((name) => !acceptedEdited.includes(name));
  const lines = [
    ...settled.flatMap(({ name, outcome, complaint, droppedIndexes }) => [
      outcome === 'done'
        ? `✔ ${plain(name)} is whole, and counts as applied`
        : `✔ ${plain(name)} may go on: run up, or down, again`,
      ...(complaint === null ? [] : [`  its verify says: ${plain(complaint)}`]),
      ...droppedIndexes.map((index) => `  the invalid index ${plain(index)} was dropped`),
    ]),
    ...acceptedEdited.map((name) => `✔ ${plain(name)} is accepted as it is now`),
    ...unchanged.map((name) => `○ ${plain(name)} is as it was applied: nothing to accept`),
    ...acceptedDrift.map((one) => `✔ accepted: ${plain(describeDifference(one))}`),
    ...problems.map(({ code, message }) => `${red('✖')} left: ${plain(message)} (${code})`),
  ];
  return lines.length === 0 ? ['there is nothing to repair'] : lines;
}
