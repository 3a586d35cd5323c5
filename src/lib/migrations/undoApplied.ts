import { StoreError } from '../errors.ts';
import { problemsOf, refuseProblems } from './checks.ts';
import { failureIn } from './failure.ts';
import type { LoadedMigration } from './migration.ts';
import { type Undoing, undoingsOf } from './plan.ts';
import type { MigrationRun } from './results.ts';
import type { AppliedRow } from './versionTable.ts';
import { refuseAborted } from './waiting.ts';
import type { Workshop } from './workshop.ts';

export interface DownTask {
  readonly known: readonly LoadedMigration[];
  /** How many, or the name that is to be the newest afterwards. */
  readonly until: number | string;
  readonly allowDrift: boolean;
}

/** Undoes from the newest back, each in a transaction. Nothing is begun when one of them has no way back. */
export async function undoApplied(
  shop: Workshop,
  task: DownTask,
): Promise<readonly MigrationRun[]> {
  const chosen = await choose(shop, task);
  const runs: MigrationRun[] = [];
  for (const [n, undoing] of chosen.entries()) {
    refuseAborted(shop.signal);
    tell(shop, 'begun', undoing, n + 1, chosen.length);
    runs.push(await undoOne(shop, task, undoing));
    tell(shop, 'done', undoing, n + 1, chosen.length);
  }
  return runs;
}

async function undoOne(shop: Workshop, task: DownTask, undoing: Undoing): Promise<MigrationRun> {
  const { connection, runner, clock } = shop;
  const { migration, row } = undoing;
  const began = clock.now();
  const inside = async (): Promise<number | undefined> => {
    await refuseMoved(shop, row);
    return migration.transactional ? runner.undo(migration, row, task.allowDrift) : undefined;
  };
  const undone = await connection.transaction(inside).catch((error: unknown) => {
    throw failureIn(migration.source, error, migration.name);
  });
  const rows = undone ?? (await runner.undoOutside(migration, row, task.allowDrift));
  return { name: row.name, durationMs: Math.max(0, clock.now() - began), rows };
}

/** All in one transaction that is rolled back, up to the first that cannot be in one. */
export async function tryUndoing(
  shop: Workshop,
  task: DownTask,
): Promise<{ readonly runs: readonly MigrationRun[]; readonly untried: readonly string[] }> {
  const { connection, runner, clock } = shop;
  const work = async () => {
    const chosen = await choose(shop, task);
    const runs: MigrationRun[] = [];
    for (const { migration, row } of chosen) {
      refuseAborted(shop.signal);
      if (!migration.transactional) break;
      const began = clock.now();
      const rows = await runner.undo(migration, row, task.allowDrift);
      await connection.checkDeferred();
      runs.push({ name: row.name, durationMs: Math.max(0, clock.now() - began), rows });
    }
    return { runs, untried: chosen.slice(runs.length).map(({ row }) => row.name) };
  };
  return connection.transaction(work, { keep: false });
}

/** One that comes late does not matter: to undo what is newer is one way to make room for it. */
async function choose(shop: Workshop, task: DownTask): Promise<readonly Undoing[]> {
  const rows = await shop.table.read(shop.connection);
  const problems = problemsOf(task.known, rows);
  refuseProblems(problems.filter(({ code }) => code !== 'MIGRATION_LATE'));
  return undoingsOf(task.known, rows, task.until);
}

/** On SQLite another process may migrate between two transactions of this one. */
async function refuseMoved({ table, connection }: Workshop, row: AppliedRow): Promise<void> {
  const newest = (await table.read(connection)).at(-1);
  if (newest?.name === row.name && newest.state === row.state) return;
  const message = `${row.name} was to be undone, and is not the newest any more: somebody else migrates too`;
  throw new StoreError('VERSION_CONFLICT', message, { id: row.name });
}

function tell(
  shop: Workshop,
  phase: 'begun' | 'done',
  { row }: Undoing,
  number: number,
  total: number,
): void {
  shop.onProgress({ phase, direction: 'down', name: row.name, number, total });
}
