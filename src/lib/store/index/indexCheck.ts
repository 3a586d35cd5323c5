import { DatabaseSync } from 'node:sqlite';
import type { IndexDatabase } from './indexDatabase.ts';
import { IndexUnusable } from './indexError.ts';
import { rowBytes } from './rowChecksum.ts';
import { SCHEMA } from './schema.ts';

const SCHEMA_SQL = 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name';

/** A table whose rows have no checksum of their own: they are sums over another. */
const SUMS = 'run_counts';
const WRONG_SUM = `
  SELECT * FROM (SELECT status, count FROM ${SUMS} WHERE count <> 0
    EXCEPT SELECT status, count(*) FROM runs GROUP BY status)
  UNION ALL
  SELECT * FROM (SELECT status, count(*) FROM runs GROUP BY status
    EXCEPT SELECT status, count FROM ${SUMS})
  LIMIT 1`;

/**
 * Throws `IndexUnusable` unless every row is the one that was written: for a database that nobody has
 * closed in order, whose file has no checksum. SQLite answers for its trees, its indexes and its log,
 * not for what stands in a row or in the schema.
 */
export function checkIndex(database: IndexDatabase): void {
  const [fault] = database.all('PRAGMA integrity_check(1)');
  if (fault?.['integrity_check'] !== 'ok') throw new IndexUnusable(JSON.stringify(fault));
  const expected = expectedSchema();
  if (JSON.stringify(database.all(SCHEMA_SQL)) !== expected.sql) {
    throw new IndexUnusable('its tables are not those of this version');
  }
  for (const { table, columns } of expected.tables) {
    const sql = `SELECT 1 FROM ${table} WHERE crc IS NOT checksum(${rowBytes(columns)}) LIMIT 1`;
    if (database.all(sql).length > 0) throw new IndexUnusable(`a row of ${table} is damaged`);
  }
  if (database.all(WRONG_SUM).length > 0) throw new IndexUnusable(`${SUMS} is damaged`);
}

interface ExpectedSchema {
  readonly sql: string;
  readonly tables: readonly { readonly table: string; readonly columns: readonly string[] }[];
}

/** As SQLite makes it of `SCHEMA`. */
function expectedSchema(): ExpectedSchema {
  const fresh = new DatabaseSync(':memory:');
  try {
    fresh.exec(SCHEMA);
    const found = fresh.prepare(SCHEMA_SQL).all();
    const tables = found
      .filter(({ type, name }) => type === 'table' && !String(name).startsWith('sqlite_'))
      .map(({ name }) => ({ table: String(name), columns: columnsOf(fresh, String(name)) }));
    return {
      sql: JSON.stringify(found),
      tables: tables.filter(({ table }) => table !== SUMS),
    };
  } finally {
    fresh.close();
  }
}

/** Those that a row's checksum is taken of. */
function columnsOf(database: DatabaseSync, table: string): readonly string[] {
  const columns = database.prepare('SELECT name FROM pragma_table_info(?)').all(table);
  return columns.map(({ name }) => String(name)).filter((name) => !NOT_COVERED.has(name));
}

const NOT_COVERED: ReadonlySet<string> = new Set(['n', 'only', 'crc']);
