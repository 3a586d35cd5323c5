import type { FileSystem, Store } from '../../index.ts';
import { MortalFileSystem } from '../mortalFileSystem.ts';
import { Broken } from './ledger.ts';
import type { Side } from './side.ts';

/** A process that has the store open. */
export interface Life {
  readonly store: Store;
  /** It dies without a word. */
  readonly die: () => Promise<void>;
}

export async function live(
  inner: FileSystem,
  open: (fileSystem: FileSystem) => Promise<Store>,
  side: Side | undefined,
): Promise<Life> {
  const process = new MortalFileSystem(inner);
  const store = await orBroken(open(process));
  return {
    store,
    die: async () => {
      await process.die();
      const left = side?.take();
      // What it still wants to write fails; its memory is given back.
      await store.close().catch(() => undefined);
      if (left !== undefined) side?.put(left);
    },
  };
}

async function orBroken(opening: Promise<Store>): Promise<Store> {
  try {
    return await opening;
  } catch (error) {
    throw new Broken(
      'the store opens',
      error instanceof Error ? error.message : 'it did not',
      error,
    );
  }
}
