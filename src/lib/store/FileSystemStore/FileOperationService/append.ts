import { StoreError } from '../../../errors.ts';
import { type FileSystem, OPEN } from '../../../ports/fileSystem.ts';
import { storageError } from '../storageError.ts';
import { withFile, writeWhole } from './disk.ts';

/** Read and write a file that exists, never through a link: the flags that these two share. */
const EXISTING = OPEN.createNew & OPEN.durableWrite;

/** Adds to the end, durably. A failure cuts the file back to what it was, also durably. */
export function appendTo(fs: FileSystem, path: string, data: Uint8Array): Promise<void> {
  return withFile(fs, path, EXISTING, async (handle) => {
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
  });
}
