import { StoreError } from '../../../errors.ts';
import type { FileSystem } from '../../../ports/fileSystem.ts';
import { storageError, systemCode } from '../storageError.ts';
import type { EntryType, LinkPolicy } from './entryType.ts';
import { compile } from './patterns.ts';
import { type Found, walk, type WalkRules } from './walk.ts';

export type { EntryType, LinkPolicy } from './entryType.ts';

export interface TreeEntry {
  /** Relative to the root, with `/` on every system. */
  readonly path: string;
  readonly type: EntryType;
  /** Bytes, of a file. */
  readonly size?: number;
  /** 1 for what is directly in the root. */
  readonly depth: number;
}

export interface WalkOptions {
  /** A folder at this depth that would be entered is `LIMIT_EXCEEDED`. Default 100. */
  readonly depthMax?: number | undefined;
  /** More entries than this that are not ignored are `LIMIT_EXCEEDED`. Default 1,000,000. */
  readonly entriesMax?: number | undefined;
  /** How many levels to look at: 1 for the folder alone. Deeper is no error. Default: all. */
  readonly levels?: number | undefined;
  /**
   * Default `keep`: a link is an entry of type `link`. With `follow` what it leads to takes its place;
   * a link to nothing, or to a folder that it is in, stays a link.
   */
  readonly links?: LinkPolicy | undefined;
  /** Patterns of what is passed over, with all below it: `['.git', '**\/node_modules']`. */
  readonly ignore?: string | readonly string[] | undefined;
  /**
   * What to do about a file or folder that goes away in the middle. Default `skip`. `fail`:
   * `NOT_FOUND`. A function is told its path, and the walk goes on unless it throws.
   */
  readonly vanished?: 'skip' | 'fail' | ((path: string) => void) | undefined;
  /** `ABORTED`, looked at before each entry. */
  readonly signal?: AbortSignal | undefined;
}

export interface GlobOptions extends WalkOptions {
  /** Whether `*` and `**` match names that begin with a dot. Default `false`. */
  readonly dot?: boolean | undefined;
}

const DEPTH_MAX = 100;
const ENTRIES_MAX = 1_000_000;

/**
 * What is below a folder, one entry after the other: a folder before what is in it, names in the order
 * of their code points, the same on every disk. Unfinished files of this service are passed over.
 *
 * Memory holds the names of the folders that lead to the present entry, however large the tree is. The
 * names of one folder are read as a whole: `readdir` has no other way that every disk knows.
 *
 * While it is walked, a tree may change: what is added behind is not seen, what moves may be seen twice.
 * A folder in whose place somebody puts a link is `VERSION_CONFLICT`, and nothing of what is behind the
 * link is given. `NOT_FOUND` without a root, `STORAGE_FAILED` where something cannot be read, and
 * `UNSUPPORTED` for a name that is not UTF-8.
 */
export class FileTree {
  readonly #fs: FileSystem;

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  /** Everything, except what is ignored. */
  async *walk(root: string, options: WalkOptions = {}): AsyncGenerator<TreeEntry, void, undefined> {
    for await (const found of this.find(root, options)) yield entryOf(found);
  }

  /**
   * What matches one of the patterns, folders too: `**\/*.ts`, `{src,tests}/*`. Folders in which
   * nothing can match are not read. `entriesMax` counts all that is looked at. A pattern that is
   * absolute, leads out, or begins with `!` is `INVALID_ARGUMENT`.
   */
  async *glob(
    root: string,
    patterns: string | readonly string[],
    options: GlobOptions = {},
  ): AsyncGenerator<TreeEntry, void, undefined> {
    const { match, mayMatchBelow } = await compile(patterns, { dot: options.dot ?? false });
    for await (const found of this.find(root, options, mayMatchBelow)) {
      if (match(found.path)) yield entryOf(found);
    }
  }

  /** `walk`, with what was looked at. For other parts of this service. */
  async *find(
    root: string,
    options: WalkOptions = {},
    mayEnter: WalkRules['mayEnter'] = () => true,
  ): AsyncGenerator<Found, void, undefined> {
    const { signal } = options;
    const vanishing = new Vanishing(root, options.vanished ?? 'skip');
    const rules: WalkRules = {
      links: options.links ?? 'keep',
      depthMax: options.depthMax ?? DEPTH_MAX,
      entriesMax: options.entriesMax ?? ENTRIES_MAX,
      levels: options.levels ?? Infinity,
      isIgnored: (await compile(options.ignore ?? [], { dot: true })).match,
      mayEnter,
      onVanished: vanishing.tell,
      signal,
    };
    try {
      yield* walk(this.#fs, root, rules);
    } catch (error) {
      if (signal?.aborted === true && error === signal.reason) {
        throw new StoreError('ABORTED', `walking ${root} was aborted`, { cause: error });
      }
      if (error === vanishing.refusal) throw error;
      if (systemCode(error) !== 'ENOENT') throw storageError(error, `walking ${root}`);
      throw new StoreError('NOT_FOUND', `there is no folder ${root}`, { cause: error });
    }
  }
}

/** What is said about what goes away, and what the one who was told has thrown. */
class Vanishing {
  refusal: unknown = undefined;
  readonly #root: string;
  readonly #how: NonNullable<WalkOptions['vanished']>;

  constructor(root: string, how: NonNullable<WalkOptions['vanished']>) {
    this.#root = root;
    this.#how = how;
  }

  readonly tell = (path: string): void => {
    if (this.#how === 'skip') return;
    try {
      if (this.#how !== 'fail') return this.#how(path);
      throw new StoreError('NOT_FOUND', `${path || '.'} in ${this.#root} has vanished meanwhile`);
    } catch (error) {
      this.refusal = error;
      throw error;
    }
  };
}

function entryOf({ path, type, depth, stat }: Found): TreeEntry {
  return type === 'file' ? { path, type, size: stat.size, depth } : { path, type, depth };
}
