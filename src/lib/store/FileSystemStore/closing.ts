import { StoreError } from '../../errors.ts';
import type { FileOperationService } from './FileOperationService.ts';
import type { Layout } from './layout.ts';
import type { StoreLock } from './lock.ts';
import type { ClosedMark } from './openIndex.ts';
import type { Rooms } from './rooms.ts';
import { sealedText } from './sealedFile.ts';

export const READ_ONLY = new StoreError('STORE_READ_ONLY', 'the store was opened read-only');

/** The mark of a clean close goes before anything changes, durably: it would lie from then on. */
export async function forgetClosedMark(files: FileOperationService, layout: Layout): Promise<void> {
  if (await files.remove(layout.closed)) await files.syncFolder(layout.index);
}

/**
 * Ends a store in order: what was accepted becomes durable, every run gets its file, the journal is
 * sealed, the index marked. Whatever fails on the way, the lock is let go; nothing acknowledged is
 * lost by it, for the log still has it.
 */
export async function closeRooms(
  rooms: Omit<Rooms, 'close' | 'blobs'>,
  lock: StoreLock,
  mode: { readonly readOnly: boolean; readonly isPrivate: boolean; readonly clean: boolean },
): Promise<void> {
  const { committer, journal, checkpointer, flusher, index } = rooms;
  committer.close();
  try {
    await journal.drain();
    flusher.stop();
    const isWhole = journal.poison === undefined && !mode.readOnly;
    const hasChanged = journal.isWritten || !mode.clean;
    if (isWhole && hasChanged) await checkpointer.finish();
    else await checkpointer.stop();
    await journal.close();
    index.close();
    if (isWhole && hasChanged && !mode.isPrivate) await leaveClosedMark(rooms);
  } finally {
    try {
      index.close();
      await journal.close();
    } finally {
      await lock.release();
    }
  }
}

async function leaveClosedMark({
  files,
  layout,
  journal,
}: Omit<Rooms, 'close' | 'blobs'>): Promise<void> {
  const digest = await files.checksum(layout.indexDatabase);
  const mark: ClosedMark = { position: journal.durable, digest };
  await files.writeAtomic(layout.closed, sealedText(mark));
}
