import type { Clock } from '../../../ports/clock.ts';
import { type FileSystem, realFileSystem } from '../../../ports/fileSystem.ts';
import { noHints, systemHints, type WatchHints } from './hints.ts';
import type { FileChange } from './picture.ts';
import type { FileTree } from './tree.ts';
import { Watching } from './watching.ts';

export type { HintListener, WatchHints } from './hints.ts';
export type { FileChange } from './picture.ts';

export interface WatchOptions {
  /** Ends the watch, without an error. */
  readonly signal?: AbortSignal | undefined;
  /**
   * A path that was hinted at is looked at when it has been quiet for so long (up to twice that), or
   * has not for ten times that. Default 50 ms.
   */
  readonly settleMs?: number | undefined;
  /** How often all is looked at, whether something was hinted at or not. Default 60 s. */
  readonly rescanMs?: number | undefined;
  /** Patterns of what is passed over, with all below it, as for `files.tree.walk`. */
  readonly ignore?: string | readonly string[] | undefined;
  /**
   * Tell changes by SHA-256: a file has changed exactly when its bytes have, whatever its size and time
   * say. Every file is read at the beginning and by every rescan. Default `false`.
   */
  readonly digest?: boolean | undefined;
  /** Begin with an `added` for everything that is there. Default `false`. */
  readonly initial?: boolean | undefined;
  /** Whether the watch keeps the process alive. Default `false`. */
  readonly keepAlive?: boolean | undefined;
  /** More entries than this are `LIMIT_EXCEEDED`: each takes some memory. Default 1,000,000. */
  readonly entriesMax?: number | undefined;
  /** Called once, when the picture is complete: what changes from here on is told. */
  readonly onReady?: (() => void) | undefined;
  /** Told of what went wrong with the hints; rescans go on. Default: nobody is. */
  readonly onTrouble?: ((cause: unknown) => void) | undefined;
  /** Who hints. Default: the operating system, on the real disk; elsewhere nobody. */
  readonly hints?: WatchHints | undefined;
}

const DEFAULTS = { settleMs: 50, rescanMs: 60_000 };

/**
 * What changes below a folder. The system's hints only say where to look: they come twice, too early, or
 * not at all. So a watch keeps a picture of the tree (type, size, time and number of each file) and
 * tells what is different from it, each difference once; what was missed is found by a rescan: after an
 * error or an overflow of hints, after the machine has slept, and every `rescanMs`.
 *
 * A file that changes and changes back between two looks has not changed; one that is renamed is removed
 * and added. A change that leaves size, time and number as they were is seen with `digest` only. Links
 * are entries of their own, unfinished files of this service are passed over.
 */
export class FileWatch {
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #tree: FileTree;

  constructor(fs: FileSystem, clock: Clock, tree: FileTree) {
    this.#fs = fs;
    this.#clock = clock;
    this.#tree = tree;
  }

  /**
   * Changes from the moment of `onReady`, and those that are seen before. A consumer that is slow costs no memory:
   * nothing is looked at before it asks. A folder that goes is removed with all in it, and comes back
   * with a rescan. `NOT_FOUND` where it is not there at the beginning.
   */
  async *changes(
    root: string,
    options: WatchOptions = {},
  ): AsyncGenerator<FileChange, void, undefined> {
    const hints = options.hints ?? (this.#fs === realFileSystem ? systemHints : noHints);
    const world = { fs: this.#fs, clock: this.#clock, tree: this.#tree };
    const watching = new Watching(world, root, { ...DEFAULTS, ...defined(options), hints });
    // A promise alone keeps no process alive, and neither do the timers of the clock.
    const alive = options.keepAlive === true ? setInterval(() => undefined, 2 ** 30) : undefined;
    try {
      yield* watching.changes();
    } finally {
      clearInterval(alive);
      await watching.stop();
    }
  }
}

/** An option that is `undefined` counts as absent. */
function defined({ settleMs, rescanMs, ...rest }: WatchOptions) {
  return {
    ...rest,
    ...(settleMs !== undefined && { settleMs }),
    ...(rescanMs !== undefined && { rescanMs }),
  };
}
