import type { Dialect, Queryable, Row } from '../db.ts';
import type { SchemaRecord } from './schemaRecord.ts';

/**
 * `done`; `begun` and `undoing` while a migration without a transaction is under way, and after a
 * crash; `stopped` when a repair has looked at one that had begun, and it may go on.
 */
type RowState = 'done' | 'begun' | 'stopped' | 'undoing';

/** One row of the version table. */
export interface AppliedRow {
  readonly name: string;
  /** 1, 2, 3… in the order in which they were applied. */
  readonly position: number;
  readonly checksum: string;
  readonly state: RowState;
  /** When it began; ISO, UTC. */
  readonly appliedAt: string;
  readonly durationMs: number;
  /** Rows that its statements inserted, updated and deleted. */
  readonly rows: number;
  /** Of a migration without a transaction: digests of the statements that have ended. */
  readonly progress: readonly string[];
  /** What it changed in the schema. */
  readonly schema: SchemaRecord;
}

const COLUMNS =
  'name, position, checksum, state, applied_at, duration_ms, affected_rows, progress, schema_changes';

const UPDATES = COLUMNS.split(', ')
  .map((column) => `${column} = excluded.${column}`)
  .join(', ');

/** Where a database remembers what was applied to it. Every method takes the connection to use. */
export class VersionTable {
  /** As it stands in a statement. */
  readonly #name: string;
  readonly #dialect: Dialect;
  readonly #table: string;

  /** `schema` is where PostgreSQL has it; a migration may change the search path. */
  constructor(dialect: Dialect, table: string, schema: string | null) {
    this.#dialect = dialect;
    this.#table = table;
    this.#name = schema === null ? quote(table) : `${quote(schema)}.${quote(table)}`;
  }

  async exists(connection: Queryable): Promise<boolean> {
    const { rows } =
      this.#dialect === 'postgres'
        ? await connection.query('SELECT 1 AS found WHERE to_regclass($1::text) IS NOT NULL', [
            this.#name,
          ])
        : await connection.query(
            "SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = $1",
            [this.#table],
          );
    return rows.length > 0;
  }

  async create(connection: Queryable): Promise<void> {
    if (await this.exists(connection)) return;
    await connection.query(`CREATE TABLE ${this.#name} (
      name text PRIMARY KEY,
      position integer NOT NULL UNIQUE,
      checksum text NOT NULL,
      state text NOT NULL CHECK (state IN ('done', 'begun', 'stopped', 'undoing')),
      applied_at text NOT NULL,
      duration_ms bigint NOT NULL,
      affected_rows bigint NOT NULL,
      progress text NOT NULL,
      schema_changes text NOT NULL
    )`);
  }

  /** In the order of application; empty where there is no table. */
  async read(connection: Queryable): Promise<readonly AppliedRow[]> {
    if (!(await this.exists(connection))) return [];
    const sql = `SELECT ${COLUMNS} FROM ${this.#name} ORDER BY position`;
    return (await connection.query(sql)).rows.map(fromRow);
  }

  /** The row becomes this one, whether it was there or not. */
  async write(connection: Queryable, row: AppliedRow): Promise<void> {
    await connection.query(
      `INSERT INTO ${this.#name} (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       ON CONFLICT (name) DO UPDATE SET ${UPDATES}`,
      [
        row.name,
        row.position,
        row.checksum,
        row.state,
        row.appliedAt,
        row.durationMs,
        row.rows,
        JSON.stringify(row.progress),
        JSON.stringify(row.schema),
      ],
    );
  }

  async remove(connection: Queryable, name: string): Promise<void> {
    await connection.query(`DELETE FROM ${this.#name} WHERE name = $1`, [name]);
  }
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function fromRow(row: Row): AppliedRow {
  return {
    name: String(row['name']),
    position: Number(row['position']),
    checksum: String(row['checksum']),
    state: String(row['state']) as RowState,
    appliedAt: String(row['applied_at']),
    durationMs: Number(row['duration_ms']),
    rows: Number(row['affected_rows']),
    progress: JSON.parse(String(row['progress'])) as readonly string[],
    schema: JSON.parse(String(row['schema_changes'])) as SchemaRecord,
  };
}
