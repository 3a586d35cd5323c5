import { StoreError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FileSystem } from '../../ports/fileSystem.ts';
import type { Random } from '../../ports/random.ts';
import type { RecoveryReport } from '../contract.ts';
import type { RunIndex } from '../index/RunIndex.ts';
import type { FileStoreTuning } from '../options.ts';
import { BlobFolder } from './blobs.ts';
import { Checkpointer } from './checkpointer.ts';
import { closeRooms, forgetClosedMark, READ_ONLY } from './closing.ts';
import { Committer } from './committer.ts';
import type { Identity } from '../commands/cursor.ts';
import type { Damaged } from './damaged.ts';
import { EventReader } from './eventReader.ts';
import { FileOperationService } from './FileOperationService.ts';
import { IndexFlusher } from './indexFlusher.ts';
import { Journal, type RecoveredJournal, recoverJournal } from './journal.ts';
import { Layout } from './layout.ts';
import { LiveRuns } from './liveRuns.ts';
import { type LockStore, noFileLock, type StoreLock } from './lock.ts';
import { type OpenedIndex, openIndex } from './openIndex.ts';
import { PinFile } from './pins.ts';
import { replay } from './replay.ts';
import { RunFiles } from './runFiles.ts';
import { openIdentity } from './storeIdentity.ts';

export interface Environment {
  readonly lockStore: LockStore;
  readonly tuning: FileStoreTuning;
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly readOnly: boolean;
  /** Whether a store that is not there is made. */
  readonly create: boolean;
  readonly isPrivate: boolean;
  readonly signal: AbortSignal | undefined;
}

/** The parts of an open store. */
export interface Rooms {
  readonly identity: Identity;
  readonly layout: Layout;
  readonly files: FileOperationService;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly runs: LiveRuns;
  readonly runFiles: RunFiles;
  readonly index: RunIndex;
  readonly flusher: IndexFlusher;
  readonly committer: Committer;
  readonly checkpointer: Checkpointer;
  readonly eventReader: EventReader;
  readonly blobs: BlobFolder;
  readonly pins: PinFile;
  readonly report: RecoveryReport;
  /** What a read-only store found and stopped at. */
  readonly damage: Damaged | undefined;
  readonly close: () => Promise<void>;
}

/** Takes the lock, recovers, and wires the parts. A failure lets go of everything. */
export async function openRooms(root: string, environment: Environment): Promise<Rooms> {
  const { fs, clock, random, isPrivate, lockStore, signal, tuning } = environment;
  const lockFile = isPrivate ? noFileLock : undefined;
  const files = new FileOperationService(fs, { clock, random, lockFile });
  const layout = new Layout(root);
  if (environment.create) await files.ensureFolder(root);
  else await requireStore(files, layout);
  const { lockWaitMs: waitMs } = tuning;
  const lock = await lockStore({ folder: root, files, clock, waitMs, signal });
  try {
    return await recoverRooms(layout, files, lock, environment);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function recoverRooms(
  layout: Layout,
  files: FileOperationService,
  lock: StoreLock,
  environment: Environment,
): Promise<Rooms> {
  const began = environment.clock.now();
  const { clock, random, readOnly, create, isPrivate } = environment;
  const identity = await openIdentity({ files, layout, clock, random, create });
  if (!readOnly) await makeFolders(files, layout);
  const recovered = await recoverJournal(files, layout, identity, { lenient: readOnly });
  const runFiles = new RunFiles(files, layout.runs);
  const inMemory = isPrivate || readOnly;
  const found = { files, layout, identity, runFiles, recovered };
  const opened = await openIndex({ ...found, inMemory, lenient: readOnly });
  try {
    // After a clean close there are none.
    const temporariesRemoved =
      opened.clean || readOnly
        ? 0
        : await files.removeTemporaries(layout.root, { recursive: true });
    const found = { identity, recovered, runFiles, opened, began, temporariesRemoved };
    const recovery = { layout, files, lock, environment, ...found };
    const journal = newJournal(recovery);
    try {
      return await wire(recovery, journal);
    } catch (error) {
      await journal.abandon();
      throw error;
    }
  } catch (error) {
    opened.index.close();
    throw error;
  }
}

/** Reading makes nothing, not even the lock's file. */
async function requireStore(files: FileOperationService, layout: Layout): Promise<void> {
  if ((await files.readIfPresent(layout.identity)) !== undefined) return;
  throw new StoreError('NOT_FOUND', `there is no store in ${layout.root}`, { id: layout.root });
}

async function makeFolders(files: FileOperationService, layout: Layout): Promise<void> {
  for (const folder of [layout.journal, layout.runs]) await files.ensureFolder(folder);
}

interface Recovery {
  readonly layout: Layout;
  readonly files: FileOperationService;
  readonly lock: StoreLock;
  readonly environment: Environment;
  readonly identity: Identity;
  readonly recovered: RecoveredJournal;
  readonly runFiles: RunFiles;
  readonly opened: OpenedIndex;
  readonly began: number;
  readonly temporariesRemoved: number;
}

function newJournal({ layout, files, lock, environment, identity, recovered }: Recovery): Journal {
  const { fs, clock, tuning } = environment;
  const beforeFirstWrite = () => forgetClosedMark(files, layout);
  const isOwner = () => lock.confirm();
  const parts = { fs, files, layout, identity, tuning, recovered, clock };
  return new Journal({ ...parts, isOwner, beforeFirstWrite });
}

async function wire(recovery: Recovery, journal: Journal): Promise<Rooms> {
  const { layout, files, lock, environment, identity, recovered, runFiles, opened } = recovery;
  const { clock, random, readOnly, isPrivate, tuning } = environment;
  const { index } = opened;
  const { cacheBytesMax } = tuning;
  const runs = new LiveRuns({ index, runFiles, clock, cacheBytesMax });
  // Damage is met before anything is written (W9); what is copied then is replayed after it (W4).
  const proven = readOnly ? recovered.position : (recovered.newest?.position ?? 0);
  const from = Math.min(index.checkpoint, proven);
  const replayParts = { journal, index, runs, runFiles, readOnly };
  let commitsReplayed = await replay(replayParts, from, proven);
  if (!readOnly) await journal.recover(recovered);
  commitsReplayed += await replay(replayParts, proven, journal.durable);
  const flusher = new IndexFlusher(index, clock, () => journal.durable);
  const refusal = () => (readOnly ? READ_ONLY : journal.refusal());
  const committer: Committer = new Committer({
    journal,
    runs,
    index,
    clock,
    random,
    refusal,
    stuck: () => {
      checkpointer.relieve();
      return checkpointer.failure;
    },
    onSettled: (live) => {
      flusher.schedule();
      checkpointer.touched(live);
    },
  });
  const refuseUnwritable = () => committer.refuseUnwritable();
  const refuseClosed = () => committer.refuseClosed();
  const guards = { refuseClosed, refuseUnwritable };
  const pins = await PinFile.open({ files, layout, identity, journal, ...guards });
  const checkpointer = new Checkpointer({
    journal,
    runs,
    runFiles,
    index,
    flusher,
    pins,
    clock,
    tuning,
  });
  const eventReader = new EventReader({ committer, index, runFiles, changed: journal.changed });
  for (const live of runs.busy) checkpointer.touched(live);
  const report: RecoveryReport = {
    durationMs: clock.now() - recovery.began,
    clean: opened.clean,
    commitsReplayed,
    commitsCopied: recovered.unproven.length,
    bytesLeftBehind: recovered.bytesLeftBehind,
    indexRebuilt: opened.rebuilt,
    temporariesRemoved: recovery.temporariesRemoved,
  };
  const rooms = { identity, layout, files, clock, journal, runs, runFiles, index, flusher };
  const { damage } = recovered;
  const all = { ...rooms, committer, checkpointer, eventReader, pins, report, damage };
  return {
    ...all,
    blobs: new BlobFolder(files, layout),
    close: () => closeRooms(all, lock, { readOnly, isPrivate, clean: opened.clean }),
  };
}
