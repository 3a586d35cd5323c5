import {
  type FileHandle,
  type FileSystem,
  realFileSystem,
} from '../../src/lib/ports/fileSystem.ts';

export interface Counts {
  opens: number;
  reads: number;
  writes: number;
  syncs: number;
  bytesRead: number;
  bytesWritten: number;
}

/** The real file system, counting. It copies nothing and so costs next to nothing. */
export function countingFileSystem(): {
  readonly fileSystem: FileSystem;
  readonly counts: Counts;
} {
  const counts: Counts = {
    opens: 0,
    reads: 0,
    writes: 0,
    syncs: 0,
    bytesRead: 0,
    bytesWritten: 0,
  };
  const fileSystem: FileSystem = {
    mkdir: (path, options) => realFileSystem.mkdir(path, options),
    readdir: (path) => realFileSystem.readdir(path),
    rename: (from, to) => realFileSystem.rename(from, to),
    link: (existing, path) => realFileSystem.link(existing, path),
    unlink: (path) => realFileSystem.unlink(path),
    rmdir: (path) => realFileSystem.rmdir(path),
    stat: (path) => realFileSystem.stat(path),
    lstat: (path) => realFileSystem.lstat(path),
    chmod: (path, mode) => realFileSystem.chmod(path, mode),
    symlink: (target, path) => realFileSystem.symlink(target, path),
    readlink: (path) => realFileSystem.readlink(path),
    realpath: (path) => realFileSystem.realpath(path),
    async open(path, flags, mode) {
      counts.opens += 1;
      return countingHandle(await realFileSystem.open(path, flags, mode), counts);
    },
  };
  return { fileSystem, counts };
}

function countingHandle(handle: FileHandle, counts: Counts): FileHandle {
  return {
    async write(data, offset, length, position) {
      counts.writes += 1;
      const result = await handle.write(data, offset, length, position);
      counts.bytesWritten += result.bytesWritten;
      return result;
    },
    async read(into, offset, length, position) {
      counts.reads += 1;
      const result = await handle.read(into, offset, length, position);
      counts.bytesRead += result.bytesRead;
      return result;
    },
    sync() {
      counts.syncs += 1;
      return handle.sync();
    },
    datasync() {
      counts.syncs += 1;
      return handle.datasync();
    },
    stat: () => handle.stat(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}
