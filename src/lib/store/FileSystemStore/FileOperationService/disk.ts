import { StoreError } from '../../../errors.ts';
import { type FileHandle, type FileSystem, OPEN } from '../../../ports/fileSystem.ts';
import type { Random } from '../../../ports/random.ts';
import { systemCode } from '../storageError.ts';
import type { FolderSyncs } from './folderSyncs.ts';

/** The doors to the world that every operation needs. */
export interface Disk {
  readonly fs: FileSystem;
  readonly random: Random;
  readonly syncs: FolderSyncs;
  /** Absolute paths of temporary files that this service still needs: no cleaning up takes them. */
  readonly inUse: Set<string>;
}

/** Opens, works, closes, whatever happens; the first failure is the one that is thrown. */
export async function withFile<T>(
  fs: FileSystem,
  path: string,
  flags: number,
  work: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await fs.open(path, flags);
  let result: T;
  try {
    result = await work(handle);
  } catch (error) {
    await attempt(() => handle.close());
    throw error;
  }
  await handle.close();
  return result;
}

/** Cleaning up after a failure: what goes wrong here must not hide what went wrong first. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}

/** Linux resolves a write on a full disk with fewer bytes and no error: that is a failure (W3). */
export async function writeWhole(
  handle: FileHandle,
  data: Uint8Array,
  position: number,
): Promise<void> {
  const { bytesWritten } = await handle.write(data, 0, data.length, position);
  if (bytesWritten === data.length) return;
  const message = `the disk took ${bytesWritten} of ${data.length} bytes: it is full`;
  throw new StoreError('STORAGE_FULL', message);
}

/** Fills `into` from `position`; returns how many bytes there were before the file ended. */
export async function readFully(
  handle: FileHandle,
  into: Uint8Array,
  position: number,
): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    const rest = into.length - filled;
    const { bytesRead } = await handle.read(into, filled, rest, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

export function readWhole(fs: FileSystem, path: string): Promise<Uint8Array> {
  return withFile(fs, path, OPEN.read, async (handle) => {
    const bytes = Buffer.allocUnsafe((await handle.stat()).size);
    return bytes.subarray(0, await readFully(handle, bytes, 0));
  });
}

/** Syncs the folder that holds a name which has just changed: from here on the name is visible. */
export async function syncNewName({ syncs }: Disk, path: string): Promise<void> {
  try {
    await syncs.sync([path]);
  } catch (error) {
    const message = `${path} is in place, but its folder could not be synced`;
    throw new StoreError('OUTCOME_UNKNOWN', message, { cause: error });
  }
}

/** Removes a file; `false` when there was none. For a removal that need not be durable. */
export function unlinkIfPresent(fs: FileSystem, path: string): Promise<boolean> {
  return isDone(() => fs.unlink(path));
}

/** Removes a file; `false` when there was none. Durable after a sync of its name. */
export function removeName({ fs, syncs }: Disk, path: string): Promise<boolean> {
  return isDone(() => syncs.change(path, () => fs.unlink(path)));
}

/** `false` where there is nothing to do it to. */
export async function isDone(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

export function toBytes(data: Uint8Array | string): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : data;
}
