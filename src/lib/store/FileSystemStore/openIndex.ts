import { basename } from 'node:path';
import { isStoreError } from '../../errors.ts';
import { IndexUnusable, RunIndex } from '../index/RunIndex.ts';
import type { Identity } from './cursor.ts';
import type { FileOperationService } from './FileOperationService.ts';
import { corrupt, type RecoveredJournal } from './journal.ts';
import type { Layout } from './layout.ts';
import type { RunFiles } from './runFiles.ts';

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
    await rebuild(parts, index);
    return { index, rebuilt: false, clean: recovered.sealed };
  }
  await files.ensureFolder(layout.index);
  const clean = await isClean(parts);
  await makePrivate(parts);
  const index = clean === 'damaged' ? undefined : openUsable(parts, clean);
  if (index !== undefined) return { index, rebuilt: false, clean: clean === true };
  for (const file of RunIndex.filesOf(layout.indexDatabase)) await files.remove(file);
  await makePrivate(parts);
  const fresh = RunIndex.open(layout.indexDatabase, identity);
  const runs = await rebuild(parts, fresh);
  return { index: fresh, rebuilt: runs > 0, clean: false };
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
  try {
    const mark = JSON.parse(Buffer.from(bytes).toString()) as ClosedMark;
    if (mark.position !== recovered.position || !recovered.sealed) return 'damaged';
    return (await files.checksum(layout.indexDatabase)) === mark.digest ? true : 'damaged';
  } catch (error) {
    if (error instanceof SyntaxError || isStoreError(error, 'NOT_FOUND')) return 'damaged';
    throw error;
  }
}

/** An index that the log can bring up to date; `undefined` for any other. */
function openUsable(parts: OpenIndexParts, clean: boolean): RunIndex | undefined {
  const { layout, identity, recovered } = parts;
  try {
    const index = RunIndex.open(layout.indexDatabase, identity, { check: !clean });
    const oldest = (recovered.segments[0]?.firstPosition ?? 1) - 1;
    if (index.position <= recovered.position && index.checkpoint >= oldest) return index;
    index.close();
    return undefined;
  } catch (error) {
    if (error instanceof IndexUnusable) return undefined;
    throw error;
  }
}

const REBUILD_ROWS = 500;

/** From what the run files say; the log after them is replayed like after any crash. */
async function rebuild(parts: OpenIndexParts, index: RunIndex): Promise<number> {
  const { runFiles, recovered, layout, lenient } = parts;
  let count = 0;
  let position = 0;
  for await (const run of runFiles.list()) {
    position = Math.max(position, run.position);
    index.put(run);
    for await (const { key, seq } of runFiles.readKeys(run.row.id, run.parts)) {
      index.putEventKey(run.row.id, key, seq);
    }
    if (++count % REBUILD_ROWS === 0) index.flush(Infinity);
  }
  // A run file holds durable commits only: a log that ends before it has lost some.
  if (position > recovered.position && !lenient) {
    throw corrupt(layout.journal, 0, `it ends at ${recovered.position}, a run file at ${position}`);
  }
  const oldest = (recovered.segments[0]?.firstPosition ?? 1) - 1;
  index.stamp(oldest, oldest);
  index.flush(Infinity);
  return count;
}
