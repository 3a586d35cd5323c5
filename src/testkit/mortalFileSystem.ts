import { type FileHandle, type FileSystem, realFileSystem } from '../index.ts';

/**
 * A file system as one process has it, until that dies: from then on every call fails with `EIO`, and
 * what is there stays. Only handles still close: a process that is gone holds none.
 */
export class MortalFileSystem implements FileSystem {
  readonly #inner: FileSystem;
  #isDead = false;
  #running = 0;

  constructor(inner: FileSystem = realFileSystem) {
    this.#inner = inner;
  }

  /** No call begins any more. Resolves when those under way have ended, as the kernel ends them. */
  async die(): Promise<void> {
    this.#isDead = true;
    while (this.#running > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async open(path: string, flags?: string | number, mode?: number): Promise<FileHandle> {
    const handle = await this.#do(() => this.#inner.open(path, flags, mode));
    return {
      write: (data, offset, length, position) =>
        this.#do(() => handle.write(data, offset, length, position)),
      read: (into, offset, length, position) =>
        this.#do(() => handle.read(into, offset, length, position)),
      stat: () => this.#do(() => handle.stat()),
      truncate: (length) => this.#do(() => handle.truncate(length)),
      sync: () => this.#do(() => handle.sync()),
      datasync: () => this.#do(() => handle.datasync()),
      close: () => handle.close(),
    };
  }

  mkdir: FileSystem['mkdir'] = (path, options) => this.#do(() => this.#inner.mkdir(path, options));
  readdir: FileSystem['readdir'] = (path) => this.#do(() => this.#inner.readdir(path));
  rename: FileSystem['rename'] = (path, to) => this.#do(() => this.#inner.rename(path, to));
  link: FileSystem['link'] = (path, to) => this.#do(() => this.#inner.link(path, to));
  unlink: FileSystem['unlink'] = (path) => this.#do(() => this.#inner.unlink(path));
  rmdir: FileSystem['rmdir'] = (path) => this.#do(() => this.#inner.rmdir(path));
  stat: FileSystem['stat'] = (path) => this.#do(() => this.#inner.stat(path));
  lstat: FileSystem['lstat'] = (path) => this.#do(() => this.#inner.lstat(path));
  chmod: FileSystem['chmod'] = (path, mode) => this.#do(() => this.#inner.chmod(path, mode));
  symlink: FileSystem['symlink'] = (target, path) =>
    this.#do(() => this.#inner.symlink(target, path));
  readlink: FileSystem['readlink'] = (path) => this.#do(() => this.#inner.readlink(path));
  realpath: FileSystem['realpath'] = (path) => this.#do(() => this.#inner.realpath(path));

  async #do<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isDead) throw Object.assign(new Error('EIO: the process is dead'), { code: 'EIO' });
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
    }
  }
}
