import { dirname, join, relative, resolve, sep } from 'node:path';
import { StoreError } from '../../../errors.ts';
import { systemCode } from '../storageError.ts';
import { attempt, type Disk, readWhole, removeName, syncNewName } from './disk.ts';
import { StagedFile } from './stagedFile.ts';
import { namesIn, temporaryBeside, temporaryKind } from './temporaries.ts';
import { decodeUndo, encodeUndo, restoreAll, type UndoEntry } from './undo.ts';

/** One of several files: how it comes to be, beside its place. */
export interface Part {
  /** Absolute. */
  readonly path: string;
  /** Sealed, with its digest. */
  readonly stage: () => Promise<StagedFile>;
}

export interface FileEntry {
  readonly path: string;
  readonly data: Uint8Array | string;
}

/** A write of several files under way: enough to take all of it back. */
interface Attempt {
  readonly folder: string;
  readonly undoFile: string;
  readonly staged: StagedFile[];
  readonly undo: UndoEntry[];
  step: 'preparing' | 'renaming' | 'committed';
}

export function writeAll(disk: Disk, entries: readonly FileEntry[]): Promise<void> {
  const parts = entries.map(({ path, data }) => {
    const target = resolve(path);
    return { path: target, stage: () => stageBytes(disk, target, data) };
  });
  return commitAll(disk, parts);
}

/** A sealed file with its digest. */
export async function stageBytes(
  disk: Disk,
  path: string,
  data: Uint8Array | string,
): Promise<StagedFile> {
  const staged = await StagedFile.create(disk, path, { digest: true });
  await staged.write(data);
  await staged.seal();
  return staged;
}

/**
 * Stage all → keep the old bytes under a second name → an undo file → rename all → remove the undo
 * file. Each arrow is made durable before the next begins. The last removal is the commit: while the
 * undo file is there, `rollBackIn` takes the folder back to the old bytes.
 */
export async function commitAll(disk: Disk, parts: readonly Part[]): Promise<void> {
  const paths = parts.map(({ path }) => path);
  if (new Set(paths).size < paths.length) {
    throw new StoreError('INVALID_ARGUMENT', 'entries name the same file twice');
  }
  const folder = folderOfAll(paths);
  const undoFile = temporaryBeside(disk, join(folder, 'undo'), 'undo');
  const all: Attempt = { folder, undoFile, staged: [], undo: [], step: 'preparing' };
  disk.inUse.add(undoFile);
  try {
    for (const part of parts) await prepare(disk, all, part);
    await disk.syncs.sync([undoFile, ...oldCopies(folder, all.undo)]);
    await writeUndoFile(disk, all);
    all.step = 'renaming';
    for (const staged of all.staged) await staged.commit(undefined, { syncFolder: false });
    await disk.syncs.sync(paths);
    if (!(await removeName(disk, undoFile))) throw takenBack(folder);
    all.step = 'committed';
    await syncNewName(disk, undoFile);
    // Done and durable: an old copy that cannot be removed now goes with the other temporary files.
    await dropOld(disk, all.folder, all.undo);
  } catch (error) {
    throw await takeBack(disk, all, error);
  } finally {
    for (const path of [undoFile, ...oldCopies(folder, all.undo)]) disk.inUse.delete(path);
  }
}

/** Another process has cleaned up here: some files may have their old bytes back, others not. */
function takenBack(folder: string): StoreError {
  const message = `another process took back what was being written in ${folder}`;
  return new StoreError('STORAGE_FAILED', message);
}

async function prepare(disk: Disk, all: Attempt, { path, stage }: Part): Promise<void> {
  const staged = await stage();
  all.staged.push(staged);
  const old = temporaryBeside(disk, all.undoFile, 'old');
  const kept = await linkIfPresent(disk, path, old);
  all.undo.push({
    path: relative(all.folder, path),
    digest: String(staged.digest),
    old: kept ? relative(all.folder, old) : null,
  });
}

async function linkIfPresent(disk: Disk, path: string, old: string): Promise<boolean> {
  disk.inUse.add(old);
  try {
    await disk.syncs.change(old, () => disk.fs.link(path, old));
    return true;
  } catch (error) {
    disk.inUse.delete(old);
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function writeUndoFile(disk: Disk, all: Attempt): Promise<void> {
  const file = await StagedFile.create(disk, all.undoFile);
  await file.write(encodeUndo(all.undo));
  await file.commit(undefined, { syncFolder: false });
  // By itself: nothing is renamed yet, and so a failure here is no uncertain outcome.
  await disk.syncs.sync([all.undoFile]);
}

/** What the caller is told: the failure itself when all is as before, else `OUTCOME_UNKNOWN`. */
async function takeBack(disk: Disk, all: Attempt, failure: unknown): Promise<unknown> {
  // The commit may not be durable: the old bytes stay for the undo file that could come back.
  if (all.step === 'committed') return failure;
  if (all.step === 'renaming') {
    try {
      await restoreAll(disk, all.folder, all.undo);
    } catch (error) {
      const message = `writing several files in ${all.folder} failed, and so did taking it back`;
      const cause = new AggregateError([failure, error], 'write and rollback both failed');
      return new StoreError('OUTCOME_UNKNOWN', `${message}: recover it`, { cause });
    }
  }
  for (const staged of all.staged) await attempt(() => staged.discard());
  // Left behind, an undo file does no harm now: no file holds the bytes that it would undo.
  const cleared = await attempt(async () => {
    if (await removeName(disk, all.undoFile)) await disk.syncs.sync([all.undoFile]);
  });
  if (cleared) await dropOld(disk, all.folder, all.undo);
  return failure;
}

async function dropOld(disk: Disk, folder: string, undo: readonly UndoEntry[]): Promise<void> {
  for (const old of oldCopies(folder, undo)) await attempt(() => disk.fs.unlink(old));
}

function oldCopies(folder: string, undo: readonly UndoEntry[]): readonly string[] {
  return undo.flatMap(({ old }) => (old === null ? [] : [join(folder, old)]));
}

/** Takes back the writes of several files that a crash interrupted in `folder`; returns how many. */
export async function rollBackIn(disk: Disk, folder: string): Promise<number> {
  const names = (await namesIn(disk.fs, folder)).filter(
    (name) => temporaryKind(name) === 'undo' && !disk.inUse.has(resolve(folder, name)),
  );
  for (const name of names) {
    const path = join(folder, name);
    const undo = decodeUndo(await readWhole(disk.fs, path), path);
    await restoreAll(disk, folder, undo);
    await removeName(disk, path);
    // W8: the old bytes stay until nothing can ask for them again.
    await disk.syncs.sync([path]);
    await dropOld(disk, folder, undo);
  }
  return names.length;
}

/** The deepest folder that holds all of these absolute paths. */
function folderOfAll(paths: readonly string[]): string {
  let folder = dirname(paths[0] ?? sep);
  while (!paths.every((path) => isBelow(folder, path))) folder = dirname(folder);
  return folder;
}

function isBelow(folder: string, path: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
