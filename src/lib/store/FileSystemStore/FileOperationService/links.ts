import { resolve } from 'node:path';
import { StoreError } from '../../../errors.ts';
import { OPEN } from '../../../ports/fileSystem.ts';
import { storageError, systemCode } from '../storageError.ts';
import {
  attempt,
  type Disk,
  readFully,
  syncNewName,
  toBytes,
  unlinkIfPresent,
  withFile,
} from './disk.ts';
import { type EntryType, identityOf, type LinkPolicy, typeOf } from './entryType.ts';
import { guard, guardRead } from './guard.ts';
import { goOn, HeldWay, leadTo, split, swapped, type Way, wayTo } from './inside.ts';
import { normalizePath } from './portableNames.ts';
import { StagedFile } from './stagedFile.ts';
import { temporaryBeside } from './temporaries.ts';
import { changeOf, type Turns } from './turns.ts';

export interface LinkOptions {
  /** Default `refuse`. `keep` is for the last name only: a link on the way is refused then, too. */
  readonly links?: LinkPolicy | undefined;
}

export interface Resolved {
  /** Absolute; no link is part of it, except its last name where links are kept. */
  readonly path: string;
  /** `undefined` where nothing is yet. */
  readonly type: EntryType | undefined;
}

export interface CreateLinkOptions {
  /** Put it in the place of a link that is there: readers see the one or the other. Default `false`. */
  readonly replace?: boolean | undefined;
}

/**
 * Symbolic links, and paths that must not lead out of a folder. Paths are relative to a root, with `/`.
 * `INVALID_ARGUMENT` for a path that leads out of it, by `..` or by a link, and for a link where links
 * are refused; `NOT_FOUND` for a missing folder; `VERSION_CONFLICT` where a folder on the way, or the
 * file itself, was replaced in the middle of the operation. The root may be reached through links: who
 * names it trusts them.
 *
 * IMPORTANT: what no program can do with paths alone (Node has no `openat`) is to look and act in one
 * step. Each folder on the way is held open and compared by number (`dev`, `ino`) before and after, and
 * before a file gets its name. So bytes that were read are never from outside. But somebody who may
 * write in the root, and swaps a folder in the instant between the last look and the call of the system,
 * can make a write go elsewhere: that is reported (`VERSION_CONFLICT`, or a failure), not prevented.
 * Two looks see no change where a file system numbers nothing (`ino` 0). Where strangers write, give
 * each a folder of its own.
 */
export class FileLinks {
  readonly #disk: Disk;
  readonly #turns: Turns;

  constructor(disk: Disk, turns: Turns) {
    this.#disk = disk;
    this.#turns = turns;
  }

  /**
   * Makes a link to `target`, a path relative to the folder of the link, which need not be there yet.
   * Durable. `INVALID_ARGUMENT` for a target outside of the root; `ALREADY_EXISTS`, also with `replace`
   * where something is there that is no link.
   */
  async create(
    root: string,
    path: string,
    target: string,
    { replace = false }: CreateLinkOptions = {},
  ): Promise<void> {
    if (target === '' || target.includes('\0')) {
      throw new StoreError('INVALID_ARGUMENT', 'target: a link leads to a path');
    }
    const make = (at: string, type: EntryType | undefined, check: () => Promise<void>) =>
      guard(`linking ${at}`, async () => {
        if (type !== undefined && !(replace && type === 'link')) throw alreadyThere(at);
        await (replace ? this.#replace(at, target, check) : this.#make(at, target, check));
        await syncNewName(this.#disk, at);
      });
    await this.#within(root, path, 'keep', async (way, check) => {
      await guard(`looking for ${target}`, () => leadTo(this.#disk.fs, way, target));
      await this.#turns.take(changeOf(way.path), () =>
        make(way.path, way.stat && typeOf(way.stat), check),
      );
    });
  }

  /** The text of a link. `INVALID_ARGUMENT` for what is none. */
  async read(path: string): Promise<string> {
    try {
      return await guardRead(path, () => this.#disk.fs.readlink(path));
    } catch (error) {
      if (systemCode((error as StoreError).cause) !== 'EINVAL') throw error;
      throw new StoreError('INVALID_ARGUMENT', `${path} is not a link`, { cause: error });
    }
  }

  /** Where a path leads. Default here: `follow`. What is there a moment later may be another thing. */
  resolve(root: string, path: string, { links = 'follow' }: LinkOptions = {}): Promise<Resolved> {
    return this.#within(root, path, links, async (way) => ({
      path: way.path,
      type: way.stat && typeOf(way.stat),
    }));
  }

  /** All of a small file, and of no other: it is opened through no link, and compared by number. */
  readFile(
    root: string,
    path: string,
    { links = 'refuse' }: LinkOptions = {},
  ): Promise<Uint8Array> {
    return this.#within(root, path, links, (way, check) =>
      guardRead(way.path, async () => {
        const { fs } = this.#disk;
        if (way.stat?.isSymbolicLink() === true) throw isNoFile(way);
        try {
          return await withFile(fs, way.path, OPEN.realFile, async (handle) => {
            const stat = await handle.stat();
            if (!stat.isFile()) throw isNoFile(way);
            const bytes = Buffer.allocUnsafe(stat.size);
            const length = await readFully(handle, bytes, 0);
            await check();
            const named = await fs.lstat(way.path);
            if (identityOf(named) !== identityOf(stat)) throw swapped(way, way.path);
            return bytes.subarray(0, length);
          });
        } catch (error) {
          if (systemCode(error) === 'ELOOP') throw swapped(way, way.path);
          throw error;
        }
      }),
    );
  }

  /** `writeAtomic` that stays inside. With `keep` the new file takes the place of a link. Durable. */
  async writeFile(
    root: string,
    path: string,
    data: Uint8Array | string,
    { links = 'refuse' }: LinkOptions = {},
  ): Promise<void> {
    await this.#within(root, path, links, async (way, check) => {
      await using staged = await StagedFile.create(this.#disk, way.path);
      await staged.write(toBytes(data));
      await staged.seal();
      await this.#turns.take(changeOf(way.path), async () => {
        await check();
        await staged.commit();
      });
    });
  }

  /**
   * Any work on a path: it gets the resolved one, and `check`, which rejects once something on the way
   * was replaced; call it before whatever matters. It is called, too, before `work` and after it.
   */
  inside<T>(
    root: string,
    path: string,
    work: (path: string, check: () => Promise<void>) => Promise<T>,
    { links = 'refuse' }: LinkOptions = {},
  ): Promise<T> {
    return this.#within(root, path, links, (way, check) => work(way.path, check));
  }

  async #within<T>(
    root: string,
    path: string,
    links: LinkPolicy,
    work: (way: Way, check: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const { fs } = this.#disk;
    const parts = split(normalizePath(path));
    const [way, held] = await guard(`looking for ${path} in ${root}`, async () => {
      const way = await goOn(fs, await wayTo(fs, root), parts, { links });
      return [way, await HeldWay.hold(fs, way)] as const;
    });
    try {
      const result = await work(way, held.check).catch(async (error: unknown) => {
        // Most likely it failed for that very reason.
        if (!(await attempt(held.check))) throw swapped(way, path, error);
        throw error;
      });
      await guard(`looking for ${path} in ${root}`, held.check);
      return result;
    } finally {
      await held.release();
    }
  }

  async #make(at: string, target: string, check: () => Promise<void>): Promise<void> {
    const { fs, syncs } = this.#disk;
    await check();
    try {
      await syncs.change(at, () => fs.symlink(target, at));
    } catch (error) {
      if (systemCode(error) === 'EEXIST') throw alreadyThere(at);
      throw error;
    }
  }

  /** What a crash leaves of it is a temporary file. */
  async #replace(at: string, target: string, check: () => Promise<void>): Promise<void> {
    const { fs, syncs, inUse } = this.#disk;
    const temporary = temporaryBeside(this.#disk, at);
    inUse.add(resolve(temporary));
    try {
      await fs.symlink(target, temporary);
      await check();
      await syncs.change(at, () => fs.rename(temporary, at));
    } catch (error) {
      await attempt(() => unlinkIfPresent(fs, temporary));
      throw storageError(error, `linking ${at}`);
    } finally {
      inUse.delete(resolve(temporary));
    }
  }
}

function alreadyThere(path: string): StoreError {
  return new StoreError('ALREADY_EXISTS', `there is something at ${path} already`);
}

function isNoFile({ path }: Way): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${path} is not a file`);
}
