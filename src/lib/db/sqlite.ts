import { DatabaseSync } from 'node:sqlite';
import type { DatabaseStats } from '../db.ts';
import { StoreError } from '../errors.ts';
import { isThere, OPEN, realFileSystem } from '../ports/fileSystem.ts';
import type { Connection, Driver } from './connection.ts';
import { Limit } from './limit.ts';
import type { Place } from './location.ts';
import type { DatabaseSettings } from './settings.ts';
import { explained, isForReading } from './sqlite/permission.ts';
import { SqliteConnection } from './sqlite/SqliteConnection.ts';
import { sqliteError } from './sqlite/sqliteError.ts';
import { countConnection } from './sqlite/version.ts';

type SqlitePlace = Place & { readonly dialect: 'sqlite' };

/** The file, or the memory, that a URL names; a file is made when it is missing. */
export async function openSqlite(place: SqlitePlace, settings: DatabaseSettings): Promise<Driver> {
  const { path, location } = place;
  let database: DatabaseSync | undefined;
  if (path !== ':memory:') {
    if (settings.create) await makeForOwner(path);
    else await refuseMissing(path, location);
  }
  let forget: (() => void) | undefined;
  try {
    const own = new DatabaseSync(path, { timeout: 0 });
    database = own;
    // Before any statement: the first one would make what is missing beside the file.
    const isReader = await isForReading(own, location);
    if (path !== ':memory:') forget = countConnection(path, versionOf(own), settings.onWarning);
    const driver = new SqliteDriver(own, location, settings, () => {
      if (own.isOpen) own.close();
      forget?.();
    });
    await configure(driver, settings, isReader);
    return driver;
  } catch (error) {
    const isOpened = database !== undefined;
    if (database?.isOpen === true) database.close();
    forget?.();
    throw sqliteError(isOpened ? explained(error, location) : error);
  }
}

const OWNER_READ_WRITE = 0o600;

/**
 * SQLite would make the file as the umask allows, for everybody to read; its log gets the file's mode.
 * A file that is there keeps its own.
 */
async function makeForOwner(path: string): Promise<void> {
  // Where there is one, or none can be made: SQLite opens it, or says in its own words why not.
  const made = realFileSystem.open(path, OPEN.createNew, OWNER_READ_WRITE).catch(() => undefined);
  await (await made)?.close();
}

/** SQLite makes what it opens. */
async function refuseMissing(path: string, location: string): Promise<void> {
  if (await isThere(path)) return;
  throw new StoreError('NOT_FOUND', `there is no database ${location}`, { id: location });
}

/** Of SQLite's pages in memory; its default is 2,000. */
const CACHE_KIB = 16_384;
/** What changes again and again is copied into the database once in so many pages of the log. */
const CHECKPOINT_PAGES = 4_000;

/** The log and its sync at every commit: nothing that was acknowledged is lost with the power. */
async function configure(
  driver: SqliteDriver,
  settings: DatabaseSettings,
  isReader: boolean,
): Promise<void> {
  if (driver.location === 'sqlite::memory:') return;
  const mode = await driver.setting(isReader ? 'journal_mode' : 'journal_mode = WAL');
  await driver.setting('synchronous = FULL');
  await driver.setting(`cache_size = -${CACHE_KIB}`);
  await driver.setting(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  if (mode !== 'wal' && !isReader) {
    settings.onWarning(
      `${driver.location} cannot keep a write-ahead log: it is in mode ${String(mode)}`,
    );
  }
}

/** A database that its caller has opened keeps its settings; only waiting inside SQLite is put off. */
export async function adoptSqlite(
  database: DatabaseSync,
  settings: DatabaseSettings,
): Promise<Driver> {
  if (!database.isOpen) throw new StoreError('STORE_CLOSED', 'SQLite: the database is not open');
  const file = database.location();
  const location = `sqlite:${file ?? ':memory:'}`;
  const forget =
    file === null ? undefined : countConnection(file, versionOf(database), settings.onWarning);
  const driver = new SqliteDriver(database, location, settings, () => {
    if (database.isOpen) database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    forget?.();
  });
  const busyTimeoutMs = Number(await driver.setting('busy_timeout'));
  await driver.setting('busy_timeout = 0');
  const synchronous = Number(await driver.setting('synchronous'));
  if (file !== null && synchronous < SYNCHRONOUS_FULL) {
    settings.onWarning(`${location} loses its last commits with the power: set synchronous = FULL`);
  }
  return driver;
}

const SYNCHRONOUS_FULL = 2;

function versionOf(database: DatabaseSync): string {
  return String(database.prepare('SELECT sqlite_version() AS version').get()?.['version']);
}

class SqliteDriver implements Driver {
  readonly dialect = 'sqlite';
  readonly location: string;
  readonly lock: string | undefined;
  readonly #database: DatabaseSync;
  readonly #connection: SqliteConnection;
  readonly #close: () => void;
  readonly #settings: DatabaseSettings;
  #isInUse = false;

  constructor(
    database: DatabaseSync,
    location: string,
    settings: DatabaseSettings,
    close: () => void,
  ) {
    this.#database = database;
    this.location = location;
    this.#settings = settings;
    // As SQLite names it: the same by whichever way it was named here. Memory is nobody else's.
    this.lock = database.location() ?? undefined;
    this.#connection = new SqliteConnection(database, settings, this.lock);
    this.#close = close;
  }

  /** Sets or asks for a `PRAGMA`; waits for locks. */
  async setting(pragma: string): Promise<unknown> {
    const limit = new Limit(this.#settings.clock, {});
    const sql = `PRAGMA ${pragma}`;
    const { rows } = await this.#connection.run({ sql, params: [], isReadOnly: true }, limit);
    return Object.values(rows[0] ?? {})[0];
  }

  connect(): Promise<Connection> {
    this.#isInUse = true;
    return Promise.resolve(this.#connection);
  }

  async release(): Promise<void> {
    // A session may have begun a transaction and not ended it.
    if (this.#connection.isInTransaction) await this.#connection.rollback();
    this.#isInUse = false;
  }

  listen(): Promise<never> {
    const message = 'SQLite cannot notify other connections; PostgreSQL can';
    return Promise.reject(new StoreError('UNSUPPORTED', message));
  }

  stats(): Pick<DatabaseStats, 'connections' | 'idle' | 'prepared'> {
    const { hits, misses } = this.#connection.statements;
    const connections = this.#database.isOpen ? 1 : 0;
    return { connections, idle: this.#isInUse ? 0 : connections, prepared: { hits, misses } };
  }

  async close(): Promise<void> {
    this.#connection.statements.clear();
    if (this.#connection.isInTransaction) await this.#connection.rollback();
    this.#close();
  }
}
