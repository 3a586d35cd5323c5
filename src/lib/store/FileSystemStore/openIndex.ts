import { basename } from 'node:path';
import { isStoreError, type StoreError } from '../../errors.ts';
import type { Finding } from '../contract.ts';
import { IndexUnusable, RunIndex } from '../index/RunIndex.ts';
import type { Identity } from '../commands/cursor.ts';
import type { FileOperationService } from './FileOperationService.ts';
import { corrupt, type RecoveredJournal } from './journal.ts';
import type { Layout } from './layout.ts';
import { asDamage, type RunFiles, type StoredRun } from './runFiles.ts';
import { openSealed } from './sealedFile.ts';

/** What a clean close says of the index: the position and the bytes that it left. */
export interface ClosedMark {
  readonly position: number;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
}

export interface OpenIndexParts {
  readonly files: FileOperationService;
  readonly layout: Layout;
  readonly identity: Identity;
  readonly runFiles: RunFiles;
  readonly recovered: RecoveredJournal;
  /** Keep it in memory: for `memory:`, and for read-only, which changes no file. */
  readonly inMemory: boolean;
  /** Serve what is there although the log is damaged. */
  readonly lenient: boolean;
}

export interface OpenedIndex {
  readonly index: RunIndex;
  readonly rebuilt: boolean;
  /** Whether the last owner had closed the store and nothing happened since. */
  readonly clean: boolean;
}

/** The index is never the truth: what does not prove right is thrown away and made anew. */
export async function openIndex(parts: OpenIndexParts): Promise<OpenedIndex> {
  const { files, layout, identity, recovered, inMemory } = parts;
  if (inMemory) {
    const index = RunIndex.open(':memory:', identity);
    await orClose(index, rebuild(parts, index));
    return { index, rebuilt: false, clean: recovered.sealed };
  }
  await files.ensureFolder(layout.index);
  const clean = await isClean(parts);
  await makePrivate(parts);
  const index = clean === 'damaged' ? undefined : openUsable(parts, clean);
  if (index !== undefined && (await orClose(index, isOutlived(parts, index)))) index.close();
  else if (index !== undefined) return { index, rebuilt: false, clean: clean === true };
  for (const file of RunIndex.filesOf(layout.indexDatabase)) await files.remove(file);
  await makePrivate(parts);
  const fresh = RunIndex.open(layout.indexDatabase, identity);
  const runs = await orClose(fresh, rebuild(parts, fresh));
  return { index: fresh, rebuilt: runs > 0, clean: false };
}

/** A failure lets go of the index. */
async function orClose<T>(index: RunIndex, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    index.close();
    throw error;
  }
}

/** SQLite would make the file with the mode that the umask leaves; an empty one is a new database. */
async function makePrivate({ files, layout }: OpenIndexParts): Promise<void> {
  const names = await files.list(layout.index);
  if (names.includes(basename(layout.indexDatabase))) return;
  await files.writeAtomic(layout.indexDatabase, '');
}

async function isClean(parts: OpenIndexParts): Promise<boolean | 'damaged'> {
  const { files, layout, recovered } = parts;
  const bytes = await files.readIfPresent(layout.closed);
  if (bytes === undefined) return false;
  const mark = openSealed(bytes) as unknown as ClosedMark | undefined;
  if (mark === undefined) return 'damaged';
  if (mark.position > recovered.position) throw lostCommits(parts, 'a clean close', mark.position);
  if (mark.position !== recovered.position || !recovered.sealed) return 'damaged';
  try {
    return (await files.checksum(layout.indexDatabase)) === mark.digest ? true : 'damaged';
  } catch (error) {
    if (isStoreError(error, 'NOT_FOUND')) return 'damaged';
    throw error;
  }
}

/** An index that the log can bring up to date; `undefined` for any other. */
function openUsable(parts: OpenIndexParts, clean: boolean): RunIndex | undefined {
  const { layout, identity, recovered } = parts;
  try {
    const index = RunIndex.open(layout.indexDatabase, identity, { check: !clean });
    const oldest = (recovered.segments[0]?.firstPosition ?? 1) - 1;
    if (index.position > recovered.position) {
      index.close();
      throw lostCommits(parts, 'the index', index.position);
    }
    if (index.checkpoint >= oldest) return index;
    index.close();
    return undefined;
  } catch (error) {
    if (error instanceof IndexUnusable) return undefined;
    throw error;
  }
}

/** Whether a run that it says is damaged is not any more: its file came back from a backup, or went. */
async function isOutlived({ runFiles }: OpenIndexParts, index: RunIndex): Promise<boolean> {
  for (const runId of index.damages.keys()) {
    let findings = 0;
    const count = () => void findings++;
    const stored = await runFiles.inspect(runId, count);
    if (stored !== undefined) await runFiles.verifyRun(runId, stored.parts, count);
    if (findings === 0) return true;
  }
  return false;
}

/** Index, mark and run files hold durable commits only: a log that ends before has lost some. */
function lostCommits(parts: OpenIndexParts, what: string, position: number): StoreError {
  const { newest, position: end } = parts.recovered;
  const file = newest === null ? parts.layout.journal : parts.layout.segment(newest.segment);
  const message = `it ends with commit ${end}, and ${what} has commit ${position}`;
  return corrupt(file, newest?.byte ?? 0, message);
}

const REBUILD_ROWS = 500;

/** From what the run files say; the log after them is replayed like after any crash. */
async function rebuild(parts: OpenIndexParts, index: RunIndex): Promise<number> {
  const { runFiles, recovered, lenient } = parts;
  let count = 0;
  let position = 0;
  // A file whose run cannot be told is kept in mind under its own name, which is no id.
  const found = (finding: Finding, runId = `\0${finding.file}`) => {
    if (!index.damages.has(runId)) index.putDamage(runId, finding);
  };
  const untidy: StoredRun[] = [];
  for await (const run of runFiles.list(found)) {
    position = Math.max(position, run.position);
    if (!index.damages.has(run.runId)) await putStored(runFiles, index, run, found);
    if (run.obsolete.length > 0 && !index.damages.has(run.runId)) untidy.push(run);
    if (++count % REBUILD_ROWS === 0) index.flush(Infinity);
  }
  if (position > recovered.position && !lenient) throw lostCommits(parts, 'a run file', position);
  if (!lenient) await runFiles.removeObsolete(untidy);
  const oldest = (recovered.segments[0]?.firstPosition ?? 1) - 1;
  index.stamp(oldest, oldest);
  index.flush(Infinity);
  return count;
}

async function putStored(
  runFiles: RunFiles,
  index: RunIndex,
  run: StoredRun,
  found: (finding: Finding, runId: string) => void,
): Promise<void> {
  const { runId } = run;
  index.put(run);
  try {
    for await (const { key, seq } of runFiles.readKeys(runId, run.parts)) {
      index.putEventKey(runId, key, seq);
    }
    if (run.artifacts === 0) return;
    const { state } = await runFiles.readRows(runId, run.parts);
    for (const row of [...state.artifacts.values()].flat()) index.putArtifact(runId, row);
  } catch (error) {
    const damage = asDamage(error, runFiles.folderOf(runId));
    if (damage === undefined) throw error;
    found(damage.finding, runId);
  }
}
