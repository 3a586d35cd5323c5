import { StoreError } from '../errors.ts';
import { isApplied, problemsOf } from './checks.ts';
import type { Connection } from './connection.ts';
import { TrackedContext } from './context.ts';
import type { LoadedMigration, MigrationFunction, Script } from './migration.ts';
import type { MigrationRepair, Settlement } from './results.ts';
import { recordsOf } from './Runner.ts';
import { invalidIndexes } from './schemaPostgres.ts';
import { adopt, differencesOf, driftChanges, type SchemaDifference } from './schemaRecord.ts';
import { tokensOf } from './sqlTokens.ts';
import type { AppliedRow } from './versionTable.ts';
import type { Workshop } from './workshop.ts';

export interface RepairTask {
  readonly known: readonly LoadedMigration[];
  readonly acceptEdited: readonly string[];
  readonly acceptDrift: boolean;
}

/** Settles what a crash or failure left of migrations without a transaction, and accepts what it is told to. */
export async function settle(shop: Workshop, task: RepairTask): Promise<MigrationRepair> {
  const { table, connection } = shop;
  const byName = new Map(task.known.map((migration) => [migration.name, migration]));
  const acceptedEdited = await acceptEdited(shop, task.acceptEdited, byName);
  const settled: Settlement[] = [];
  for (const row of await table.read(connection)) {
    if (row.state !== 'begun' && row.state !== 'undoing') continue;
    settled.push(await settleOne(shop, row, byName.get(row.name)));
  }
  const acceptedDrift = task.acceptDrift ? await acceptDrift(shop) : [];
  const problems = problemsOf(task.known, await table.read(connection));
  return { settled, acceptedEdited, acceptedDrift, problems };
}

async function settleOne(
  shop: Workshop,
  row: AppliedRow,
  migration: LoadedMigration | undefined,
): Promise<Settlement> {
  const { connection, table, runner } = shop;
  const { name } = row;
  const verify = row.state === 'begun' ? migration?.verify : undefined;
  const complaint = verify === undefined ? null : await complaintOf(connection, verify, name);
  if (verify !== undefined && complaint === null) {
    const actual = await runner.schema();
    const changes = driftChanges(recordsOf(await table.read(connection)), actual);
    const schema = { engine: actual.engine, changes };
    await table.write(connection, { ...row, state: 'done', progress: [], schema });
    return { name, outcome: 'done', complaint, droppedIndexes: [] };
  }
  const script = row.state === 'begun' ? migration?.up : migration?.down;
  const droppedIndexes = await dropInvalid(connection, script);
  await table.write(connection, { ...row, state: row.state === 'begun' ? 'stopped' : 'done' });
  return { name, outcome: 'continue', complaint, droppedIndexes };
}

/** Only its own `verify` can say that a migration which was cut off is whole. What that writes is undone. */
async function complaintOf(
  connection: Connection,
  verify: MigrationFunction,
  source: string,
): Promise<string | null> {
  try {
    const context = new TrackedContext(connection, source, true);
    await connection.transaction(() => context.during(verify), { keep: false });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Such an index holds nothing that is used; only those that the migration names are its own. */
async function dropInvalid(
  connection: Connection,
  script: Script | undefined,
): Promise<readonly string[]> {
  if (connection.dialect === 'sqlite' || script === undefined || typeof script === 'function') {
    return [];
  }
  const named = new Set(
    script.flatMap(({ text }) => tokensOf(text, 'postgres').map((token) => nameOf(token.text))),
  );
  const dropped: string[] = [];
  for (const index of await invalidIndexes(connection)) {
    if (!named.has(nameOf(index.slice(index.lastIndexOf('.') + 1)))) continue;
    await connection.query(`DROP INDEX CONCURRENTLY ${index}`);
    dropped.push(index);
  }
  return dropped;
}

function nameOf(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1) : text.toLowerCase();
}

async function acceptEdited(
  { table, connection }: Workshop,
  names: readonly string[],
  byName: ReadonlyMap<string, LoadedMigration>,
): Promise<readonly string[]> {
  const rows = new Map((await table.read(connection)).map((row) => [row.name, row]));
  const accepted: string[] = [];
  for (const name of names) {
    const [row, migration] = [rows.get(name), byName.get(name)];
    if (row === undefined || migration === undefined) {
      const message = `acceptEdited: ${name} is not applied, or not among the migrations`;
      throw new StoreError('INVALID_ARGUMENT', message, { id: name });
    }
    if (row.checksum === migration.checksum) continue;
    await table.write(connection, { ...row, checksum: migration.checksum });
    accepted.push(name);
  }
  return accepted;
}

/** As if the migrations that made these parts had made them so. */
async function acceptDrift(shop: Workshop): Promise<readonly SchemaDifference[]> {
  const { table, connection, runner } = shop;
  const rows = (await table.read(connection)).filter(isApplied);
  const drift = driftChanges(recordsOf(rows), await runner.schema());
  const records = adopt(recordsOf(rows), drift);
  for (const [n, row] of rows.entries()) {
    const schema = records[n];
    if (schema !== undefined && schema !== row.schema) {
      await table.write(connection, { ...row, schema });
    }
  }
  return differencesOf(drift);
}
