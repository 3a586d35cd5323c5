import type { Dialect } from '../db.ts';
import { invalid } from './invalid.ts';
import type { Migration, MigrationFunction, MigrationPart } from './migration.ts';

/** Looks at what a module exports, by name or as its default, and at entries of an array. */
export function takeModule(exported: unknown, source: string): Omit<Migration, 'name'> {
  const { up, down, requires, verify, transactional } = fieldsOf(exported, source);
  if (!isPart(up)) throw invalid(source, 'it exports no `up`: SQL, or a function');
  if (down !== undefined && !isPart(down)) throw invalid(source, '`down` is SQL, or a function');
  if (verify !== undefined && !isFunction(verify)) throw invalid(source, '`verify` is a function');
  if (transactional !== undefined && typeof transactional !== 'boolean') {
    throw invalid(source, '`transactional` is `true` or `false`');
  }
  if (requires !== undefined && !isNames(requires)) {
    throw invalid(source, '`requires` is a name, or an array of names');
  }
  return { up, down, requires, verify, transactional };
}

function fieldsOf(exported: unknown, source: string): Readonly<Record<string, unknown>> {
  if (!isObject(exported)) throw invalid(source, 'a migration is an object with an `up`');
  if (exported['up'] === undefined && isObject(exported['default'])) return exported['default'];
  return exported;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isFunction(value: unknown): value is MigrationFunction {
  return typeof value === 'function';
}

function isPart(value: unknown): value is MigrationPart {
  if (typeof value === 'string' || isFunction(value)) return true;
  return (
    isObject(value) && [value['postgres'], value['sqlite']].every((sql) => typeof sql === 'string')
  );
}

function isNames(value: unknown): value is string | readonly string[] {
  return [value].flat().every((name) => typeof name === 'string');
}

/** What of it is meant for this database. */
export function partOf(
  part: MigrationPart | undefined,
  dialect: Dialect,
): string | MigrationFunction | undefined {
  return typeof part === 'object' ? part[dialect] : part;
}
