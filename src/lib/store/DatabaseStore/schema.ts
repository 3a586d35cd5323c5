import type { Database } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import { ownMigrator } from '../../migrations.ts';
import type { OpenOptions } from '../options.ts';

type Wanted = Pick<OpenOptions, 'migrate' | 'create' | 'readOnly'>;

/** Whether a store that is not there is made. */
export function mayMake({ create = true, readOnly = false }: Wanted): boolean {
  return create && !readOnly;
}

/** Brings the schema to this version, or refuses what is older, as `migrate` says. */
export async function prepareSchema(db: Database, wanted: Wanted): Promise<void> {
  const { migrate = db.dialect === 'postgres' ? 'check' : 'auto', readOnly = false } = wanted;
  const migrator = ownMigrator(db);
  if (!mayMake(wanted) && (await migrator.getCurrentVersion()) === null) {
    throw new StoreError('NOT_FOUND', `there is no store in ${db.location}`, { id: db.location });
  }
  if (migrate === 'never') return;
  if (migrate === 'auto' && !readOnly) return void (await migrator.up());
  const pending = await migrator.plan();
  if (pending.length === 0) return;
  const names = pending.map(({ name }) => name).join(', ');
  const message =
    `${db.location} lacks ${names}: run \`holdfast migrate up --own --store ${db.location}\`, ` +
    'or open with `migrate: "auto"`';
  throw new StoreError('SCHEMA_OUTDATED', message);
}
