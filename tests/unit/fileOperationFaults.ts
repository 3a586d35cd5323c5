import type { FileHandle, FileSystem } from '../../src/lib/ports/fileSystem.ts';

export interface Faults {
  readonly fs: FileSystem;
  /** How many operations failed so far. */
  readonly fired: number;
  /** How many operations were begun. */
  readonly operations: number;
}

export interface FaultPlan {
  /** The operation that fails, counted from 1. */
  readonly nth: number;
  readonly code?: string;
  /** Every later operation fails as well, as after the death of the process. */
  readonly persistent?: boolean;
  /** Only operations with one of these names count. */
  readonly only?: readonly string[];
  /** A write takes half of its bytes and resolves, instead of failing. */
  readonly shortWrite?: boolean;
}

const SHORT = Symbol('short write');

/** `inner`, with the nth operation made to fail: every method of the port and of its handles. */
export function faulty(inner: FileSystem, plan: FaultPlan): Faults {
  let operations = 0;
  let fired = 0;
  const strike = (name: string): typeof SHORT | undefined => {
    if (plan.only !== undefined && !plan.only.includes(name)) return undefined;
    operations++;
    if (operations < plan.nth || (operations > plan.nth && plan.persistent !== true)) {
      return undefined;
    }
    fired++;
    if (plan.shortWrite === true && name === 'write') return SHORT;
    const code = plan.code ?? 'EIO';
    throw Object.assign(new Error(`${code}: injected into ${name}`), { code, syscall: name });
  };
  const handleOf = (handle: FileHandle): FileHandle => ({
    write: async (data, offset, length, position) => {
      const short = strike('write') === SHORT;
      return handle.write(data, offset, short ? length >> 1 : length, position);
    },
    read: async (into, offset, length, position) => {
      strike('read');
      return handle.read(into, offset, length, position);
    },
    stat: async () => after(strike('fstat'), () => handle.stat()),
    truncate: async (length) => after(strike('truncate'), () => handle.truncate(length)),
    sync: async () => after(strike('sync'), () => handle.sync()),
    datasync: async () => after(strike('datasync'), () => handle.datasync()),
    // The descriptor is gone even where closing it fails, as with the kernel's.
    close: async () => {
      await handle.close();
      strike('close');
    },
  });
  const fs: FileSystem = {
    open: async (path, flags, mode) =>
      handleOf(await after(strike('open'), () => inner.open(path, flags, mode))),
    mkdir: async (path, options) => after(strike('mkdir'), () => inner.mkdir(path, options)),
    readdir: async (path) => after(strike('readdir'), () => inner.readdir(path)),
    rename: async (from, to) => after(strike('rename'), () => inner.rename(from, to)),
    link: async (existing, path) => after(strike('link'), () => inner.link(existing, path)),
    unlink: async (path) => after(strike('unlink'), () => inner.unlink(path)),
    rmdir: async (path) => after(strike('rmdir'), () => inner.rmdir(path)),
    stat: async (path) => after(strike('stat'), () => inner.stat(path)),
    lstat: async (path) => after(strike('lstat'), () => inner.lstat(path)),
    chmod: async (path, mode) => after(strike('chmod'), () => inner.chmod(path, mode)),
    symlink: async (target, path) => after(strike('symlink'), () => inner.symlink(target, path)),
    readlink: async (path) => after(strike('readlink'), () => inner.readlink(path)),
    realpath: async (path) => after(strike('realpath'), () => inner.realpath(path)),
  };
  return {
    fs,
    get fired() {
      return fired;
    },
    get operations() {
      return operations;
    },
  };
}

function after<T>(_struck: unknown, work: () => Promise<T>): Promise<T> {
  return work();
}
