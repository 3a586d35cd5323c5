import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FileSystem } from '../../ports/fileSystem.ts';
import { systemRandom } from '../../ports/random.ts';
import type { FileOperationService } from './FileOperationService.ts';
import { lockedError, newOwner, type Owner, readOwner } from './owner.ts';
import { storageError, systemCode } from './storageError.ts';

const RETRY_MS = 25;
const BUSY: ReadonlySet<number> = new Set([5 /* SQLITE_BUSY */, 6 /* SQLITE_LOCKED */]);
const NOT_A_DATABASE = 26;
const FOREVER_MS = 2 ** 30;

/** A lock that the kernel holds for this process: it outlives a pause, never the process. */
interface FileLock {
  /** Whether the transaction that is the lock is still open. No I/O. */
  isHeld(): boolean;
  /** May be called twice. */
  release(): void;
}

interface FileLockOptions {
  /** Made when it is missing; it stays, empty. Nothing else may ever open it in this process. */
  readonly path: string;
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The error for who has waited `waitMs` in vain. */
  readonly refusal: () => Promise<StoreError> | StoreError;
}

export type LockFile = (options: FileLockOptions) => Promise<FileLock>;

/** Tries at once and then every 25 ms. First come, first served holds inside one process at best. */
export const lockFile: LockFile = async (options) => {
  const { path, fs, clock, waitMs, signal } = options;
  await refuseForeign(fs, path);
  // A clock's timers never keep a process alive, but somebody who waits for a lock must.
  const keepAlive = setInterval(() => undefined, FOREVER_MS);
  try {
    for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
      if (signal?.aborted === true) throw aborted(path, signal);
      const lock = tryLock(path);
      if (lock !== undefined) return await madePrivate(fs, path, lock);
      if (waitedMs >= waitMs) throw await options.refusal();
      await pause(clock, Math.min(RETRY_MS, waitMs - waitedMs), path, signal);
    }
  } finally {
    clearInterval(keepAlive);
  }
};

/** For a file system that no other process can see. */
export const noFileLock: LockFile = () => {
  let held = true;
  return Promise.resolve({ isHeld: () => held, release: () => void (held = false) });
};

/** SQLite would follow a link out of the folder. */
async function refuseForeign(fs: FileSystem, path: string): Promise<void> {
  try {
    if ((await fs.lstat(path)).isFile()) return;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw storageError(error, `locking ${path}`);
  }
  throw new StoreError('STORAGE_FAILED', `${path} is in the way of the lock: it is not a file`);
}

/** SQLite makes the file with its own mode; `chmod` mends that without opening it. */
async function madePrivate(fs: FileSystem, path: string, lock: FileLock): Promise<FileLock> {
  try {
    if (((await fs.stat(path)).mode & 0o077) !== 0) await fs.chmod(path, 0o600);
    return lock;
  } catch (error) {
    lock.release();
    throw storageError(error, `locking ${path}`);
  }
}

/** `undefined` while somebody else holds it, in this process or in another. */
function tryLock(path: string): FileLock | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // The journal in memory, and nothing is ever committed: the file stays empty. The write makes
    // sure of the lock: on a file that cannot be written, SQLite quietly begins a shared one.
    const mark = Buffer.from(systemRandom.bytes(4)).readInt32BE();
    database.exec(`PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = ${mark}`);
    return held(database, mark);
  } catch (error) {
    database?.close();
    const code = sqliteCode(error);
    if (code !== undefined && BUSY.has(code & 0xff)) return undefined;
    if (code === NOT_A_DATABASE) {
      const message = `${path} is not a lock file: something else wrote to it; move it away`;
      throw new StoreError('DATA_CORRUPT', message, { cause: error });
    }
    throw storageError(error, `locking ${path}`);
  }
}

function held(database: DatabaseSync, mark: number): FileLock {
  const read = database.prepare('PRAGMA user_version');
  return {
    // Only the transaction that wrote the mark can read it.
    isHeld: () => database.isOpen && read.get()?.['user_version'] === mark,
    release() {
      if (database.isOpen) database.close();
    },
  };
}

function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode : undefined;
}

function pause(
  clock: Clock,
  ms: number,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel();
      reject(aborted(path, signal));
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}

function aborted(path: string, signal: AbortSignal | undefined): StoreError {
  const cause: unknown = signal?.reason;
  return new StoreError('ABORTED', `waiting for ${path} was aborted`, { cause });
}

/** The right to write in a store. */
export interface StoreLock {
  /** Whether the lock's transaction is still open. No I/O. */
  isHeld(): boolean;
  /**
   * W11: `isHeld`, the lock file is still the one in the folder, and nobody has signed in since. Two
   * small reads, for a writer that noticed a pause.
   */
  confirm(): Promise<boolean>;
  /** May be called twice. */
  release(): Promise<void>;
}

export interface StoreLockOptions {
  readonly folder: string;
  readonly files: FileOperationService;
  readonly clock: Clock;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** How a store becomes the only one that writes in its folder. */
export type LockStore = (options: StoreLockOptions) => Promise<StoreLock>;

/**
 * Owns `folder`, which exists, until `release` or the end of the process. The kernel holds the lock,
 * and so a stopped owner keeps it and a dead one loses it at once; ages decide nothing (W12). Another
 * owner is waited for `waitMs`, then `STORE_LOCKED` names it. `ABORTED` when `signal` ends the wait.
 */
export const acquireStoreLock: LockStore = async (options) => {
  const { folder, files, clock, waitMs, signal } = options;
  const path = join(folder, 'lock.db');
  const ownerFile = join(folder, 'owner.json');
  const fs = files.fileSystem;
  const refusal = async () => lockedError(folder, await readOwner(files, ownerFile));
  const lock = await lockFile({ path, fs, clock, waitMs, signal, refusal });
  const owner = newOwner(clock.now());
  try {
    await files.writeAtomic(ownerFile, `${JSON.stringify(owner)}\n`);
    return storeLock(files, lock, { path, ownerFile, owner, identity: await identity(fs, path) });
  } catch (error) {
    lock.release();
    throw storageError(error, `signing in at ${folder}`);
  }
};

/** For a store that no other can reach: `memory:`. */
export const noLock: LockStore = () => {
  let held = true;
  return Promise.resolve({
    isHeld: () => held,
    confirm: () => Promise.resolve(held),
    release: () => Promise.resolve(void (held = false)),
  });
};

interface Signed {
  readonly path: string;
  readonly ownerFile: string;
  readonly owner: Owner;
  readonly identity: string;
}

function storeLock(files: FileOperationService, lock: FileLock, signed: Signed): StoreLock {
  const isSame = async () => {
    const owner = await readOwner(files, signed.ownerFile);
    if (owner?.token !== signed.owner.token) return false;
    return (await identity(files.fileSystem, signed.path)) === signed.identity;
  };
  return {
    isHeld: () => lock.isHeld(),
    confirm: async () => lock.isHeld() && (await isSame()),
    async release() {
      if (!lock.isHeld()) return;
      try {
        if (await isSame()) await files.remove(signed.ownerFile);
      } finally {
        lock.release();
      }
    },
  };
}

/** Which file this is, as far as the port tells; `missing` when it is not there. */
async function identity(fs: FileSystem, path: string): Promise<string> {
  try {
    const stat: object = await fs.stat(path);
    return 'dev' in stat && 'ino' in stat ? `${String(stat.dev)}:${String(stat.ino)}` : 'there';
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 'missing';
    throw storageError(error, `looking at ${path}`);
  }
}
