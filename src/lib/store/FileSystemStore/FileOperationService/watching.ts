import { join, relative, sep } from 'node:path';
import { dirname } from 'node:path/posix';
import { isStoreError, StoreError } from '../../../errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { FileSystem } from '../../../ports/fileSystem.ts';
import { identityOf, typeOf } from './entryType.ts';
import { guard } from './guard.ts';
import type { WatchHints } from './hints.ts';
import { compile } from './patterns.ts';
import { Pending, type Work } from './pending.ts';
import { type FileChange, type Look, Picture } from './picture.ts';
import { digestOf } from './streams.ts';
import { temporaryKind } from './temporaries.ts';
import type { FileTree } from './tree.ts';
import { type Found, isWithin, unlessGone } from './walk.ts';
import type { WatchOptions } from './watch.ts';

interface World {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly tree: FileTree;
}

interface Settings extends WatchOptions {
  readonly settleMs: number;
  readonly rescanMs: number;
  readonly hints: WatchHints;
}

/** The folder that is watched, as long as it is the same one. */
interface Root {
  readonly real: string;
  readonly identity: string;
  readonly stop: () => Promise<void>;
}

/**
 * One watch.
 *
 *     hints listen ──► rescan ──► wait ──► look at paths ──► wait …
 *                        ▲         └──► something was missed ──┐
 *                        └────────────────────────────────────┘
 */
export class Watching {
  readonly #world: World;
  readonly #path: string;
  readonly #settings: Settings;
  readonly #pending: Pending;
  readonly #picture = new Picture();
  #root: Root | undefined;
  /** Whether the last rescan came to its end. */
  #isWhole = false;
  #isIgnored: (path: string) => boolean = () => false;

  constructor(world: World, path: string, settings: Settings) {
    this.#world = world;
    this.#path = path;
    this.#settings = settings;
    this.#pending = new Pending(world.clock, settings);
  }

  async *changes(): AsyncGenerator<FileChange, void, undefined> {
    const { ignore = [], signal, initial = false, onReady } = this.#settings;
    this.#isIgnored = (await compile(ignore, { dot: true })).match;
    if (!(await this.#listen())) {
      throw new StoreError('NOT_FOUND', `there is no folder ${this.#path}`);
    }
    let isReady = false;
    let work: Work | undefined = 'all';
    for (; work !== undefined; work = await this.#pending.next(signal)) {
      for await (const changes of work === 'all' ? this.#rescan() : this.#lookAt(work)) {
        if (isReady || initial) yield* changes;
        if (signal?.aborted === true) return;
      }
      if (isReady || !this.#isWhole) continue;
      isReady = true;
      onReady?.();
    }
  }

  async stop(): Promise<void> {
    this.#pending.stop();
    await this.#root?.stop();
  }

  /** Whether the folder is there. Another one of that name is listened to anew. */
  async #listen(): Promise<boolean> {
    const { fs } = this.#world;
    const what = `watching ${this.#path}`;
    const real = await guard(what, () => unlessGone(fs.realpath(this.#path)));
    const stat =
      real === undefined ? undefined : await guard(what, () => unlessGone(fs.lstat(real)));
    const isThere = real !== undefined && stat?.isDirectory() === true;
    const identity = isThere ? `${real} ${identityOf(stat)}` : '';
    if (this.#root?.identity === identity) return true;
    await this.#root?.stop();
    this.#root = undefined;
    if (!isThere) return false;
    this.#root = { real, identity, stop: await this.#hear(real) };
    return true;
  }

  #hear(real: string): Promise<() => Promise<void>> {
    const { hints, keepAlive = false, onTrouble } = this.#settings;
    const listener = {
      changed: (path: string) => {
        if (isWithin(path, real) && path !== real) this.#pending.changed(pathBelow(real, path));
      },
      missed: (cause?: unknown) => {
        if (cause !== undefined) onTrouble?.(cause);
        this.#pending.missed();
      },
    };
    const isIgnored = (path: string) => path !== real && this.#isPassedOver(pathBelow(real, path));
    return hints(real, listener, { isIgnored, keepAlive });
  }

  #isPassedOver(path: string): boolean {
    const parts = path.split('/');
    return parts.some(
      (name, n) =>
        temporaryKind(name) !== undefined || this.#isIgnored(parts.slice(0, n + 1).join('/')),
    );
  }

  /** All of it. What is not there any more is told at the end. */
  async *#rescan(): AsyncGenerator<readonly FileChange[], void, undefined> {
    this.#picture.begin();
    this.#isWhole = !(await this.#listen()) || (yield* this.#walk(''));
    if (this.#isWhole) yield this.#picture.unseen();
  }

  /** `false` when it could not be brought to an end, and will be begun anew. */
  async *#walk(below: string): AsyncGenerator<readonly FileChange[], boolean, undefined> {
    const { entriesMax, ignore, signal } = this.#settings;
    const root = join(this.#root?.real ?? this.#path, below);
    const ignored = below === '' ? { ignore } : {};
    try {
      for await (const found of this.#world.tree.find(root, { entriesMax, signal, ...ignored })) {
        // It has become a link in this moment.
        if (!isWithin(found.real, root)) throw new StoreError('VERSION_CONFLICT', `${root} moved`);
        const path = below === '' ? found.path : `${below}/${found.path}`;
        if (below !== '' && this.#isPassedOver(path)) continue;
        const look = await this.#look(found);
        if (look !== undefined) yield this.#picture.see(path, look);
      }
      return true;
    } catch (error) {
      if (isStoreError(error, 'ABORTED')) return false;
      // The folder has gone, or was replaced, while it was walked.
      if (!isStoreError(error, 'NOT_FOUND') && !isStoreError(error, 'VERSION_CONFLICT'))
        throw error;
      this.#pending.missed();
      return false;
    }
  }

  async *#lookAt(paths: readonly string[]): AsyncGenerator<readonly FileChange[], void, undefined> {
    for (const path of paths) yield* this.#lookAtOne(path);
  }

  async *#lookAtOne(path: string): AsyncGenerator<readonly FileChange[], void, undefined> {
    const root = this.#root?.real;
    if (root === undefined || this.#isPassedOver(path)) return;
    const above = dirname(path);
    // A folder that is new, or is a link now, is looked at as a whole.
    if (above !== '.' && !(await this.#isFolder(root, above))) return yield* this.#lookAtOne(above);
    const real = join(root, path);
    const { fs } = this.#world;
    const stat = await guard(`looking at ${real}`, () => unlessGone(fs.lstat(real)));
    const found = stat && { path, real, stat, depth: 1, type: typeOf(stat) };
    const look = found && (await this.#look(found));
    if (look === undefined) return yield this.#picture.remove(path);
    const isNew = this.#picture.entryAt(path) !== look.entry;
    yield this.#picture.see(path, look);
    if (isNew && look.entry === 'folder') yield* this.#walk(path);
  }

  async #isFolder(root: string, path: string): Promise<boolean> {
    if (this.#picture.entryAt(path) !== 'folder') return false;
    const real = join(root, path);
    const found = await guard(`looking at ${real}`, () =>
      unlessGone(this.#world.fs.realpath(real), 'ELOOP'),
    );
    return found === real;
  }

  /** `undefined` for what has gone meanwhile. */
  async #look({ type, stat, real }: Found): Promise<Look | undefined> {
    if (type === 'folder') return { entry: type, mark: '' };
    if (type !== 'file' || this.#settings.digest !== true) {
      return { entry: type, mark: `${stat.size} ${stat.mtimeMs} ${identityOf(stat)}` };
    }
    const { fs } = this.#world;
    const mark = await guard(`reading ${real}`, () => unlessGone(digestOf(fs, real)));
    return mark === undefined ? undefined : { entry: type, mark };
  }
}

function pathBelow(root: string, path: string): string {
  const below = relative(root, path);
  return sep === '/' ? below : below.replaceAll(sep, '/');
}
