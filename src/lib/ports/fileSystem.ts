import { constants } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';

/**
 * The part of `node:fs/promises` that a store uses: the module itself fits, and so does a mock or a
 * simulated disk. A folder is synced by opening it.
 */
export interface FileSystem {
  open(path: string, flags?: string | number, mode?: number): Promise<FileHandle>;
  mkdir(
    path: string,
    options?: { readonly recursive?: boolean; readonly mode?: number },
  ): Promise<string | undefined>;
  readdir(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  link(existing: string, path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  stat(path: string): Promise<FileStat>;
  lstat(path: string): Promise<FileStat>;
  chmod(path: string, mode: number): Promise<void>;
  /** Makes a link at `path` that holds the text `target`, whatever that leads to. */
  symlink(target: string, path: string): Promise<void>;
  /** The text of a link. */
  readlink(path: string): Promise<string>;
  /** The one absolute path that no link is part of. */
  realpath(path: string): Promise<string>;
}

export interface FileHandle {
  /** May write less than was given and still resolve: always compare `bytesWritten`. */
  write(
    data: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  read(
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  stat(): Promise<FileStat>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileStat {
  readonly size: number;
  readonly mode: number;
  /**
   * `dev` and `ino` together are one file as long as somebody has it open; a number may be given anew
   * after that. 0 where a file system has none; rounded where it is above 2^53 (Windows).
   */
  readonly dev: number;
  readonly ino: number;
  /** When its bytes were last changed, milliseconds since 1970. It proves nothing (W12). */
  readonly mtimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/** Flags of `open`, as the platform numbers them; absent ones (Windows) count as 0. */
export const OPEN = {
  read: constants.O_RDONLY,
  readWrite: constants.O_RDWR,
  /** What is there, to be written only, and never through a link. */
  writeOnly: constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0),
  /** Create it, fail when it is there, and never follow a link that was planted in its place. */
  createNew: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0),
  /** A write resolves when its bytes are durable. */
  durableWrite: constants.O_RDWR | (constants.O_DSYNC ?? 0) | (constants.O_NOFOLLOW ?? 0),
  folder: constants.O_RDONLY | (constants.O_DIRECTORY ?? 0),
  /** A file that is read, and no link to one. */
  realFile: constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0),
  /** A folder and no link to one. */
  realFolder: constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0),
} as const;

/**
 * Whether a write on `O_DSYNC` is durable; where not, a write is followed by `datasync`. macOS does not
 * flush the drive for `O_DSYNC`, but Node does for `datasync` (`F_FULLFSYNC`).
 */
export const HAS_DURABLE_WRITE = constants.O_DSYNC !== undefined && process.platform !== 'darwin';

/** The platform's numbers of flags, for file systems of our own. */
export { constants as FLAGS } from 'node:fs';

export const realFileSystem: FileSystem = nodeFileSystem;

const DENIED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS']);

/**
 * Whether this user has the right to write a real file or folder, as things are now: for precautions and
 * messages, never in place of trying. It opens nothing. True also where something else is wrong.
 */
export function mayWrite(path: string): Promise<boolean> {
  return nodeFileSystem.access(path, constants.W_OK).then(
    () => true,
    (error: NodeJS.ErrnoException) => !DENIED.has(error.code),
  );
}

/** Whether there is something at a real path, which is not opened. True also where that cannot be told. */
export function isThere(path: string): Promise<boolean> {
  return nodeFileSystem.stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
}
