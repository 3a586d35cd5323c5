import { StoreError } from '../errors.ts';
import { problemsOf, refuseProblems } from './checks.ts';
import { failureIn } from './failure.ts';
import type { LoadedMigration } from './migration.ts';
import { pendingOf } from './plan.ts';
import type { MigrationRun } from './results.ts';
import { recordsOf } from './Runner.ts';
import { describeDifference, differencesOf, driftChanges } from './schemaRecord.ts';
import type { AppliedRow } from './versionTable.ts';
import { Patience, refuseAborted } from './waiting.ts';
import type { Workshop } from './workshop.ts';

export interface UpTask {
  readonly known: readonly LoadedMigration[];
  readonly to: string | undefined;
  readonly allowDrift: boolean;
}

/** One step of `applyPending`. */
type Step =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'wait'; readonly holder: string }
  | { readonly kind: 'applied'; readonly row: AppliedRow }
  | {
      readonly kind: 'outside';
      readonly migration: LoadedMigration;
      readonly row: AppliedRow;
      readonly rows: readonly AppliedRow[];
    };

/**
 * Applies what is pending, each in a transaction that first reads the version table again: on SQLite
 * another process may have been faster.
 */
export async function applyPending(shop: Workshop, task: UpTask): Promise<readonly MigrationRun[]> {
  const runs: MigrationRun[] = [];
  const patience = new Patience(shop.clock, shop.lockTimeoutMs);
  let isTold = false;
  for (;;) {
    refuseAborted(shop.signal);
    let at: LoadedMigration | undefined;
    let total = 0;
    const begin = (migration: LoadedMigration, rows: readonly AppliedRow[]): void => {
      at = migration;
      total = runs.length + pendingOf(task.known, rows, task.to).length;
      tell(shop, 'begun', migration.name, runs.length + 1, total);
    };
    const mayWait = patience.leftMs > 0 && shop.connection.dialect === 'sqlite';
    const step = await shop.connection
      .transaction(() => nextStep(shop, task, { begin, isFirst: runs.length === 0, mayWait }))
      .catch((error: unknown) => {
        throw at === undefined ? error : failureIn(at.source, error, at.name);
      });
    if (step.kind === 'nothing') return runs;
    if (step.kind === 'wait') {
      if (!isTold) shop.onProgress({ phase: 'waiting', holder: step.holder });
      isTold = true;
      await patience.wait(shop.signal);
      continue;
    }
    const { name, durationMs, rows } =
      step.kind === 'applied'
        ? step.row
        : await shop.runner.applyOutside(step.migration, step.row, recordsOf(step.rows));
    runs.push({ name, durationMs, rows });
    tell(shop, 'done', name, runs.length, total);
  }
}

interface StepOptions {
  readonly begin: (migration: LoadedMigration, rows: readonly AppliedRow[]) => void;
  readonly isFirst: boolean;
  /** Whether one that has begun may be at work in another process: SQLite has no lock that tells. */
  readonly mayWait: boolean;
}

async function nextStep(shop: Workshop, task: UpTask, options: StepOptions): Promise<Step> {
  const { runner, table, connection } = shop;
  const rows = await table.read(connection);
  const problems = problemsOf(task.known, rows);
  const [first] = problems;
  if (first?.code === 'MIGRATION_FAILED' && options.mayWait) {
    return { kind: 'wait', holder: `whoever has begun ${first.name}` };
  }
  refuseProblems(problems);
  const [migration] = pendingOf(task.known, rows, task.to);
  if (migration === undefined) return { kind: 'nothing' };
  if (options.isFirst && !task.allowDrift) await refuseDrift(shop, rows);
  options.begin(migration, rows);
  if (migration.transactional) return { kind: 'applied', row: await runner.apply(migration, rows) };
  return { kind: 'outside', migration, row: await runner.begin(migration, rows), rows };
}

/** All in one transaction that is rolled back. What cannot be in one, and what follows it, is untried. */
export async function tryPending(
  shop: Workshop,
  task: UpTask,
): Promise<{ readonly runs: readonly MigrationRun[]; readonly untried: readonly string[] }> {
  const { runner, table, connection } = shop;
  const work = async () => {
    const rows = [...(await table.read(connection))];
    refuseProblems(problemsOf(task.known, rows));
    const pending = pendingOf(task.known, rows, task.to);
    if (pending.length > 0 && !task.allowDrift) await refuseDrift(shop, rows);
    const runs: MigrationRun[] = [];
    for (const [n, migration] of pending.entries()) {
      refuseAborted(shop.signal);
      if (!migration.transactional) break;
      tell(shop, 'begun', migration.name, n + 1, pending.length);
      const row = await runner.apply(migration, rows);
      await connection.checkDeferred().catch((error: unknown) => {
        throw failureIn(migration.source, error, migration.name);
      });
      rows.push(row);
      runs.push({ name: row.name, durationMs: row.durationMs, rows: row.rows });
    }
    return { runs, untried: pending.slice(runs.length).map(({ name }) => name) };
  };
  return connection.transaction(work, { keep: false });
}

async function refuseDrift({ runner }: Workshop, rows: readonly AppliedRow[]): Promise<void> {
  // What a migration that stopped has changed so far is in no record yet.
  if (rows.length === 0 || rows.some(({ state }) => state === 'stopped')) return;
  const [first, ...more] = differencesOf(driftChanges(recordsOf(rows), await runner.schema()));
  if (first === undefined) return;
  const others = more.length > 0 ? `, and ${more.length} more` : '';
  const message =
    `the schema is not as the migrations left it: ${describeDifference(first)}${others}; undo that, ` +
    'accept it with repair({ acceptDrift: true }), or go on with allowDrift';
  throw new StoreError('SCHEMA_DRIFTED', message);
}

function tell(
  shop: Workshop,
  phase: 'begun' | 'done',
  name: string,
  number: number,
  total: number,
): void {
  shop.onProgress({ phase, direction: 'up', name, number, total });
}
