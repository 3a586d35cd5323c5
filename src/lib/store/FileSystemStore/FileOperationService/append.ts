import { StoreError } from '../../../errors.ts';
import { type FileHandle, type FileSystem, OPEN } from '../../../ports/fileSystem.ts';
import { storageError } from '../storageError.ts';
import { withFile, writeWhole } from './disk.ts';

/** Read and write a file that exists, never through a link: the flags that these two share. */
const EXISTING = OPEN.createNew & OPEN.durableWrite;

/** Adds to the end, durably. A failure cuts the file back to what it was, also durably. */
export async function appendTo(fs: FileSystem, path: string, data: Uint8Array): Promise<void> {
  let durable = false;
  try {
    await withFile(fs, path, EXISTING, async (handle) => {
      await appendOrCutBack(handle, path, data);
      durable = true;
    });
  } catch (error) {
    if (!durable) throw error;
    const message = `${path} was appended to, but could not be closed`;
    throw new StoreError('OUTCOME_UNKNOWN', message, { cause: error });
  }
}

async function appendOrCutBack(handle: FileHandle, path: string, data: Uint8Array): Promise<void> {
  const { size } = await handle.stat();
  try {
    await writeWhole(handle, data, size);
    await handle.datasync();
  } catch (failure) {
    try {
      await handle.truncate(size);
      await handle.sync();
    } catch (error) {
      const cause = new AggregateError([failure, error], 'append and cut-back both failed');
      const message = `appending to ${path} failed, and so did cutting it back`;
      throw new StoreError('OUTCOME_UNKNOWN', message, { cause });
    }
    throw storageError(failure, `appending to ${path}`);
  }
}
