import {
  connectDatabase,
  CONNECTIONS_MAX,
  type Database,
  type DatabaseOptions,
  isHeldByCaller,
  type Queryable,
} from '../db.ts';
import { StoreError } from '../errors.ts';
import { FILE_STORE_DEFAULTS } from '../limits.ts';
import { PARTITION_COMMITS } from '../migrations.ts';
import { checkObject, invalid } from '../model/check.ts';
import { RUN_STATUSES, type Run, type RunStatus } from '../model/entities.ts';
import { uuidv7 } from '../model/ids.ts';
import { toRun } from '../model/represent.ts';
import { runFromJson } from '../model/text.ts';
import { type Clock, systemClock } from '../ports/clock.ts';
import type { FileSystem } from '../ports/fileSystem.ts';
import { type Random, systemRandom } from '../ports/random.ts';
import { type Blobs, ReplayedBlobs } from './commands/blobs.ts';
import { type Identity, toCursor } from './commands/cursor.ts';
import { transactionOver } from './commands/staging.ts';
import type { RunWriter } from './commands/writer.ts';
import type {
  Commit,
  Page,
  RunFilter,
  Store,
  StoreStats,
  StoreStatus,
  Transaction,
  VerifyOptions,
  VerifyReport,
  WatchOptions,
} from './contract.ts';
import { blobsFor } from './DatabaseStore/blobFolder.ts';
import { BlobTable } from './DatabaseStore/blobs.ts';
import { type Ask, DatabaseCatalog } from './DatabaseStore/catalog.ts';
import { DatabaseCommitter } from './DatabaseStore/committer.ts';
import { Enlisted } from './DatabaseStore/enlisted.ts';
import { EventTable, TailedEvents } from './DatabaseStore/events.ts';
import { LogHead } from './DatabaseStore/head.ts';
import type { CommitLog } from './DatabaseStore/log.ts';
import { LogReader } from './DatabaseStore/logReader.ts';
import { type LogSpace, PartitionSpace, TableSpace } from './DatabaseStore/logSpace.ts';
import { Outages } from './DatabaseStore/outages.ts';
import { PinTable } from './DatabaseStore/pins.ts';
import { PostgresLog } from './DatabaseStore/postgresLog.ts';
import { RunCache } from './DatabaseStore/runCache.ts';
import { ReadLine } from './DatabaseStore/readLine.ts';
import { parseRow, RUNS } from './DatabaseStore/rows.ts';
import { RunReader } from './DatabaseStore/runReader.ts';
import { mayMake, prepareSchema } from './DatabaseStore/schema.ts';
import { SqliteLog } from './DatabaseStore/sqliteLog.ts';
import { runTransaction } from './DatabaseStore/transaction.ts';
import { Trimmer } from './DatabaseStore/trimmer.ts';
import { verifyDatabase } from './DatabaseStore/verify.ts';
import { watchCommits } from './DatabaseStore/watch.ts';
import { ArtifactManagementService } from './FileSystemStore/ArtifactManagementService.ts';
import { RunManagementService } from './FileSystemStore/RunManagementService.ts';
import { StepManagementService } from './FileSystemStore/StepManagementService.ts';
import { listRuns, runCursorAfter } from './index/listRuns.ts';
import { OPEN_OPTIONS, type OpenOptions } from './options.ts';

const VERIFY_OPTIONS: ReadonlySet<string> = new Set<keyof VerifyOptions>(['signal', 'onProgress']);
const TABLES = { runs: 'holdfast_runs', tags: 'holdfast_run_tags' };

interface Rooms {
  readonly db: Database;
  readonly identity: Identity;
  readonly head: LogHead;
  readonly readLine: ReadLine;
  readonly reader: RunReader;
  readonly cache: RunCache;
  readonly log: CommitLog;
  readonly logReader: LogReader;
  readonly space: LogSpace;
  readonly committer: DatabaseCommitter;
  readonly events: EventTable;
  readonly outages: Outages;
  readonly blobs: Blobs;
  readonly trimmer: Trimmer;
  readonly clock: Clock;
}

interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly batchBytesMax: number;
  readonly queueBytesMax: number;
  readonly cacheBytesMax: number;
  readonly journalBytesKeep: number;
  readonly readOnly?: boolean | undefined;
  readonly database?: DatabaseOptions | undefined;
  readonly blobs?: string | undefined;
  readonly fileSystem?: FileSystem | undefined;
}

/** Runs, steps, events and artifacts in a database, which any number of processes may share. */
export class DatabaseStore implements Store {
  readonly runs: RunManagementService;
  readonly steps: StepManagementService;
  readonly events: TailedEvents;
  readonly artifacts: ArtifactManagementService;
  readonly pins: PinTable;
  readonly #rooms: Rooms;
  /** One for each transaction, however often it is asked for. */
  readonly #enlisted = new WeakMap<Queryable, Enlisted>();
  #closing: Promise<void> | undefined;

  private constructor(rooms: Rooms) {
    this.#rooms = rooms;
    const services = this.#servicesOver(rooms.committer, rooms.blobs);
    this.runs = services.runs;
    this.steps = services.steps;
    this.events = services.events;
    this.artifacts = services.artifacts;
    this.pins = new PinTable({ ...rooms, db: rooms.readLine });
  }

  /** Opens the store in the database at `url`, or makes it. */
  static async open(url: string, options: OpenOptions = {}): Promise<DatabaseStore> {
    checkObject(options, 'options', OPEN_OPTIONS);
    const { clock = systemClock, random = systemRandom } = options;
    const db = await connectDatabase(url, {
      clock,
      random,
      create: mayMake(options),
      // Its callers wait their turn, as they do for a directory, however many they are.
      waitingMax: WAITING_MAX,
      ...options.database,
    });
    try {
      await prepareSchema(db, options);
      return await DatabaseStore.#over(db, { ...FILE_STORE_DEFAULTS, ...options, clock, random });
    } catch (error) {
      await db.close();
      throw error;
    }
  }

  static async #over(db: Database, world: World): Promise<DatabaseStore> {
    const { clock, random, cacheBytesMax, journalBytesKeep: bytesKeep, readOnly = false } = world;
    const identity = await openIdentity(db, world);
    const readLine = new ReadLine(db, readsMax(db, world));
    const head = new LogHead(db, clock, readLine);
    await head.look();
    const reader = new RunReader(db, readLine);
    const direct = new RunReader(db);
    const cache = new RunCache(cacheBytesMax);
    const isPostgres = db.dialect === 'postgres';
    const log = isPostgres ? new PostgresLog(db) : new SqliteLog(db);
    const space = isPostgres ? new PartitionSpace(db, PARTITION_COMMITS) : new TableSpace(db);
    const blobTable = new BlobTable(db, () => Math.max(clock.now(), head.atMs), readLine);
    const blobs = blobsFor(blobTable, world);
    if (!readOnly) await blobTable.collect();
    const onFailure = (error: unknown) => warn(world, `the log was not trimmed: ${String(error)}`);
    const trimmer = new Trimmer({ db, space, bytesKeep, blobs: blobTable, onFailure });
    const onCommitted = (before: number, commits: number) => trimmer.committed(before, commits);
    const refusal = () => (readOnly ? READ_ONLY : undefined);
    const isHeld = () => isHeldByCaller(db);
    const batchBytesMax = Math.min(world.batchBytesMax, world.queueBytesMax);
    const readers = { reader, direct };
    const parts = { batchBytesMax, log, cache, clock, random, head, onCommitted, refusal, isHeld };
    const committer = new DatabaseCommitter({ ...parts, ...readers });
    const events = new EventTable(reader, committer, head);
    return new DatabaseStore({
      db,
      identity,
      head,
      readLine,
      reader,
      cache,
      log,
      logReader: new LogReader(readLine),
      space,
      committer,
      events,
      outages: new Outages({ dialect: db.dialect, clock, random }),
      blobs,
      trimmer,
      clock,
    });
  }

  get status(): StoreStatus {
    return this.#closing === undefined ? 'open' : 'closed';
  }

  position(): string {
    const { committer, identity, head } = this.#rooms;
    committer.refuseClosed();
    return toCursor(identity, head.position);
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

  enlist(tx: Queryable): Transaction {
    const { committer, db, blobs } = this.#rooms;
    committer.refuseUnwritable();
    let enlisted = this.#enlisted.get(tx);
    if (enlisted === undefined) {
      const reader = new RunReader(db, tx);
      enlisted = new Enlisted({ ...this.#rooms, tx, reader, dialect: db.dialect });
      this.#enlisted.set(tx, enlisted);
    }
    return transactionOver(this.#servicesOver(enlisted, blobs));
  }

  watch(options: WatchOptions = {}): AsyncIterable<Commit> {
    return watchCommits(this.#rooms, options);
  }

  async stats(): Promise<StoreStats> {
    const { db, readLine, space, committer, cache, identity, head } = this.#rooms;
    committer.refuseClosed();
    await head.look();
    const counted = await readLine.query<{ status: RunStatus; count: number }>(
      'SELECT status, count(*) AS count FROM holdfast_runs GROUP BY status',
    );
    const counts = new Map(counted.rows.map(({ status, count }) => [status, count]));
    const runs = Object.fromEntries(RUN_STATUSES.map((it) => [it, counts.get(it) ?? 0]));
    const { commits, batches, bytes } = committer;
    return {
      location: db.location,
      storeId: identity.storeId,
      position: this.position(),
      runs: runs as Record<RunStatus, number>,
      journal: { segments: 1, bytes: await space.bytes(readLine) },
      memory: cache.stats,
      writes: { commits, batches, bytes },
      recovery: NOTHING_TO_RECOVER,
    };
  }

  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    checkObject(options, 'options', VERIFY_OPTIONS);
    const { onProgress } = options;
    if (onProgress !== undefined && typeof onProgress !== 'function') {
      throw invalid('options.onProgress', 'must be a function');
    }
    this.#rooms.committer.refuseClosed();
    return verifyDatabase({ ...this.#rooms, db: this.#rooms.readLine }, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { readLine, outages, committer, head, trimmer, db } = this.#rooms;
    readLine.close();
    outages.close();
    await committer.close();
    await trimmer.close();
    await head.close();
    await db.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #servicesOver(writer: RunWriter, blobs: Blobs) {
    const { events, outages, clock, committer, db, readLine } = this.#rooms;
    const ask: Ask = async ({ sql, params }) => {
      committer.refuseClosed();
      return (await readLine.query(sql, params)).rows;
    };
    const catalog = new DatabaseCatalog(db.dialect, ask, () => clock.now());
    return {
      runs: new RunManagementService(writer, (filter) => this.#listRuns(filter)),
      steps: new StepManagementService(writer, clock),
      events: new TailedEvents(writer, events, outages),
      artifacts: new ArtifactManagementService(writer, blobs, catalog),
    };
  }

  async #listRuns(filter: RunFilter): Promise<Page<Run>> {
    const { committer, db, readLine } = this.#rooms;
    committer.refuseClosed();
    const { sql, params, limit } = listRuns(filter, { ...TABLES, dialect: db.dialect });
    const { rows } = await readLine.query<{ id: string; data: string }>(sql, params);
    const items = rows
      .slice(0, limit)
      .map(({ id, data }) => toRun(runFromJson(parseRow(data, id, RUNS))));
    return { items, next: runCursorAfter(rows, limit) };
  }
}

function warn({ database }: World, message: string): void {
  const { onWarning = (text: string) => process.emitWarning(text) } = database ?? {};
  onWarning(message);
}

const WAITING_MAX = 2 ** 31 - 1;

/** All connections but one, which is for commits; SQLite has one for all. */
function readsMax({ dialect }: Database, { database }: World): number {
  const connectionsMax = database?.connectionsMax ?? CONNECTIONS_MAX;
  return dialect === 'sqlite' ? 1 : Math.max(1, connectionsMax - 1);
}

const READ_ONLY = new StoreError('STORE_READ_ONLY', 'the store was opened read-only');

/** A database recovers by itself. */
const NOTHING_TO_RECOVER = {
  durationMs: 0,
  clean: true,
  commitsReplayed: 0,
  commitsCopied: 0,
  bytesLeftBehind: 0,
  indexRebuilt: false,
  temporariesRemoved: 0,
};

/** Whoever is first makes it; everybody else finds it. */
async function openIdentity(db: Database, { clock, random, readOnly }: World): Promise<Identity> {
  const sql = 'SELECT store_id, timeline FROM holdfast_store';
  const find = async () => (await db.query<{ store_id: string; timeline: number }>(sql)).rows.at(0);
  let row = await find();
  if (row === undefined && readOnly !== true) {
    const now = clock.now();
    await db.query(
      'INSERT INTO holdfast_store (only_row, store_id, timeline, created_ms)' +
        ' VALUES (1, $1, 1, $2) ON CONFLICT (only_row) DO NOTHING',
      [uuidv7(now, random.bytes(16)), now],
    );
    row = await find();
  }
  if (row === undefined) throw new StoreError('DATA_CORRUPT', 'holdfast_store has no row');
  return { storeId: row.store_id, timeline: row.timeline };
}
