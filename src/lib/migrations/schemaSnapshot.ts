import type { Dialect, Queryable } from '../db.ts';
import { postgresParts } from './schemaPostgres.ts';
import { sqliteParts } from './schemaSqlite.ts';
import type { EngineSnapshot } from './schemaRecord.ts';

/** Object, part and definition, as the catalogue has them. */
export interface SchemaPart {
  readonly object: string;
  readonly part: string;
  readonly definition: string;
}

/** The schema as it is now, without the version table and without what the database keeps for itself. */
export async function readSchema(
  connection: Queryable,
  dialect: Dialect,
  versionTable: string,
): Promise<EngineSnapshot> {
  const read = dialect === 'postgres' ? postgresParts : sqliteParts;
  const { engine, parts } = await read(connection, versionTable);
  const schema = new Map<string, Map<string, string>>();
  for (const { object, part, definition } of parts) {
    const known = schema.get(object) ?? new Map<string, string>();
    schema.set(object, known.set(part, definition));
  }
  return { engine, schema };
}
