import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { StoreError } from '../../../errors.ts';
import {
  type FileHandle,
  type FileStat,
  type FileSystem,
  OPEN,
} from '../../../ports/fileSystem.ts';
import { systemCode } from '../storageError.ts';
import { attempt } from './disk.ts';
import { identityOf, type LinkPolicy, typeOf } from './entryType.ts';
import { unlessGone } from './walk.ts';

/** A folder on the way, as it was found; a path without links. */
interface Folder {
  readonly path: string;
  /** `undefined` for one that is not there. */
  readonly identity: string | undefined;
}

export interface Way {
  readonly root: string;
  /** The root, each folder below it on the way, and the end where that is a folder. */
  readonly folders: readonly Folder[];
  /** Absolute; no link is part of it, except its last name where links are kept. */
  readonly path: string;
  /** `undefined` where nothing is yet. */
  readonly stat: FileStat | undefined;
}

export interface WayOptions {
  readonly links: LinkPolicy;
  /** Go on, by name alone, where a folder is missing. Default `false`: `NOT_FOUND`. */
  readonly mayMiss?: boolean;
}

const LINKS_MAX = 40;
/** What opening says of a link that may not be followed, or of what is no folder. */
const NOT_A_FOLDER: ReadonlySet<unknown> = new Set(['ELOOP', 'ENOTDIR', 'ENOENT']);

/** Where the root is, and that it is a folder. */
export async function wayTo(fs: FileSystem, root: string): Promise<Way> {
  const path = await unlessGone(fs.realpath(root));
  if (path === undefined) throw new StoreError('NOT_FOUND', `there is no folder ${root}`);
  const stat = await fs.lstat(path);
  if (!stat.isDirectory()) throw new StoreError('INVALID_ARGUMENT', `${root} is not a folder`);
  return { root, folders: [{ path, identity: identityOf(stat) }], path, stat };
}

/**
 * Goes on from a folder, part by part. Links are followed by hand, so that none on the way is trusted,
 * and no step leads out of the root, not even to come back.
 */
export async function goOn(
  fs: FileSystem,
  { root, folders: from }: Way,
  parts: readonly string[],
  { links, mayMiss = false }: WayOptions,
): Promise<Way> {
  const folders = [...from];
  const rest = [...parts];
  let followed = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const folder = folders.at(-1) as Folder;
    if (name === '..') {
      if (folders.length === 1) throw refusal(root, parts, 'leads out of it');
      folders.pop();
      continue;
    }
    const path = join(folder.path, name);
    const stat = folder.identity === undefined ? undefined : await unlessGone(fs.lstat(path));
    const type = stat === undefined ? undefined : typeOf(stat);
    if (type === 'link' && links === 'follow') {
      if (++followed > LINKS_MAX) throw refusal(root, parts, `has over ${LINKS_MAX} links`);
      rest.unshift(...stepsOf(await fs.readlink(path), folders, root));
      continue;
    }
    if (type === 'link' && (links === 'refuse' || rest.length > 0)) {
      throw refusal(root, parts, `has a link in it, ${name}, which is not to be followed`);
    }
    if (rest.length === 0 && type !== 'folder') return { root, folders, path, stat };
    if (type === undefined && !mayMiss) {
      const replaced = await findReplaced(fs, { root, folders });
      if (replaced !== undefined) throw swapped({ root }, replaced);
      throw new StoreError('NOT_FOUND', `there is no folder ${path}`);
    }
    if (type !== undefined && type !== 'folder') {
      throw refusal(root, parts, `goes through ${name}, which is not a folder`);
    }
    folders.push({ path, identity: stat && identityOf(stat) });
  }
  const { path, identity } = folders.at(-1) as Folder;
  const stat = identity === undefined ? undefined : await unlessGone(fs.lstat(path));
  return { root, folders, path, stat };
}

/** Where a link would lead that stands at the end of this way; nothing need be there. */
export function leadTo(fs: FileSystem, way: Way, target: string): Promise<Way> {
  const folders = [...way.folders];
  const steps = stepsOf(target, folders, way.root);
  return goOn(fs, { ...way, folders }, steps, { links: 'follow', mayMiss: true });
}

/** The parts that a link stands for. One that is absolute begins again at the root. */
function stepsOf(target: string, folders: Folder[], root: string): readonly string[] {
  if (!isAbsolute(target)) return split(target);
  // Written by the name that the root was given, or by its real one.
  const below = [folders[0]?.path ?? root, resolve(root)]
    .map((top) => relative(top, target))
    .find((path) => !isAbsolute(path) && path.split(sep)[0] !== '..');
  if (below === undefined) throw refusal(root, [target], 'leads out of it');
  folders.length = 1;
  return split(below);
}

/** The parts of a path; `..` stays. */
export function split(path: string): readonly string[] {
  const parts = path.split(sep === '\\' ? /[\\/]/ : '/');
  return parts.filter((part) => part !== '' && part !== '.');
}

/**
 * The folders on a way, held open: so no other file gets their numbers, and a folder that was swapped
 * is told from the one that was found, also when it has been put back.
 */
export class HeldWay {
  readonly #fs: FileSystem;
  readonly #way: Way;
  readonly #handles: readonly FileHandle[];

  private constructor(fs: FileSystem, way: Way, handles: readonly FileHandle[]) {
    this.#fs = fs;
    this.#way = way;
    this.#handles = handles;
  }

  static async hold(fs: FileSystem, way: Way): Promise<HeldWay> {
    const handles: FileHandle[] = [];
    const held = new HeldWay(fs, way, handles);
    try {
      for (const { path, identity } of way.folders) {
        const handle = await opened(fs, path);
        if (handle === undefined) throw swapped(way, path);
        if (handle === 'denied') continue;
        handles.push(handle);
        if (identityOf(await handle.stat()) !== identity) throw swapped(way, path);
      }
      await held.check();
      return held;
    } catch (error) {
      await held.release();
      throw error;
    }
  }

  /** `VERSION_CONFLICT` unless each folder is still where it was, and no link is in its place. */
  readonly check = async (): Promise<void> => {
    const replaced = await findReplaced(this.#fs, this.#way);
    if (replaced !== undefined) throw swapped(this.#way, replaced);
  };

  async release(): Promise<void> {
    // Nothing was written to them, so closing has nothing to tell.
    for (const handle of this.#handles) await attempt(() => handle.close());
  }
}

/** A folder that is not where it was found, if there is one. */
async function findReplaced(
  fs: FileSystem,
  { root, folders }: Pick<Way, 'root' | 'folders'>,
): Promise<string | undefined> {
  if ((await unlessGone(fs.realpath(root))) !== folders[0]?.path) return root;
  for (const { path, identity } of folders) {
    const stat = await unlessGone(fs.lstat(path));
    if (stat?.isDirectory() !== true || identityOf(stat) !== identity) return path;
  }
  return undefined;
}

/** A folder that may be passed through need not be one that may be read. */
async function opened(fs: FileSystem, path: string): Promise<FileHandle | 'denied' | undefined> {
  try {
    return await fs.open(path, OPEN.realFolder);
  } catch (error) {
    const code = systemCode(error);
    if (NOT_A_FOLDER.has(code)) return undefined;
    if (code === 'EACCES' || code === 'EPERM' || code === 'EISDIR') return 'denied';
    throw error;
  }
}

export function swapped({ root }: Pick<Way, 'root'>, path: string, cause?: unknown): StoreError {
  const message = `${path} was replaced while it was in use: it may lead out of ${root} now`;
  return new StoreError('VERSION_CONFLICT', message, { cause });
}

function refusal(root: string, parts: readonly string[], why: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${parts.join('/')} in ${root} ${why}`);
}
