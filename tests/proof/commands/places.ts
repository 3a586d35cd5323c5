import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  type FileStoreTuning,
  type FileSystem,
  type OpenOptions,
  openStore,
  type Store,
  systemClock,
} from '../../../src/index.ts';
import { MortalFileSystem } from '../../../src/testkit/mortalFileSystem.ts';
import type { SeededRandom } from '../../../src/testkit.ts';
import { SimulatedDisk } from '../../../src/testkit/simulatedDisk.ts';
import { TcpProxy } from '../../../src/testkit/tcpProxy.ts';
import { sharedPostgres, type SharedPostgres } from '../../services/postgres.ts';

type TestDatabase = Awaited<ReturnType<SharedPostgres['createDatabase']>>;

export interface StoreOptions extends Pick<OpenOptions, 'clock' | 'random'> {
  readonly tuning: Partial<FileStoreTuning>;
  /** Comes between the store and its disk. */
  readonly disk?: ((fileSystem: FileSystem) => FileSystem) | undefined;
}

/** Where a store lives, and how the process that has it open may end. */
export interface Place {
  open(options: StoreOptions): Promise<Store>;
  /** The process is gone between two operations; what it wrote is there. */
  kill(store: Store): Promise<void>;
  /** The same for the machine; what was not durable may be lost. Where that cannot be had: a kill. */
  cutPower(store: Store): Promise<void>;
  destroy(): Promise<void>;
}

const itself = (fileSystem: FileSystem): FileSystem => fileSystem;

/** On a disk in memory that loses what was not synced. The index is in memory too, built anew. */
export class SimulatedPlace implements Place {
  readonly #disk: SimulatedDisk;

  constructor(random: SeededRandom) {
    this.#disk = new SimulatedDisk({ random, turnsMax: 2 });
  }

  open({ tuning, disk = itself, ...world }: StoreOptions): Promise<Store> {
    return openStore('memory:', { fileSystem: disk(this.#disk.fileSystem), ...world, ...tuning });
  }

  async kill(store: Store): Promise<void> {
    this.#disk.kill();
    await letGo(store);
  }

  async cutPower(store: Store): Promise<void> {
    await this.#disk.cutPower();
    await letGo(store);
  }

  destroy(): Promise<void> {
    return Promise.resolve();
  }
}

/** In a folder of this machine, with its lock and its index; each process finds a copy of the last. */
export class FolderPlace implements Place {
  readonly #base: string;
  #disk = new MortalFileSystem();
  #lives = 1;

  private constructor(base: string) {
    this.#base = base;
  }

  static async make(): Promise<FolderPlace> {
    return new FolderPlace(await mkdtemp(join(tmpdir(), 'holdfast-commands-')));
  }

  get #folder(): string {
    return join(this.#base, String(this.#lives));
  }

  open({ tuning, disk = itself, ...world }: StoreOptions): Promise<Store> {
    const options = { fileSystem: disk(this.#disk), lockWaitMs: 0, ...world, ...tuning };
    return openStore(`file:${this.#folder}`, options);
  }

  async kill(store: Store): Promise<void> {
    await this.#disk.die();
    const before = this.#folder;
    this.#lives++;
    // IMPORTANT: never the lock's file: to close it would drop the lock.
    const filter = (path: string) => !['lock.db', 'owner.json'].includes(basename(path));
    cpSync(before, this.#folder, { recursive: true, filter });
    this.#disk = new MortalFileSystem();
    await letGo(store);
    await rm(before, { recursive: true });
  }

  cutPower(store: Store): Promise<void> {
    return this.kill(store);
  }

  async destroy(): Promise<void> {
    await rm(this.#base, { recursive: true, force: true });
  }
}

/** What a store in a database is opened with: its clock stands still, the database's does not. */
const databaseOptions = ({ tuning, disk: _disk, ...world }: StoreOptions): OpenOptions => ({
  ...tuning,
  ...world,
  migrate: 'auto',
  database: { clock: systemClock },
});

/** In a file of SQLite; each process finds a copy of what the last has left. */
export class SqlitePlace implements Place {
  readonly #base: string;
  #lives = 1;

  private constructor(base: string) {
    this.#base = base;
  }

  static async make(): Promise<SqlitePlace> {
    return new SqlitePlace(await mkdtemp(join(tmpdir(), 'holdfast-commands-')));
  }

  get #file(): string {
    return join(this.#base, `${this.#lives}.db`);
  }

  open(options: StoreOptions): Promise<Store> {
    return openStore(`sqlite:${this.#file}`, databaseOptions(options));
  }

  async kill(store: Store): Promise<void> {
    const before = this.#file;
    this.#lives++;
    for (const part of ['', '-wal']) cpSync(`${before}${part}`, `${this.#file}${part}`);
    await letGo(store);
  }

  cutPower(store: Store): Promise<void> {
    return this.kill(store);
  }

  async destroy(): Promise<void> {
    await rm(this.#base, { recursive: true, force: true });
  }
}

/** In a database of PostgreSQL; a process that is gone has its connections reset. */
export class PostgresPlace implements Place {
  readonly #database: TestDatabase;
  readonly #proxy: TcpProxy;

  private constructor(database: TestDatabase, proxy: TcpProxy) {
    this.#database = database;
    this.#proxy = proxy;
  }

  static async make(): Promise<PostgresPlace> {
    const database = await (await sharedPostgres()).createDatabase();
    const { hostname: host, port } = new URL(database.url);
    const proxy = await TcpProxy.start({ target: { host, port: Number(port) } });
    return new PostgresPlace(database, proxy);
  }

  open(options: StoreOptions): Promise<Store> {
    return openStore(this.#proxy.url(this.#database.url), databaseOptions(options));
  }

  async kill(store: Store): Promise<void> {
    await this.#proxy.set('reset');
    await letGo(store);
    await this.#proxy.set('pass');
  }

  cutPower(store: Store): Promise<void> {
    return this.kill(store);
  }

  async destroy(): Promise<void> {
    await this.#proxy.close();
    await this.#database.drop();
  }
}

/** Frees what the store of a dead process holds in this one: its lock, its index, its handles. */
async function letGo(store: Store): Promise<void> {
  await store.close().catch((error: unknown) => {
    // That nothing can be written any more is what being dead means.
    if (!(error instanceof Error)) throw error;
  });
}
