import { setImmediate } from 'node:timers/promises';
import type { FileHandle, FileSystem } from '../../../src/index.ts';
import type { SeededRandom } from '../../../src/testkit.ts';

/**
 * What happens once, at one of the calls. `killed`: the process ends there and then. Else the call is
 * reported as failed with this code (`late`: after it was done), or takes half (`short`).
 */
export interface Trouble {
  readonly how: 'killed' | 'EIO' | 'ENOSPC' | 'late' | 'short';
  /** At which of these calls, counted from 1. */
  readonly at: number;
  /** All calls while the store is opened; once it is open all, or the writes to the journal. */
  readonly among: 'opening' | 'all' | 'journal writes';
}

/**
 * The disk as one process sees it: every call takes some turns of the event loop, before it is done
 * and after, and one of them may meet trouble. After a kill nothing is done and nothing answers.
 */
export class TroubledDisk implements FileSystem {
  /** Resolves when the process is killed. */
  readonly killed: Promise<'killed'>;
  /** What trouble there was, in words, once it has come. */
  fate: string | undefined;
  /** Whether the store has been opened. */
  isServing = false;
  /** Whether the trouble hid a run file while the store was opened. */
  hasHiddenRuns = false;
  /** Calls, by what they did: `write journal`, `unlink runs`… */
  readonly counts = new Map<string, number>();
  readonly #inner: FileSystem;
  readonly #random: SeededRandom;
  readonly #turnsMax: number;
  readonly #trouble: Trouble | undefined;
  #seen = 0;
  #isDead = false;
  #kill: (how: 'killed') => void = () => undefined;

  /** `turnsMax`: how many turns of the event loop a call takes at most, before and after. */
  constructor(inner: FileSystem, random: SeededRandom, turnsMax: number, trouble?: Trouble) {
    this.#inner = inner;
    this.#random = random;
    this.#turnsMax = turnsMax;
    this.#trouble = trouble;
    this.killed = new Promise((resolve) => {
      this.#kill = resolve;
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  kill(): void {
    this.fate ??= 'killed';
    this.#isDead = true;
    this.#kill('killed');
  }

  async open(path: string, flags?: string | number, mode?: number): Promise<FileHandle> {
    const handle = await this.#do('open', path, () => this.#inner.open(path, flags, mode));
    return {
      write: (data, offset, length, position) =>
        this.#do(
          'write',
          path,
          () => handle.write(data, offset, length, position),
          () => handle.write(data, offset, this.#random.below(length + 1), position),
        ),
      read: (into, offset, length, position) =>
        this.#do('read', path, () => handle.read(into, offset, length, position)),
      stat: () => this.#do('fstat', path, () => handle.stat()),
      truncate: (length) => this.#do('truncate', path, () => handle.truncate(length)),
      sync: () => this.#do('sync', path, () => handle.sync()),
      datasync: () => this.#do('datasync', path, () => handle.datasync()),
      // The descriptor is gone even where closing it fails, as with the kernel's.
      close: () => this.#do('close', path, () => handle.close()),
    };
  }

  mkdir: FileSystem['mkdir'] = (path, options) =>
    this.#do('mkdir', path, () => this.#inner.mkdir(path, options));
  readdir: FileSystem['readdir'] = (path) =>
    this.#do('readdir', path, () => this.#inner.readdir(path));
  rename: FileSystem['rename'] = (from, to) =>
    this.#do('rename', from, () => this.#inner.rename(from, to));
  link: FileSystem['link'] = (from, to) => this.#do('link', from, () => this.#inner.link(from, to));
  unlink: FileSystem['unlink'] = (path) => this.#do('unlink', path, () => this.#inner.unlink(path));
  rmdir: FileSystem['rmdir'] = (path) => this.#do('rmdir', path, () => this.#inner.rmdir(path));
  stat: FileSystem['stat'] = (path) => this.#do('stat', path, () => this.#inner.stat(path));
  lstat: FileSystem['lstat'] = (path) => this.#do('lstat', path, () => this.#inner.lstat(path));
  chmod: FileSystem['chmod'] = (path, mode) =>
    this.#do('chmod', path, () => this.#inner.chmod(path, mode));
  symlink: FileSystem['symlink'] = (target, path) =>
    this.#do('symlink', path, () => this.#inner.symlink(target, path));
  readlink: FileSystem['readlink'] = (path) =>
    this.#do('readlink', path, () => this.#inner.readlink(path));
  realpath: FileSystem['realpath'] = (path) =>
    this.#do('realpath', path, () => this.#inner.realpath(path));

  async #do<T>(op: string, path: string, work: () => Promise<T>, part = work): Promise<T> {
    await this.#turns();
    if (this.#isDead) return never();
    this.#count(op, path);
    const how = this.#troubleOf(op, path);
    if (how === 'killed') return this.#die(work, part);
    if (how === 'EIO' || how === 'ENOSPC') throw failure(how, op, path);
    const result = await (how === 'short' ? part() : work());
    await this.#turns();
    if (this.#isDead) return never();
    if (how === 'late') throw failure('EIO', op, path);
    return result;
  }

  /** The call may have been done by then, in part, or not at all. */
  async #die<T>(work: () => Promise<T>, part: () => Promise<T>): Promise<T> {
    const last = this.#random.pick([work, part, undefined]);
    this.kill();
    await last?.();
    return never();
  }

  async #turns(): Promise<void> {
    for (let n = this.#random.below(this.#turnsMax + 1); n > 0; n--) await setImmediate();
  }

  #troubleOf(op: string, path: string): Trouble['how'] | undefined {
    const trouble = this.#trouble;
    if (trouble === undefined || this.fate !== undefined) return undefined;
    if (this.isServing === (trouble.among === 'opening')) return undefined;
    const isJournalWrite = op === 'write' && path.includes('journal');
    if (trouble.among === 'journal writes' && !isJournalWrite) return undefined;
    if (++this.#seen < trouble.at) return undefined;
    this.fate = `${trouble.how} at ${op} ${path}`;
    this.hasHiddenRuns = !this.isServing && path.includes('runs');
    return trouble.how;
  }

  #count(op: string, path: string): void {
    const what = `${op} ${/journal|runs|index/.exec(path)?.[0] ?? 'other'}`;
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

function failure(code: string, op: string, path: string): Error {
  return Object.assign(new Error(`${code}: injected into ${op} ${path}`), { code, syscall: op });
}

/** What a killed process was waiting for. */
function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
