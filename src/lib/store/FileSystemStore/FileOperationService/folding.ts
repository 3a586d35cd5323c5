import { dirname, join, resolve } from 'node:path';
import { LRUCache } from 'lru-cache';
import { OPEN } from '../../../ports/fileSystem.ts';
import { systemCode } from '../storageError.ts';
import { attempt, type Disk } from './disk.ts';
import { identityOf } from './entryType.ts';
import { temporaryBeside } from './temporaries.ts';

/** Which names a folder takes for one. */
export interface Folding {
  /** `README` is `readme`. */
  readonly case: boolean;
  /** `é` as one character is `é` as two (NFC and NFD). */
  readonly unicode: boolean;
}

interface Known {
  /** Something else may be mounted there later. */
  readonly identity: string;
  readonly folding: Folding;
}

const FOLDERS_MAX = 1_000;

/** What folders fold, found out by trying: on ext4 and NTFS each folder may do as it likes. */
export class Foldings {
  readonly #disk: Disk;
  readonly #known = new LRUCache<string, Known>({ max: FOLDERS_MAX });

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async of(folder: string): Promise<Folding> {
    const path = resolve(folder);
    const identity = identityOf(await this.#disk.fs.stat(path));
    const known = this.#known.get(path);
    if (known?.identity === identity) return known.folding;
    const folding = await probe(this.#disk, path);
    this.#known.set(path, { identity, folding });
    return folding;
  }
}

/** Makes a file and looks for it by other names. What a crash leaves of it is a temporary file. */
async function probe(disk: Disk, folder: string): Promise<Folding> {
  const path = temporaryBeside(disk, join(folder, 'probe'), 'prob\u00e9');
  const name = path.slice(dirname(path).length + 1);
  const handle = await disk.fs.open(path, OPEN.createNew, 0o600);
  disk.inUse.add(path);
  try {
    await handle.close();
    return {
      case: await isThere(
        disk,
        join(
          folder,
          name.replaceAll(/[a-z]/g, (c) => c.toUpperCase()),
        ),
      ),
      unicode: await isThere(disk, join(folder, name.normalize('NFD'))),
    };
  } finally {
    disk.inUse.delete(path);
    await attempt(() => disk.fs.unlink(path));
  }
}

/** Nobody else has a name with 96 random bits in it: what is there is the probe. */
async function isThere({ fs }: Disk, path: string): Promise<boolean> {
  try {
    await fs.lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Two names with the same key may be one on some disk. It takes rather too many for the same: systems
 * fold by tables of their own (`ß` is `ss` on some).
 */
export function foldedKey(name: string, folding: Folding): string {
  const normal = folding.unicode ? name.normalize('NFC') : name;
  return folding.case ? normal.toUpperCase().toLowerCase().normalize('NFC') : normal;
}
