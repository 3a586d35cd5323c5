import { basename, dirname, isAbsolute, join, normalize, sep } from 'node:path';
import { StoreError } from '../../../errors.ts';
import type { FileSystem } from '../../../ports/fileSystem.ts';
import { systemCode } from '../storageError.ts';
import { type Disk, removeName, unlinkIfPresent } from './disk.ts';
import { digestOf, digestOfBytes } from './streams.ts';
import { temporaryBeside, temporaryKind } from './temporaries.ts';

const FORMAT = 1;

/** One file of a write of several: what it becomes, and where its old bytes are kept meanwhile. */
export interface UndoEntry {
  /** Relative to the folder of the undo file. */
  readonly path: string;
  /** `sha256:…` of the new bytes: what holds anything else is not ours to undo. */
  readonly digest: string;
  /** A name in the folder of the undo file; `null` when the file was not there before. */
  readonly old: string | null;
}

interface UndoFile {
  readonly format: number;
  readonly files: readonly UndoEntry[];
}

export function encodeUndo(files: readonly UndoEntry[]): string {
  const text = JSON.stringify({ format: FORMAT, files } satisfies UndoFile);
  return `${text}\n${digestOfBytes(Buffer.from(text))}\n`;
}

/** Refuses what is damaged, and what would lead out of the folder. */
export function decodeUndo(bytes: Uint8Array, path: string): readonly UndoEntry[] {
  const [text = '', digest] = Buffer.from(bytes).toString().split('\n');
  if (digest !== digestOfBytes(Buffer.from(text))) {
    throw new StoreError('DATA_CORRUPT', `${path} does not match its checksum`);
  }
  const { format, files } = JSON.parse(text) as UndoFile;
  if (format !== FORMAT) {
    throw new StoreError('UNSUPPORTED_FORMAT', `${path} has format ${format}, not ${FORMAT}`);
  }
  for (const { path: file, old } of files) {
    const oldIsOurs = old === null || temporaryKind(old) === 'old';
    if (!isInside(file) || !oldIsOurs) {
      throw new StoreError('DATA_CORRUPT', `${path} names a file outside of its folder`);
    }
  }
  return files;
}

function isInside(path: string): boolean {
  if (path === '' || isAbsolute(path) || normalize(path) !== path) return false;
  return path.split(sep).every((part) => part !== '..' && part !== '.' && part !== '');
}

/** Gives every file that holds its new bytes the old ones back, durably. May be repeated. */
export async function restoreAll(
  disk: Disk,
  folder: string,
  files: readonly UndoEntry[],
): Promise<void> {
  const touched = new Set<string>();
  for (const entry of files) {
    const path = join(folder, entry.path);
    if (!(await holds(disk.fs, path, entry.digest))) continue;
    await refuseLinks(disk.fs, folder, dirname(entry.path));
    touched.add(path);
    if (entry.old === null) await removeName(disk, path);
    else await putBack(disk, join(folder, entry.old), path);
  }
  await disk.syncs.sync(touched);
}

/** The old bytes keep their other name, so that an interrupted rollback can begin again. */
async function putBack(disk: Disk, old: string, path: string): Promise<void> {
  const temporary = temporaryBeside(disk, path);
  await disk.fs.link(old, temporary);
  await disk.syncs.change(path, () => disk.fs.rename(temporary, path));
  // Between two names of one file a rename does nothing at all.
  await unlinkIfPresent(disk.fs, temporary);
}

async function holds(fs: FileSystem, path: string, digest: string): Promise<boolean> {
  try {
    return (await digestOf(fs, path)) === digest;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** `O_NOFOLLOW` guards the last component only; a link in between leads out of the folder. */
async function refuseLinks(fs: FileSystem, folder: string, relative: string): Promise<void> {
  if (relative === '.') return;
  await refuseLinks(fs, folder, dirname(relative));
  const path = join(folder, relative);
  if ((await fs.lstat(path)).isDirectory()) return;
  throw new StoreError('DATA_CORRUPT', `${basename(path)} in ${folder} is not a folder`);
}
