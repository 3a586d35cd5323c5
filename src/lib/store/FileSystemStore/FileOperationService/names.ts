import { join } from 'node:path';
import { StoreError } from '../../../errors.ts';
import { systemCode } from '../storageError.ts';
import type { Disk } from './disk.ts';
import { foldedKey, type Folding, Foldings } from './folding.ts';
import { guard, guardRead } from './guard.ts';
import { checkPath, normalizePath, portableName } from './portableNames.ts';

export type { Folding } from './folding.ts';

/** The worst that a disk may do. */
const FOLDS_ALL: Folding = { case: true, unicode: true };

/**
 * Names that mean the same on every system. Paths are relative, with `/`. What is wrong with one is
 * `INVALID_ARGUMENT`, or `LIMIT_EXCEEDED` for more than 255 bytes of a name or 1,023 of a path (UTF-8).
 */
export class FileNames {
  readonly #disk: Disk;
  readonly #foldings: Foldings;

  constructor(disk: Disk) {
    this.#disk = disk;
    this.#foldings = new Foldings(disk);
  }

  /**
   * The path in NFC, without `.` and doubled `/`. Refused is what could lead out of its folder on any
   * system: `..`, an absolute path, a drive, `\`, a zero byte.
   */
  normalize(path: string): string {
    return normalizePath(path);
  }

  /**
   * `normalize` for names that shall work everywhere: refused are, too, devices of Windows (`CON`,
   * `nul.txt`…), a dot or space at the end, `< > : " | ? *`, control characters, and what is too long.
   */
  check(path: string): string {
    return checkPath(path);
  }

  /**
   * `check` for paths that go to one folder together, as those of an archive: refused is, too, what
   * is there twice, or is both a file and a folder, or is the same as another where case and Unicode
   * are folded. `folding`: what the folder does, as of `folding()`; default: that it folds all.
   */
  checkAll(paths: Iterable<string>, folding: Folding = FOLDS_ALL): readonly string[] {
    const known = new Map<string, { readonly spelled: string; readonly isFile: boolean }>();
    return Array.from(paths, (path) => {
      const checked = checkPath(path);
      const parts = checked.split('/');
      for (let n = 1; n <= parts.length; n++) {
        const spelled = parts.slice(0, n).join('/');
        const isFile = n === parts.length;
        const key = foldedKey(spelled, folding);
        const other = known.get(key);
        if (other === undefined) known.set(key, { spelled, isFile });
        else if (isFile || other.isFile || other.spelled !== spelled) {
          throw new StoreError('INVALID_ARGUMENT', collision(spelled, other.spelled));
        }
      }
      return checked;
    });
  }

  /**
   * Any text as one name that `check` takes; different texts give different names. Of `a/b: 50%` it
   * makes `a%2Fb%3A 50%25`.
   */
  portable(text: string): string {
    return portableName(text);
  }

  /**
   * Whether a folder takes `README` for `readme`, and an `é` of one character for one of two: found
   * out with a temporary file, and remembered for as long as the folder is the same. Needs the right
   * to write there.
   */
  folding(folder: string): Promise<Folding> {
    return guardRead(folder, () => this.#foldings.of(folder));
  }

  /**
   * The absolute path at which to write `path` below `root`. `ALREADY_EXISTS` when it would overwrite
   * a file of another name, or go into a folder of another name, because its folder folds them. Two
   * callers who write at once are not kept apart: take a lock for that.
   */
  async place(root: string, path: string): Promise<string> {
    const parts = checkPath(path).split('/');
    return guard(`looking for ${path} in ${root}`, async () => {
      let folder = root;
      for (const [n, name] of parts.entries()) {
        const other = await this.#otherName(folder, name);
        if (other === undefined) break;
        if (other !== name) {
          const spelled = [...parts.slice(0, n), other].join('/');
          throw new StoreError('ALREADY_EXISTS', `in ${root}, ${collision(path, spelled)}`);
        }
        folder = join(folder, name);
      }
      return join(root, ...parts);
    });
  }

  /** How the name is spelled that stands there already; `undefined` where there is none. */
  async #otherName(folder: string, name: string): Promise<string | undefined> {
    try {
      await this.#disk.fs.lstat(join(folder, name));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    const folding = await this.#foldings.of(folder);
    if (!folding.case) return name;
    const names = await this.#disk.fs.readdir(folder);
    // Some disks keep NFD: that is the same name, spelled by the disk.
    if (names.some((spelled) => spelled.normalize('NFC') === name)) return name;
    const key = foldedKey(name, FOLDS_ALL);
    // What was found and is spelled in no way that is known here is another name all the same.
    return names.find((spelled) => foldedKey(spelled, FOLDS_ALL) === key) ?? '?';
  }
}

function collision(path: string, other: string): string {
  return `${path} would be the same file as ${other}`;
}
