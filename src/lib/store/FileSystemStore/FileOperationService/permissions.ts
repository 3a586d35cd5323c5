import { join, resolve } from 'node:path';
import { isStoreError, StoreError } from '../../../errors.ts';
import { type FileStat, type FileSystem, OPEN } from '../../../ports/fileSystem.ts';
import { storageError, systemCode } from '../storageError.ts';
import { attempt, type Disk, withFile } from './disk.ts';
import { guardRead } from './guard.ts';
import { openTemporary } from './temporaries.ts';
import type { Turns } from './turns.ts';

export interface Rights {
  readonly read?: boolean | undefined;
  readonly write?: boolean | undefined;
}

const PERMISSIONS = 0o7777;
const OWNER_FILE = 0o600;
const OWNER_FOLDER = 0o700;
/** What the system says to somebody without the right. */
const DENIED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS']);

/**
 * Who may do what with a file or folder. A link is refused (`INVALID_ARGUMENT`), so that nothing
 * outside is opened up by mistake. `NOT_FOUND` for what is not there; `STORAGE_FAILED`, with what the
 * system said as its cause, where it refuses. On Windows only the right to write a file exists.
 *
 * IMPORTANT: `check` and `set` open the file. Never use them on the file of a lock (`.<name>.lock`, a
 * store's `lock.db`) in the process that holds it: closing it lets go of the lock.
 */
export class FilePermissions {
  readonly #disk: Disk;
  readonly #turns: Turns;

  constructor(disk: Disk, turns: Turns) {
    this.#disk = disk;
    this.#turns = turns;
  }

  /** The permission bits, as `0o600`. */
  async get(path: string): Promise<number> {
    return (await this.#stat(path)).mode & PERMISSIONS;
  }

  /**
   * Whether this process can do all of this now, found out by trying: bits say nothing of users,
   * access lists, or a disk that is mounted read-only. Opens a file, lists a folder, and makes and
   * removes a temporary file in a folder that is to be written. A moment later it may be otherwise.
   */
  async check(path: string, { read = false, write = false }: Rights): Promise<boolean> {
    const stat = await this.#stat(path);
    const { fs } = this.#disk;
    try {
      await guardRead(path, async () => {
        if (stat.isDirectory()) {
          if (read) await fs.readdir(path);
          if (write) await this.#tryFolder(path);
        } else {
          if (read) await tryFile(fs, path, OPEN.read);
          if (write) await tryFile(fs, path, OPEN.writeOnly);
        }
      });
      return true;
    } catch (error) {
      if (isStoreError(error) && DENIED.has(systemCode(error.cause))) return false;
      throw error;
    }
  }

  /**
   * Sets exactly these bits, whatever the umask, and looks whether they hold: some file systems take
   * any and keep none (`UNSUPPORTED`). Durable where the file can be opened before.
   */
  async set(path: string, mode: number): Promise<void> {
    if (!Number.isInteger(mode) || mode < 0 || mode > PERMISSIONS) {
      throw new StoreError('INVALID_ARGUMENT', `mode: ${mode} is not between 0 and 0o7777`);
    }
    await this.#set(path, mode, await this.#stat(path));
  }

  /** For its owner alone: a file 0600, a folder 0700. */
  async makePrivate(path: string): Promise<void> {
    const stat = await this.#stat(path);
    await this.#set(path, stat.isDirectory() ? OWNER_FOLDER : OWNER_FILE, stat);
  }

  /**
   * Runs `work` under other permissions and gives `path` back those that it had, also when `work`
   * fails, and also when it has replaced the file. Callers for one path come one after the other;
   * asking for the same inside `work` waits in vain. Where giving them back fails, that is the error,
   * and an `AggregateError` of both is its cause when `work` failed too.
   */
  with<T>(path: string, mode: number, work: () => Promise<T>): Promise<T> {
    return this.#turns.take(`permissions ${resolve(path)}`, async () => {
      const before = await this.get(path);
      let result: T;
      try {
        await this.set(path, mode);
        result = await work();
      } catch (failure) {
        await this.#giveBack(path, before, failure);
        throw failure;
      }
      await this.#giveBack(path, before);
      return result;
    });
  }

  async #giveBack(path: string, mode: number, failure?: unknown): Promise<void> {
    try {
      if ((await this.get(path)) !== mode) await this.set(path, mode);
    } catch (error) {
      if (failure === undefined) throw error;
      const cause = new AggregateError([failure, error], 'work and giving back both failed');
      const message = `${path} could not be given back the permissions ${mode.toString(8)}`;
      throw new StoreError('STORAGE_FAILED', message, { cause });
    }
  }

  async #stat(path: string): Promise<FileStat> {
    const stat = await guardRead(path, () => this.#disk.fs.lstat(path));
    if (stat.isFile() || stat.isDirectory()) return stat;
    throw new StoreError('INVALID_ARGUMENT', `${path} is neither a file nor a folder`);
  }

  async #set(path: string, mode: number, before: FileStat): Promise<void> {
    try {
      await this.#change(path, mode, before);
      const now = (await this.#disk.fs.lstat(path)).mode & PERMISSIONS;
      if (now === mode) return;
      const message = `${path} has ${now.toString(8)} after it was given ${mode.toString(8)}`;
      throw new StoreError('UNSUPPORTED', message);
    } catch (error) {
      throw storageError(error, `changing the permissions of ${path}`);
    }
  }

  async #change(path: string, mode: number, before: FileStat): Promise<void> {
    const { fs } = this.#disk;
    const change = () => fs.chmod(path, mode);
    let changed = false;
    try {
      await withFile(fs, path, before.isDirectory() ? OPEN.folder : OPEN.read, async (handle) => {
        await change();
        changed = true;
        await handle.sync();
      });
    } catch (error) {
      // Its owner may change it without being allowed to read it.
      if (changed || !DENIED.has(systemCode(error))) throw error;
      await change();
    }
  }

  async #tryFolder(folder: string): Promise<void> {
    const { temporary, handle } = await openTemporary(this.#disk, join(folder, 'check'));
    await attempt(() => handle.close());
    this.#disk.inUse.delete(resolve(temporary));
    await this.#disk.fs.unlink(temporary);
  }
}

function tryFile(fs: FileSystem, path: string, flags: number): Promise<void> {
  return withFile(fs, path, flags, () => Promise.resolve());
}
