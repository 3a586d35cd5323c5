import type { DatabaseSync } from 'node:sqlite';
import type { Database, DatabaseOptions, PostgresPool } from '../db.ts';
import { StoreError } from '../errors.ts';
import { parsePlace } from './location.ts';
import { ManagedDatabase } from './ManagedDatabase.ts';
import { adoptPostgres, openPostgres } from './postgres.ts';
import { databaseSettings } from './settings.ts';
import { adoptSqlite, openSqlite } from './sqlite.ts';

/** See `connectDatabase`. */
export async function openDatabase(
  place: string | PostgresPool | DatabaseSync,
  options: DatabaseOptions,
): Promise<Database> {
  if (typeof place === 'string') return openPlace(place, options);
  if (isSqlite(place)) {
    const settings = { ...databaseSettings(options), connectionsMax: 1 };
    return new ManagedDatabase(await adoptSqlite(place, settings), settings);
  }
  if (isPool(place)) {
    const settings = databaseSettings(options, place.options.max);
    return new ManagedDatabase(await adoptPostgres(place, settings), settings);
  }
  throw new StoreError('INVALID_ARGUMENT', 'a database is a URL, a pg.Pool or a DatabaseSync');
}

async function openPlace(url: string, options: DatabaseOptions): Promise<Database> {
  const place = parsePlace(url);
  if (place.dialect === 'sqlite') {
    const settings = { ...databaseSettings(options), connectionsMax: 1 };
    return new ManagedDatabase(await openSqlite(place, settings), settings);
  }
  const settings = databaseSettings(options);
  return new ManagedDatabase(await openPostgres(place, settings), settings);
}

// By what they can do: a caller may bring a class of another copy, or of its own.
function isSqlite(place: unknown): place is DatabaseSync {
  return has(place, 'prepare') && has(place, 'location');
}

function isPool(place: unknown): place is PostgresPool {
  return has(place, 'connect') && has(place, 'totalCount');
}

function has(place: unknown, name: string): boolean {
  return typeof place === 'object' && place !== null && name in place;
}
