import type { RunIndex } from './index/RunIndex.ts';
import { FILE_STORE_DEFAULTS } from '../limits.ts';
import { StoreError } from '../errors.ts';
import { checkObject, invalid } from '../model/check.ts';
import type { Run } from '../model/entities.ts';
import { toRun } from '../model/represent.ts';
import { systemClock } from '../ports/clock.ts';
import type { FileSystem } from '../ports/fileSystem.ts';
import { systemRandom } from '../ports/random.ts';
import type {
  Commit,
  Page,
  RecoveryReport,
  RepairReport,
  RunFilter,
  Store,
  StoreStats,
  StoreStatus,
  Transaction,
  VerifyOptions,
  VerifyReport,
  WatchOptions,
} from './contract.ts';
import { ArtifactManagementService } from './FileSystemStore/ArtifactManagementService.ts';
import { type Blobs, ReplayedBlobs } from './commands/blobs.ts';
import { toCursor } from './commands/cursor.ts';
import { transactionOver } from './commands/staging.ts';
import { EventManagementService } from './FileSystemStore/EventManagementService.ts';
import { acquireStoreLock, noLock } from './FileSystemStore/lock.ts';
import { repairRooms } from './FileSystemStore/repair.ts';
import { type Environment, openRooms, type Rooms } from './FileSystemStore/rooms.ts';
import { RunManagementService } from './FileSystemStore/RunManagementService.ts';
import { StepManagementService } from './FileSystemStore/StepManagementService.ts';
import { runTransaction } from './FileSystemStore/transaction.ts';
import { verifyStore } from './FileSystemStore/verify.ts';
import { watchCommits } from './FileSystemStore/watch.ts';
import type { RunWriter } from './commands/writer.ts';
import { type FileStoreTuning, OPEN_OPTIONS, type OpenOptions } from './options.ts';

export interface StorePlace {
  readonly root: string;
  /** What is shown as its place. */
  readonly location: string;
  /** Nobody else can reach the file system: no lock, and the index in memory. */
  readonly isPrivate: boolean;
  /** Unless the options name another. */
  readonly fileSystem: FileSystem;
}

const VERIFY_OPTIONS: ReadonlySet<string> = new Set<keyof VerifyOptions>(['signal', 'onProgress']);

/**
 * Runs, steps, events and artifacts in a folder, on one journal.
 *
 *     opening (lock → recover → replay) ──► open ──► poisoned ──► closed
 *                                             └────────────────────┘
 */
export class FileSystemStore implements Store {
  readonly runs: RunManagementService;
  readonly steps: StepManagementService;
  readonly events: EventManagementService;
  readonly artifacts: ArtifactManagementService;
  readonly #rooms: Rooms;
  readonly #location: string;
  #closing: Promise<void> | undefined;

  private constructor(rooms: Rooms, location: string) {
    this.#rooms = rooms;
    this.#location = location;
    const services = this.#servicesOver(rooms.committer, rooms.blobs);
    this.runs = services.runs;
    this.steps = services.steps;
    this.events = services.events;
    this.artifacts = services.artifacts;
  }

  /**
   * Opens the store at `place`, or makes it. When it resolves, the journal was recovered, this process
   * owns the store, and everything that was ever acknowledged is served.
   */
  static async open(place: StorePlace, options: OpenOptions): Promise<FileSystemStore> {
    const rooms = await openRooms(place.root, environmentOf(place, options));
    return new FileSystemStore(rooms, place.location);
  }

  /**
   * Mends the journal of a store that does not open for it. Nobody may have it open. `NOT_FOUND`,
   * and nothing made, where there is no store.
   */
  static async repair(place: StorePlace, options: OpenOptions): Promise<RepairReport> {
    return repairRooms(place.root, { ...environmentOf(place, options), create: false });
  }

  get status(): StoreStatus {
    if (this.#closing !== undefined) return 'closed';
    return this.#rooms.journal.poison === undefined ? 'open' : 'poisoned';
  }

  get pins() {
    return this.#rooms.pins;
  }

  position(): string {
    this.#rooms.committer.refuseClosed();
    return toCursor(this.#rooms.identity, this.#rooms.journal.durable);
  }

  async transaction<T>(
    runIds: string | readonly string[],
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> {
    if (typeof work !== 'function') throw invalid('work', 'must be a function');
    const blobs = new ReplayedBlobs(this.#rooms.blobs);
    return runTransaction(this.#rooms.committer, runIds, (writer) =>
      work(transactionOver(this.#servicesOver(writer, blobs))),
    );
  }

  enlist(): never {
    const message = 'a store in a folder has no transactions of a database to go along with';
    throw new StoreError('UNSUPPORTED', `${message}: use sqlite: or postgres:`);
  }

  watch(options: WatchOptions = {}): AsyncIterable<Commit> {
    return watchCommits(this.#rooms, options);
  }

  async stats(): Promise<StoreStats> {
    const { committer, flusher, index, journal, runs, identity, report } = this.#rooms;
    committer.refuseClosed();
    await flusher.flush();
    return {
      location: this.#location,
      storeId: identity.storeId,
      position: this.position(),
      runs: index.counts(),
      journal: { segments: journal.segmentCount, bytes: journal.bytes },
      memory: runs.stats,
      writes: { ...journal.stats },
      recovery: report satisfies RecoveryReport,
    };
  }

  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    checkObject(options, 'options', VERIFY_OPTIONS);
    const { onProgress } = options;
    if (onProgress !== undefined && typeof onProgress !== 'function') {
      throw invalid('options.onProgress', 'must be a function');
    }
    this.#rooms.committer.refuseClosed();
    return verifyStore(this.#rooms, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#rooms.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #servicesOver(writer: RunWriter, blobs: Blobs) {
    const { eventReader, clock } = this.#rooms;
    return {
      runs: new RunManagementService(writer, (filter) => this.#listRuns(filter)),
      steps: new StepManagementService(writer, clock),
      events: new EventManagementService(writer, eventReader),
      artifacts: new ArtifactManagementService(writer, blobs, {
        query: async (filter, after) => (await this.#flushed()).queryArtifacts(filter, after),
        expired: async function* (this: FileSystemStore) {
          yield* (await this.#flushed()).expiredArtifacts(clock.now());
        }.bind(this),
        children: async (version) => (await this.#flushed()).childrenOf(version),
      }),
    };
  }

  /** The index, with all that is durable. */
  async #flushed(): Promise<RunIndex> {
    const { committer, flusher, index } = this.#rooms;
    committer.refuseClosed();
    await flusher.flush();
    return index;
  }

  async #listRuns(filter: RunFilter): Promise<Page<Run>> {
    const { items, next } = (await this.#flushed()).list(filter);
    return { items: items.map(toRun), next };
  }
}

function environmentOf(place: StorePlace, options: OpenOptions): Environment {
  checkObject(options, 'options', OPEN_OPTIONS);
  return {
    lockStore: place.isPrivate ? noLock : acquireStoreLock,
    tuning: tuningOf(options),
    fs: options.fileSystem ?? place.fileSystem,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    readOnly: options.readOnly ?? false,
    create: (options.create ?? true) && options.readOnly !== true,
    isPrivate: place.isPrivate,
    signal: options.signal,
  };
}

function tuningOf(options: OpenOptions): FileStoreTuning {
  const tuning: Record<string, number> = { ...FILE_STORE_DEFAULTS };
  for (const name of Object.keys(FILE_STORE_DEFAULTS) as (keyof FileStoreTuning)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new StoreError('INVALID_ARGUMENT', `options.${name} must be a whole number, 0 or more`);
    }
    tuning[name] = value;
  }
  return tuning as unknown as FileStoreTuning;
}
