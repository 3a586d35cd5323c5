import type { SeededRandom } from '../seededRandom.ts';

/** What a store keeps beside its disk and can derive from it, such as an index: bytes by file name. */
export type SideFiles = ReadonlyMap<string, Buffer>;

/** The place of such files, which no simulation reaches. */
export interface Side {
  take(): SideFiles;
  /** Replaces whatever is there. */
  put(files: SideFiles): void;
}

/** The files as they were after certain events of the disk. */
export class SideHistory {
  readonly #taken: { readonly n: number; readonly files: SideFiles }[] = [];

  add(n: number, files: SideFiles): void {
    const before = this.#taken.at(-1);
    if (before === undefined || !isSame(before.files, files)) this.#taken.push({ n, files });
  }

  /** As they were after event `n`. */
  at(n: number): SideFiles {
    return this.#taken.findLast((taken) => taken.n <= n)?.files ?? new Map();
  }

  /** As they were after event `n`, older, torn, or missing. */
  draw(n: number, random: SeededRandom): SideFiles {
    const until = this.#taken.filter((taken) => taken.n <= n);
    const last = this.at(n);
    const kind = random.below(5);
    if (kind <= 1 || until.length === 0) return last;
    if (kind === 2) return new Map();
    const older = random.pick(until).files;
    return kind === 3 ? older : tornFiles(last, older, random);
  }
}

function isSame(a: SideFiles, b: SideFiles): boolean {
  if (a.size !== b.size) return false;
  for (const [name, bytes] of a) if (b.get(name)?.equals(bytes) !== true) return false;
  return true;
}

const SECTOR = 512;

/** Some sectors of an older state, some of noise; perhaps cut off. */
function tornFiles(files: SideFiles, older: SideFiles, random: SeededRandom): SideFiles {
  const torn = new Map<string, Buffer>();
  for (const [name, bytes] of files) {
    const mixed = Buffer.from(bytes);
    for (let at = 0; at < mixed.length; at += SECTOR) {
      if (!random.chance(0.1)) continue;
      const end = Math.min(mixed.length, at + SECTOR);
      const before = older.get(name)?.subarray(at, end) ?? [];
      if (random.chance(0.5)) mixed.set(before, at);
      else mixed.set(random.bytes(end - at), at);
    }
    const length = random.chance(0.3) ? random.below(mixed.length + 1) : mixed.length;
    torn.set(name, mixed.subarray(0, length));
  }
  return torn;
}
