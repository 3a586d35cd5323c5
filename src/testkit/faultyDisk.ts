import { type FileHandle, type FileSystem, realFileSystem } from '../index.ts';
import { type PortCall, type PortOperation, failure, type Fault } from './faultyDisk/call.ts';
import { FileNumbers } from './faultyDisk/fileNumbers.ts';

export { isSync, triesAfter } from './faultyDisk/afterFailure.ts';
export type { PortCall, PortOperation, Fault } from './faultyDisk/call.ts';
export { NthCall } from './faultyDisk/nthCall.ts';

type Details = Omit<PortCall, 'number' | 'op' | 'path' | 'file'> & { readonly file?: number };

interface Ways<T> {
  /** Moves half of the bytes. Default: as if nothing were wrong. */
  readonly short?: () => Promise<T>;
  /** What is done although the call fails at once. Default: nothing. */
  readonly refused?: () => Promise<void>;
  /** Lets go of what nobody is going to get, for the call is reported as failed. */
  readonly letGo?: (result: T) => Promise<void>;
  /** What a write is about to write. */
  readonly data?: Uint8Array;
}

/**
 * A disk that numbers and remembers the calls of the file-system port, passes them on, and makes
 * those fail that `fault` picks.
 */
export class FaultyDisk implements FileSystem {
  /** In the order in which they began; failed ones too. */
  readonly calls: PortCall[] = [];
  /**
   * Decides what becomes of a call before anything is done. Default: nothing fails. `data` is what a
   * write writes, and only good until this returns.
   */
  fault: (call: PortCall, data?: Uint8Array) => Fault | Promise<Fault> = () => undefined;
  /** Handles that were opened and not closed. */
  openHandles = 0;
  readonly #inner: FileSystem;
  readonly #files = new FileNumbers();
  #begun = 0;
  #handles = 0;
  #running = 0;
  #gate: PromiseWithResolvers<void> | undefined;

  constructor(inner: FileSystem = realFileSystem) {
    this.#inner = inner;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** Waits for calls under way and lets no other begin until the returned function is called. */
  async stop(): Promise<() => void> {
    const gate = Promise.withResolvers<void>();
    this.#gate = gate;
    while (this.#running > 0) await new Promise((resolve) => setImmediate(resolve));
    return () => {
      this.#gate = undefined;
      gate.resolve();
    };
  }

  async open(path: string, flags?: string | number, mode?: number): Promise<FileHandle> {
    const opened = await this.#do(
      'open',
      path,
      { flags },
      () => this.#inner.open(path, flags, mode),
      { letGo: (handle) => handle.close() },
    );
    this.openHandles++;
    return this.#handle(opened, path, flags);
  }

  #handle(inner: FileHandle, opened: string, flags: string | number | undefined): FileHandle {
    const place = this.#files.opened(opened);
    const handle = ++this.#handles;
    const on = <T>(op: PortOperation, work: () => Promise<T>, bytes = 0, ways?: Ways<T>) => {
      const { path, file } = place;
      return this.#do(op, path, { file, handle, flags, bytes }, work, ways);
    };
    return {
      write: (data, offset, length, position) =>
        on('write', () => inner.write(data, offset, length, position), length, {
          short: () => inner.write(data, offset, length >> 1, position),
          data: data.subarray(offset, offset + length),
        }),
      read: (into, offset, length, position) =>
        on('read', () => inner.read(into, offset, length, position), length, {
          short: () => inner.read(into, offset, Math.ceil(length / 2), position),
        }),
      stat: () => on('fstat', () => inner.stat()),
      truncate: (length) => on('truncate', () => inner.truncate(length)),
      sync: () => on('sync', () => inner.sync()),
      datasync: () => on('datasync', () => inner.datasync()),
      // The descriptor is gone even where closing it fails, as with the kernel's.
      close: () => {
        this.openHandles--;
        const close = () => inner.close();
        return on('close', close, 0, { refused: close }).finally(() => this.#files.closed(place));
      },
    };
  }

  mkdir: FileSystem['mkdir'] = (path, options) =>
    this.#do('mkdir', path, {}, () => this.#inner.mkdir(path, options));
  readdir: FileSystem['readdir'] = (path) =>
    this.#do('readdir', path, {}, () => this.#inner.readdir(path));
  rename: FileSystem['rename'] = (path, to) =>
    this.#do('rename', path, { to }, async () => {
      await this.#inner.rename(path, to);
      this.#files.renamed(path, to);
    });
  link: FileSystem['link'] = (path, to) =>
    this.#do('link', path, { to }, async () => {
      await this.#inner.link(path, to);
      this.#files.linked(path, to);
    });
  unlink: FileSystem['unlink'] = (path) =>
    this.#do('unlink', path, {}, async () => {
      await this.#inner.unlink(path);
      this.#files.removed(path);
    });
  rmdir: FileSystem['rmdir'] = (path) =>
    this.#do('rmdir', path, {}, async () => {
      await this.#inner.rmdir(path);
      this.#files.removed(path);
    });
  stat: FileSystem['stat'] = (path) => this.#do('stat', path, {}, () => this.#inner.stat(path));
  lstat: FileSystem['lstat'] = (path) => this.#do('lstat', path, {}, () => this.#inner.lstat(path));
  chmod: FileSystem['chmod'] = (path, mode) =>
    this.#do('chmod', path, {}, () => this.#inner.chmod(path, mode));
  symlink: FileSystem['symlink'] = (target, path) =>
    this.#do('symlink', path, {}, () => this.#inner.symlink(target, path));
  readlink: FileSystem['readlink'] = (path) =>
    this.#do('readlink', path, {}, () => this.#inner.readlink(path));
  realpath: FileSystem['realpath'] = (path) =>
    this.#do('realpath', path, {}, () => this.#inner.realpath(path));

  async #do<T>(
    op: PortOperation,
    path: string,
    details: Details,
    work: () => Promise<T>,
    { short, refused, letGo, data }: Ways<T> = {},
  ): Promise<T> {
    while (this.#gate !== undefined) await this.#gate.promise;
    const file = details.file ?? this.#files.of(path);
    const call: PortCall = { ...details, number: ++this.#begun, op, path, file };
    this.calls.push(call);
    this.#running++;
    try {
      const fault = await this.fault(call, data);
      if (fault === 'short' && short !== undefined) return await short();
      if (fault !== undefined && fault !== 'short' && fault !== 'late') {
        await refused?.();
        throw failure(fault, call);
      }
      const result = await work();
      if (fault !== 'late') return result;
      await letGo?.(result);
      throw failure('EIO', call);
    } finally {
      this.#running--;
    }
  }
}
