import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  connectDatabase,
  type Database,
  type DatabaseOptions,
  type Dialect,
  Migrator,
  type MigratorOptions,
  type Row,
} from '../../src/index.ts';
import { sharedPostgres } from '../services/postgres.ts';

/** An empty database of its own, a folder for migrations, and what is needed to look at both. */
export class MigrateWorld {
  readonly dialect: Dialect;
  readonly url: string;
  readonly folder: string;
  readonly #drop: () => Promise<void>;
  readonly #open: Database[] = [];

  private constructor(dialect: Dialect, url: string, folder: string, drop: () => Promise<void>) {
    this.dialect = dialect;
    this.url = url;
    this.folder = folder;
    this.#drop = drop;
  }

  static async create(dialect: Dialect): Promise<MigrateWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-migrate-'));
    await mkdir(join(folder, 'migrations'));
    if (dialect === 'sqlite') {
      const nothing = (): Promise<void> => Promise.resolve();
      return new MigrateWorld(dialect, `sqlite:${join(folder, 'data.db')}`, folder, nothing);
    }
    const made = await (await sharedPostgres()).createDatabase();
    return new MigrateWorld(dialect, made.url, folder, () => made.drop());
  }

  /** One that is closed at the end. */
  async connect(options: DatabaseOptions = {}): Promise<Database> {
    const db = await connectDatabase(this.url, { onWarning: () => undefined, ...options });
    this.#open.push(db);
    return db;
  }

  get directory(): string {
    return join(this.folder, 'migrations');
  }

  /** Writes files into the folder of migrations. */
  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      const path = join(this.directory, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
  }

  migrator(db: Database, options: MigratorOptions = {}): Migrator {
    return new Migrator(db, { directory: this.directory, ...options });
  }

  async remove(): Promise<void> {
    for (const db of this.#open) await db.close();
    await this.#drop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The names of all tables, sorted; those that the database keeps for itself aside. */
export async function tablesOf(db: Database): Promise<readonly string[]> {
  const { rows } = await db.query<{ readonly name: string }>(
    db.dialect === 'postgres'
      ? `SELECT schemaname || '.' || tablename AS name FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`
      : "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
  );
  return rows.map(({ name }) => name.replace(/^public\./, ''));
}

const CATALOGUE = [
  'pg_class',
  'pg_attribute',
  'pg_attrdef',
  'pg_constraint',
  'pg_index',
  'pg_type',
  'pg_enum',
  'pg_proc',
  'pg_trigger',
  'pg_rewrite',
  'pg_namespace',
  'pg_sequence',
  'pg_policy',
  'pg_extension',
  'pg_depend',
  'pg_db_role_setting',
];

const STATISTICS = '{relpages,reltuples,relallvisible,relfrozenxid,relminmxid,relhasindex}';

/** Every row of the catalogue and of every table; of PostgreSQL's statistics nothing. */
export async function everythingOf(
  db: Database,
): Promise<Readonly<Record<string, readonly Row[]>>> {
  const all: Record<string, readonly Row[]> = {};
  if (db.dialect === 'postgres') {
    for (const table of CATALOGUE) {
      const sql = `SELECT (to_jsonb(t) - '${STATISTICS}'::text[])::text AS row FROM ${table} t ORDER BY 1`;
      all[table] = (await db.query(sql)).rows;
    }
  } else all['schema'] = (await db.query('SELECT * FROM sqlite_schema')).rows;
  for (const table of await tablesOf(db)) {
    all[table] = (await db.query(`SELECT * FROM ${table}`)).rows;
  }
  return all;
}

/** The code, and the whole message, of what is refused. */
export async function refusalOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'nothing was refused';
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    return `${code ?? 'no code'}: ${message}`;
  }
}
