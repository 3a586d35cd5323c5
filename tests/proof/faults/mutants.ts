import type { FileHandle, FileSystem, Store } from '../../../src/index.ts';
import type { Mutant } from './world.ts';

/** The same file system, with other handles. */
const withHandles =
  (change: (handle: Free) => Partial<FileHandle>) =>
  (disk: FileSystem): FileSystem => ({
    ...portOf(disk),
    async open(path, flags, mode) {
      const handle = freed(await disk.open(path, flags, mode));
      return { ...handle, ...change(handle) };
    },
  });

/** A handle whose calls can be passed around. */
type Free = {
  readonly [Name in keyof FileHandle]: (
    this: void,
    ...args: Parameters<FileHandle[Name]>
  ) => ReturnType<FileHandle[Name]>;
};

function freed(handle: FileHandle): Free {
  return {
    write: (...args) => handle.write(...args),
    read: (...args) => handle.read(...args),
    stat: () => handle.stat(),
    truncate: (length) => handle.truncate(length),
    sync: () => handle.sync(),
    datasync: () => handle.datasync(),
    close: () => handle.close(),
  };
}

/** The calls of a port as properties, wherever its class has them. */
function portOf(disk: FileSystem): FileSystem {
  return {
    open: (...args) => disk.open(...args),
    mkdir: (...args) => disk.mkdir(...args),
    readdir: (path) => disk.readdir(path),
    rename: (from, to) => disk.rename(from, to),
    link: (from, to) => disk.link(from, to),
    unlink: (path) => disk.unlink(path),
    rmdir: (path) => disk.rmdir(path),
    stat: (path) => disk.stat(path),
    lstat: (path) => disk.lstat(path),
    chmod: (path, mode) => disk.chmod(path, mode),
    symlink: (target, path) => disk.symlink(target, path),
    readlink: (path) => disk.readlink(path),
    realpath: (path) => disk.realpath(path),
  };
}

/** What a call does once more, or leaves, after it has failed. */
const onFailure =
  <Args extends unknown[], T>(
    call: (...args: Args) => Promise<T>,
    then: (...args: Args) => T | Promise<T>,
  ) =>
  async (...args: Args): Promise<T> => {
    try {
      return await call(...args);
    } catch {
      return then(...args);
    }
  };

const withDelete =
  (change: (deleted: Promise<void>) => Promise<void>) =>
  (store: Store): Store => {
    const { runs } = store;
    const remove: Store['runs']['delete'] = (...args) => change(runs.delete(...args));
    const changed = new Proxy(runs, {
      get: (target, name) => (name === 'delete' ? remove : bound(target, name)),
    });
    return new Proxy(store, {
      get: (target, name) => (name === 'runs' ? changed : bound(target, name)),
    });
  };

/** Private fields are found on the object itself only. */
function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}

/** Broken on purpose, each in one way that must be noticed. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'takes a failed sync for done': {
    port: withHandles((handle) => ({
      sync: onFailure(handle.sync, () => undefined),
      datasync: onFailure(handle.datasync, () => undefined),
      write: onFailure(handle.write, (_data, _offset, length) => ({ bytesWritten: length })),
    })),
  },
  'tries again after a failed sync': {
    port: withHandles((handle) => ({
      sync: onFailure(handle.sync, handle.sync),
      datasync: onFailure(handle.datasync, handle.datasync),
      write: onFailure(handle.write, handle.write),
    })),
  },
  'takes a short write for whole': {
    port: withHandles((handle) => ({
      async write(data, offset, length, position) {
        await handle.write(data, offset, length, position);
        return { bytesWritten: length };
      },
    })),
  },
  'leaves files open where reading them failed': {
    port: withHandles((handle) => {
      let failed = false;
      return {
        read: onFailure(handle.read, (...args) => {
          failed = true;
          return handle.read(...args).then(() => Promise.reject(new Error('it failed before')));
        }),
        close: () => (failed ? Promise.resolve() : handle.close()),
      };
    }),
  },
  'acknowledges before it is durable': {
    store: withDelete((deleted) => {
      deleted.catch(() => undefined);
      return Promise.resolve();
    }),
  },
  'lets the errors of the disk through': {
    store: withDelete((deleted) =>
      deleted.catch((error: unknown) => {
        throw (error as Error).cause;
      }),
    ),
  },
  'leaves a rejection unhandled': {
    store: withDelete((deleted) => {
      void deleted.then(() => undefined);
      return deleted;
    }),
  },
};
