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
} from '../../../src/index.ts';
import { MortalFileSystem } from '../../../src/testkit/mortalFileSystem.ts';
import type { SeededRandom } from '../../../src/testkit.ts';
import { SimulatedDisk } from '../../../src/testkit/simulatedDisk.ts';

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

/** Frees what the store of a dead process holds in this one: its lock, its index, its handles. */
async function letGo(store: Store): Promise<void> {
  await store.close().catch((error: unknown) => {
    // That nothing can be written any more is what being dead means.
    if (!(error instanceof Error)) throw error;
  });
}
