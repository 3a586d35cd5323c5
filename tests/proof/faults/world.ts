import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  createMemoryFileSystem,
  type FileSystem,
  openStore,
  type OpenOptions,
  type RepairReport,
  repairStore,
  type Store,
} from '../../../src/index.ts';
import { FileSystemStore } from '../../../src/lib/store/FileSystemStore.ts';
import { FaultyDisk } from '../../../src/testkit/faultyDisk.ts';
import { ManualClock } from '../../../src/testkit/manualClock.ts';
import { SeededRandom } from '../../../src/testkit/seededRandom.ts';
import { type DiskImage, putImage, takeImage } from '../../../src/testkit/simulatedDisk.ts';
import { makeMemoryFolder } from '../../fixtures/memoryFolder.ts';
import { putFolder, takeFolder, unsyncedFileSystem } from './folderImage.ts';

/** Small, so that every few commits need another segment and old ones can go. */
const TUNING = {
  segmentBytesMin: 2048,
  segmentBytesMax: 4096,
  journalBytesKeep: 4096,
  quietMs: 5,
  lockWaitMs: 0,
};

/** What stands between the store and its disk, or its callers, and breaks a rule. */
export interface Mutant {
  readonly port?: (disk: FileSystem) => FileSystem;
  readonly store?: (store: Store) => Store;
}

export type PlaceName = 'memory' | 'folder';

interface Parts {
  readonly image: DiskImage;
  readonly seed: number;
  readonly mutant: Mutant;
}

/** A disk with what is on it, and whoever opens the store there. */
export abstract class World {
  readonly clock = new ManualClock();
  readonly disk: FaultyDisk;
  readonly random: SeededRandom;
  readonly #mutant: Mutant;

  protected constructor(disk: FileSystem, { seed, mutant }: Parts) {
    this.disk = new FaultyDisk(disk);
    this.random = new SeededRandom(seed);
    this.#mutant = mutant;
  }

  /** A world of its own that starts with `image`. */
  static async make(place: PlaceName, parts: Parts): Promise<World> {
    return place === 'memory' ? MemoryWorld.from(parts) : FolderWorld.from(parts);
  }

  async open(options: OpenOptions = {}): Promise<Store> {
    const store = await this.openWith({ ...this.#options(), ...options });
    return this.#mutant.store?.(store) ?? store;
  }

  repair(): Promise<RepairReport> {
    return this.repairWith(this.#options());
  }

  /** What a kill at this moment leaves: the disk as processes see it. */
  abstract image(): Promise<DiskImage>;
  abstract remove(): void;
  protected abstract openWith(options: OpenOptions): Promise<Store>;
  protected abstract repairWith(options: OpenOptions): Promise<RepairReport>;

  #options(): OpenOptions {
    const { disk, clock, random } = this;
    return { ...TUNING, fileSystem: this.#mutant.port?.(disk) ?? disk, clock, random };
  }

  /** Lets everything go on until nothing is left to do. */
  async settled(): Promise<void> {
    for (let rounds = 0, seen = -1; rounds < 3; rounds++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.disk.isIdle || this.disk.calls.length !== seen) rounds = 0;
      seen = this.disk.calls.length;
    }
  }
}

class MemoryWorld extends World {
  readonly #inner: FileSystem;

  private constructor(inner: FileSystem, parts: Parts) {
    super(inner, parts);
    this.#inner = inner;
  }

  static async from(parts: Parts): Promise<World> {
    const inner = createMemoryFileSystem();
    await putImage(inner, parts.image);
    return new MemoryWorld(inner, parts);
  }

  image(): Promise<DiskImage> {
    return takeImage(this.#inner);
  }

  remove(): void {
    // Nothing is left of it once nobody holds it.
  }

  protected openWith(options: OpenOptions): Promise<Store> {
    return openStore('memory:', options);
  }

  /** As `repairStore`, which takes folders only. */
  protected repairWith(options: OpenOptions): Promise<RepairReport> {
    const fileSystem = this.#inner;
    const place = { root: '/holdfast', location: 'memory:', isPrivate: true, fileSystem };
    return FileSystemStore.repair(place, options);
  }
}

class FolderWorld extends World {
  readonly #folder: string;

  private constructor(folder: string, parts: Parts) {
    super(unsyncedFileSystem, parts);
    this.#folder = folder;
  }

  static from(parts: Parts): World {
    const folder = makeMemoryFolder('holdfast-faults-');
    mkdirSync(join(folder, 'data'), { mode: 0o700 });
    putFolder(join(folder, 'data'), parts.image);
    return new FolderWorld(folder, parts);
  }

  image(): Promise<DiskImage> {
    return Promise.resolve(takeFolder(join(this.#folder, 'data')));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #url(): string {
    return `file:${join(this.#folder, 'data')}`;
  }

  protected openWith(options: OpenOptions): Promise<Store> {
    return openStore(this.#url, options);
  }

  protected repairWith(options: OpenOptions): Promise<RepairReport> {
    return repairStore(this.#url, options);
  }
}
