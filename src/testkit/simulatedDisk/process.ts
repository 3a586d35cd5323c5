import { constants } from 'node:fs';
import { dirname } from 'node:path/posix';
import type { FileHandle, FileSystem } from '../../index.ts';
import type { SeededRandom } from '../seededRandom.ts';
import { failure } from './failure.ts';
import type { Made, Names } from './names.ts';
import { OpenFile } from './openFile.ts';
import type { DiskEvent } from './surface.ts';

/** A call of the port, before it takes effect. */
export interface DiskCall {
  readonly op: string;
  readonly path: string;
  /** Of a write: its length. */
  readonly bytes?: number;
  /** Of a rename or link: the other name. */
  readonly to?: string;
  readonly flags?: string | number | undefined;
}

/**
 * What becomes of a call: `undefined`, it is done; `short`, half of the write is; anything else is the
 * code of the error that it fails with. A write or sync that failed leaves its bytes in doubt for good.
 */
export type DiskFault = 'short' | (string & {}) | undefined;

/** The disk, as a process uses it. */
export interface ProcessContext {
  readonly inner: FileSystem;
  readonly names: Names;
  readonly random: SeededRandom;
  readonly turnsMax: number;
  readonly fault: (call: DiskCall) => DiskFault;
  /** Takes an event down; returns its number. */
  readonly record: (event: DiskEvent) => number;
  /** How many events there were. */
  readonly count: () => number;
  /** How many of `length` bytes more find room. */
  readonly room: (length: number) => number;
  /** One at a time, so that effects and events have one order. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
}

const DURABLE = constants.O_DSYNC ?? 0;

/** The port as one process has it, until it dies: then every call of it fails. */
export class Process implements FileSystem {
  readonly context: ProcessContext;
  #dead = false;

  constructor(context: ProcessContext) {
    this.context = context;
  }

  die(): void {
    this.#dead = true;
  }

  /** One call: some turns, its effect, some turns. A process that died meanwhile learns nothing. */
  async call<T>(call: DiskCall, work: (fault: DiskFault) => Promise<T>): Promise<T> {
    await this.#turns(call);
    const result = await this.context.alone(() => work(this.context.fault(call)));
    await this.#turns(call);
    return result;
  }

  async #turns(call: DiskCall): Promise<void> {
    const { random, turnsMax } = this.context;
    for (let n = turnsMax === 0 ? 0 : random.below(turnsMax + 1); n > 0; n--)
      await Promise.resolve();
    if (this.#dead) throw failure('EIO', call, 'the process is dead');
  }

  #do<T>(call: DiskCall, work: () => Promise<T>): Promise<T> {
    return this.call(call, async (fault) => {
      if (fault !== undefined) throw failure(fault, call);
      return work();
    });
  }

  open(path: string, flags: string | number = 'r', mode?: number): Promise<FileHandle> {
    const call = { op: 'open', path, flags };
    return this.#do(call, async () => {
      const { inner, names, record } = this.context;
      const handle = await inner.open(path, flags, mode);
      const place = names.resolve(path, 'follow');
      const before = names.find(place);
      const inode = before ?? this.#make(place, { what: 'file' });
      const number = typeof flags === 'number' ? flags : 0;
      const truncates = typeof flags === 'number' ? number & constants.O_TRUNC : flags[0] === 'w';
      if (before !== undefined && truncates) record({ kind: 'truncate', inode, length: 0 });
      const isDurable = DURABLE !== 0 && (number & DURABLE) === DURABLE;
      return new OpenFile(this, call, { handle, inode, isDurable });
    });
  }

  mkdir: FileSystem['mkdir'] = (path, options) =>
    this.#do({ op: 'mkdir', path }, async () => {
      const { inner, names } = this.context;
      const above = names.resolve(dirname(path), 'follow');
      if (options?.recursive === true && names.find(above) === undefined) {
        throw failure('ENOSYS', { op: 'mkdir', path }, 'make one folder at a time');
      }
      const made = await inner.mkdir(path, options);
      const place = names.resolve(path);
      if (names.find(place) === undefined) this.#make(place, { what: 'folder' });
      return made;
    });

  rename: FileSystem['rename'] = (path, to) =>
    this.#do({ op: 'rename', path, to }, async () => {
      const { inner, names, record } = this.context;
      await inner.rename(path, to);
      const [old, given] = [names.resolve(path), names.resolve(to)];
      const [moved, replaced] = [names.find(old), names.find(given)];
      if (moved === undefined || moved === replaced) return;
      const [source, target] = [names.place(old), names.place(given)];
      names.set(source.folder, source.name, undefined);
      names.set(target.folder, target.name, moved);
      const gone = [source.name, undefined] as const;
      const come = [target.name, moved] as const;
      if (source.folder === target.folder) {
        record({ kind: 'names', inode: source.folder, names: [gone, come] });
        return;
      }
      // Two folders, which need not become durable together.
      record({ kind: 'names', inode: target.folder, names: [come] });
      record({ kind: 'names', inode: source.folder, names: [gone] });
    });

  link: FileSystem['link'] = (path, to) =>
    this.#do({ op: 'link', path, to }, async () => {
      await this.context.inner.link(path, to);
      this.#name(to, this.context.names.find(this.context.names.resolve(path)));
    });

  unlink: FileSystem['unlink'] = (path) =>
    this.#do({ op: 'unlink', path }, async () => {
      await this.context.inner.unlink(path);
      this.#name(path, undefined);
    });

  rmdir: FileSystem['rmdir'] = (path) =>
    this.#do({ op: 'rmdir', path }, async () => {
      await this.context.inner.rmdir(path);
      this.#name(path, undefined);
    });

  readdir: FileSystem['readdir'] = (path) =>
    this.#do({ op: 'readdir', path }, () => this.context.inner.readdir(path));

  stat: FileSystem['stat'] = (path) =>
    this.#do({ op: 'stat', path }, () => this.context.inner.stat(path));

  lstat: FileSystem['lstat'] = (path) =>
    this.#do({ op: 'lstat', path }, () => this.context.inner.lstat(path));

  symlink: FileSystem['symlink'] = (target, path) =>
    this.#do({ op: 'symlink', path }, async () => {
      await this.context.inner.symlink(target, path);
      this.#make(path, { what: 'link', target });
    });

  readlink: FileSystem['readlink'] = (path) =>
    this.#do({ op: 'readlink', path }, () => this.context.inner.readlink(path));

  realpath: FileSystem['realpath'] = (path) =>
    this.#do({ op: 'realpath', path }, () => this.context.inner.realpath(path));

  chmod: FileSystem['chmod'] = (path, mode) =>
    this.#do({ op: 'chmod', path }, () => this.context.inner.chmod(path, mode));

  #make(path: string, made: Made): number {
    const inode = this.context.names.make(made);
    this.context.record({ kind: 'make', inode, ...made });
    this.#name(path, inode);
    return inode;
  }

  #name(path: string, inode: number | undefined): void {
    const { names, record } = this.context;
    const { folder, name } = names.place(names.resolve(path));
    names.set(folder, name, inode);
    record({ kind: 'names', inode: folder, names: [[name, inode]] });
  }
}
