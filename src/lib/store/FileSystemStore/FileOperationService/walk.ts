import { join, posix, sep } from 'node:path';
import { StoreError } from '../../../errors.ts';
import type { FileStat, FileSystem } from '../../../ports/fileSystem.ts';
import { systemCode } from '../storageError.ts';
import { type EntryType, identityOf, type LinkPolicy, typeOf } from './entryType.ts';
import { temporaryKind } from './temporaries.ts';

/** What a walk has found, and what it has looked at. */
export interface Found {
  /** Below the root, with `/`. */
  readonly path: string;
  readonly type: EntryType;
  /** 1 for what is directly in the root. */
  readonly depth: number;
  readonly stat: FileStat;
  /** Absolute, and no link is part of it. */
  readonly real: string;
}

export interface WalkRules {
  readonly links: LinkPolicy;
  readonly depthMax: number;
  readonly entriesMax: number;
  /** How many levels are looked at; deeper is not an error. */
  readonly levels: number;
  readonly signal?: AbortSignal | undefined;
  readonly isIgnored: (path: string) => boolean;
  /** Whether to look into a folder. */
  readonly mayEnter: (path: string) => boolean;
  /** Told of what was listed, or entered, and is not there any more. */
  readonly onVanished: (path: string) => void;
}

/** A folder whose names are being gone through. */
interface Level {
  readonly path: string;
  readonly real: string;
  readonly depth: number;
  readonly identity: string;
  readonly above: Level | undefined;
  readonly names: readonly string[];
  next: number;
  /** Looked at already, not given yet. */
  ahead: readonly Found[];
}

/** So many are looked at together: what a disk does at the same time, and little memory. */
const AHEAD = 32;
/** What a name becomes that is not UTF-8; nothing can be asked of it. */
const UNREADABLE = '\ufffd';
const GONE: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR']);

/**
 * Everything below a folder: a folder before what is in it, names in the order of their code points.
 * In memory are the names of the folders on the way to the present one, never the tree.
 */
export async function* walk(
  fs: FileSystem,
  root: string,
  rules: WalkRules,
): AsyncGenerator<Found, void, undefined> {
  const real = await fs.realpath(root);
  const stat = await fs.lstat(real);
  if (!stat.isDirectory()) throw new StoreError('INVALID_ARGUMENT', `${root} is not a folder`);
  const walker = new Walker(fs, root, real, rules);
  let level = await walker.enter({ path: '', real, depth: 0, stat, type: 'folder' }, undefined);
  for (let seen = 0; level !== undefined;) {
    rules.signal?.throwIfAborted();
    const found: Found | undefined = await walker.next(level);
    if (found === undefined) {
      level = level.above;
      continue;
    }
    if (++seen > rules.entriesMax) {
      throw limit(`${root} has more than ${rules.entriesMax} entries`);
    }
    yield found;
    if (found.type === 'folder' && found.depth < rules.levels && rules.mayEnter(found.path)) {
      level = (await walker.enter(found, level)) ?? level;
    }
  }
}

class Walker {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #real: string;
  readonly #rules: WalkRules;

  constructor(fs: FileSystem, root: string, real: string, rules: WalkRules) {
    this.#fs = fs;
    this.#root = root;
    this.#real = real;
    this.#rules = rules;
  }

  /** `undefined` for one that has vanished. */
  async enter({ path, real, depth, stat }: Found, above: Level | undefined) {
    const { depthMax, onVanished } = this.#rules;
    if (depth >= depthMax)
      throw limit(`${path} in ${this.#root} is deeper than ${depthMax} levels`);
    const names = await unlessGone(this.#fs.readdir(real));
    const level: Level = {
      path,
      real,
      depth,
      identity: identityOf(stat),
      above,
      names: names?.filter((name) => temporaryKind(name) === undefined).toSorted(byCodePoint) ?? [],
      next: 0,
      ahead: [],
    };
    if (names !== undefined && (await this.#isStill(level))) return level;
    onVanished(path);
    return undefined;
  }

  async next(level: Level): Promise<Found | undefined> {
    while (level.ahead.length === 0 && level.next < level.names.length) await this.#look(level);
    const [found, ...ahead] = level.ahead;
    level.ahead = ahead;
    return found;
  }

  /** Nothing is given before it is sure that the folder is the one that was entered. */
  async #look(level: Level): Promise<void> {
    const names = level.names.slice(level.next, level.next + AHEAD);
    level.next += names.length;
    const found = await Promise.all(names.map((name) => this.#find(level, name)));
    if (await this.#isStill(level)) {
      level.ahead = found.filter((entry) => entry !== undefined);
      return;
    }
    level.next = level.names.length;
    this.#rules.onVanished(level.path);
  }

  async #find(level: Level, name: string): Promise<Found | undefined> {
    const path = level.path === '' ? name : `${level.path}/${name}`;
    if (this.#rules.isIgnored(path)) return undefined;
    const real = join(level.real, name);
    const stat = await unlessGone(this.#fs.lstat(real));
    if (stat === undefined) {
      if (name.includes(UNREADABLE)) {
        throw new StoreError('UNSUPPORTED', `${level.real} has a name that is not UTF-8: ${name}`);
      }
      this.#rules.onVanished(path);
      return undefined;
    }
    const found: Found = { path, real, stat, depth: level.depth + 1, type: typeOf(stat) };
    return found.type === 'link' ? this.#followed(found, level) : found;
  }

  /** What a link stands for. One that leads nowhere, or back to a folder that it is in, stays a link. */
  async #followed(link: Found, level: Level): Promise<Found> {
    const { links } = this.#rules;
    if (links === 'keep') return link;
    if (links === 'refuse') throw refusal(this.#root, link.path, 'is a link');
    const real = await unlessGone(this.#fs.realpath(link.real), 'ELOOP');
    if (real === undefined) return link;
    if (!isWithin(real, this.#real)) {
      throw refusal(this.#root, link.path, 'is a link that leads out');
    }
    const stat = await unlessGone(this.#fs.lstat(real));
    if (stat === undefined) return link;
    const isCircle = stat.isDirectory() && isInside(identityOf(stat), real, level);
    return isCircle ? link : { ...link, real, stat, type: typeOf(stat) };
  }

  /**
   * `false` when another folder is there now, or none. A link in its place, or in that of a folder
   * above it, is refused: what was read may be from anywhere.
   */
  async #isStill(level: Level): Promise<boolean> {
    const real = await unlessGone(this.#fs.realpath(level.real), 'ELOOP');
    if (real === undefined) return false;
    if (real !== level.real) {
      const message = `${level.path || '.'} in ${this.#root} was replaced by a link meanwhile`;
      throw new StoreError('VERSION_CONFLICT', message);
    }
    const stat = await unlessGone(this.#fs.lstat(real));
    return stat !== undefined && identityOf(stat) === level.identity;
  }
}

/** Whether a path is `folder` or below it; both are absolute and real. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** By number and by path: a file system need not number its folders. */
function isInside(identity: string, real: string, level: Level | undefined): boolean {
  if (level === undefined) return false;
  return (
    level.real === real || isNumbered(level, identity) || isInside(identity, real, level.above)
  );
}

function isNumbered({ identity }: Level, other: string): boolean {
  return identity === other && !identity.endsWith(':0');
}

/** `undefined` where there is nothing; `also` is another code that says so. */
export async function unlessGone<T>(work: Promise<T>, also?: string): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = systemCode(error);
    if (GONE.has(code) || code === also) return undefined;
    throw error;
  }
}

/** UTF-16 sorts what is above U+FFFF before U+E000; UTF-8 does not. */
export function byCodePoint(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let n = 0; n < end; n++) {
    const [x, y] = [a.charCodeAt(n), b.charCodeAt(n)];
    if (x === y) continue;
    return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

function limit(message: string): StoreError {
  return new StoreError('LIMIT_EXCEEDED', message);
}

function refusal(root: string, path: string, why: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${posix.join('.', path)} in ${root} ${why}`);
}
