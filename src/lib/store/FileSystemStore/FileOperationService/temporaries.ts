import { dirname, join, resolve } from 'node:path';
import { type FileHandle, type FileSystem, OPEN } from '../../../ports/fileSystem.ts';
import { systemCode } from '../storageError.ts';
import type { Disk } from './disk.ts';

/**
 * `tmp`: not yet under its name. `old`: kept for a rollback. `undo`: says what to roll back. `prob\u00e9`:
 * asks the disk which names it takes for one.
 */
export type TemporaryKind = 'tmp' | 'old' | 'undo' | 'prob\u00e9';

// A disk may keep the last one with its accent apart.
const PATTERN = /^\.holdfast-[0-9a-f]{24}\.(tmp|old|undo|prob(?:\u00e9|e\u0301))$/;
const TRIES_MAX = 8;

/** A fresh name of ours beside `path`; only such names are ever cleaned up. */
export function temporaryBeside(disk: Disk, path: string, kind: TemporaryKind = 'tmp'): string {
  const random = Buffer.from(disk.random.bytes(12)).toString('hex');
  return join(dirname(path), `.holdfast-${random}.${kind}`);
}

/** What `name` is among our temporary files; `undefined` for a file of anybody else. */
export function temporaryKind(name: string): TemporaryKind | undefined {
  return PATTERN.exec(name)?.[1] as TemporaryKind | undefined;
}

/** Creates an empty file 0600 beside `path`. A seeded source of names may meet its own leftovers. */
export async function openTemporary(
  disk: Disk,
  path: string,
): Promise<{ readonly temporary: string; readonly handle: FileHandle }> {
  for (let tries = 1; ; tries++) {
    const temporary = temporaryBeside(disk, path);
    try {
      const handle = await disk.fs.open(temporary, OPEN.createNew, 0o600);
      disk.inUse.add(resolve(temporary));
      return { temporary, handle };
    } catch (error) {
      if (systemCode(error) !== 'EEXIST' || tries === TRIES_MAX) throw error;
    }
  }
}

/** Sorted. A folder that is missing has none. */
export async function namesIn(fs: FileSystem, folder: string): Promise<string[]> {
  try {
    return (await fs.readdir(folder)).toSorted();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

export interface CleanUp {
  /** Absolute paths that somebody still needs. */
  readonly inUse: ReadonlySet<string>;
  /** Takes back what a crash left half done in a folder. */
  readonly rollBack: (folder: string) => Promise<unknown>;
  /** Looks at every file below, too; links are not followed. */
  readonly recursive: boolean;
}

/** Removes our temporary files in `folder`, whatever their age (W12); returns how many. */
export async function cleanUp(fs: FileSystem, folder: string, how: CleanUp): Promise<number> {
  let names = await namesIn(fs, folder);
  if (names.some((name) => temporaryKind(name) === 'undo')) {
    await how.rollBack(folder);
    names = await namesIn(fs, folder);
  }
  let removed = 0;
  for (const name of names) {
    const path = join(folder, name);
    if (how.inUse.has(resolve(path))) continue;
    const isOurs = temporaryKind(name) !== undefined;
    if (!isOurs && !how.recursive) continue;
    const stat = await fs.lstat(path);
    if (isOurs && (stat.isFile() || stat.isSymbolicLink())) {
      await fs.unlink(path);
      removed++;
    } else if (how.recursive && stat.isDirectory()) {
      removed += await cleanUp(fs, path, how);
    }
  }
  return removed;
}
