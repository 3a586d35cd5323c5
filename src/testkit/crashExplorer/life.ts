import type { FileSystem, Store } from '../../index.ts';
import { Broken } from './ledger.ts';
import type { Side } from './side.ts';

/** A file system until its process dies: then every call of it fails, and what is there stays. */
function mortal(inner: FileSystem): { readonly view: FileSystem; readonly die: () => void } {
  let dead = false;
  const alive = <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (dead) throw Object.assign(new Error('EIO: the process is dead'), { code: 'EIO' });
      return call(...args);
    };
  };
  const view: FileSystem = {
    mkdir: alive((...args) => inner.mkdir(...args)),
    readdir: alive((path) => inner.readdir(path)),
    rename: alive((from, to) => inner.rename(from, to)),
    link: alive((from, to) => inner.link(from, to)),
    unlink: alive((path) => inner.unlink(path)),
    rmdir: alive((path) => inner.rmdir(path)),
    stat: alive((path) => inner.stat(path)),
    lstat: alive((path) => inner.lstat(path)),
    chmod: alive((path, mode) => inner.chmod(path, mode)),
    open: alive(async (...args) => {
      const handle = await inner.open(...args);
      return {
        write: alive((...given) => handle.write(...given)),
        read: alive((...given) => handle.read(...given)),
        stat: alive(() => handle.stat()),
        truncate: alive((length) => handle.truncate(length)),
        sync: alive(() => handle.sync()),
        datasync: alive(() => handle.datasync()),
        close: () => handle.close(),
      };
    }),
  };
  return { view, die: () => void (dead = true) };
}

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
  const { view, die } = mortal(inner);
  const store = await orBroken(open(view));
  return {
    store,
    die: async () => {
      die();
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
