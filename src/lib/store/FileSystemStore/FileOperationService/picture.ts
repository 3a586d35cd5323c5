import type { EntryType } from './entryType.ts';
import { isBelow } from './patterns.ts';
import { byCodePoint } from './walk.ts';

export interface FileChange {
  readonly type: 'added' | 'changed' | 'removed';
  /** Relative to the watched folder, with `/`. */
  readonly path: string;
  /** What it is, or was. */
  readonly entry: EntryType;
}

/** How a path looked. Two looks that are the same had nothing happen between them that could be seen. */
export interface Look {
  readonly entry: EntryType;
  /** Size, time and number of the file; or its digest. Of a folder nothing. */
  readonly mark: string;
}

interface Kept extends Look {
  /** The round in which it was last looked at. */
  round: number;
}

/** How a tree looked when it was last looked at; what a new look tells. */
export class Picture {
  readonly #looks = new Map<string, Kept>();
  #round = 0;

  /** All that is not looked at from here on until `unseen` has gone. */
  begin(): void {
    this.#round++;
  }

  entryAt(path: string): EntryType | undefined {
    return this.#looks.get(path)?.entry;
  }

  /** What has happened at this path, and in what was below it. */
  see(path: string, look: Look): readonly FileChange[] {
    const before = this.#looks.get(path);
    if (before !== undefined && before.entry !== look.entry) {
      return [...this.remove(path), ...this.see(path, look)];
    }
    this.#looks.set(path, { ...look, round: this.#round });
    if (before === undefined) return [{ type: 'added', path, entry: look.entry }];
    return before.mark === look.mark ? [] : [{ type: 'changed', path, entry: look.entry }];
  }

  /** What was there, and below, and is no more: from the inside out. */
  remove(path: string): readonly FileChange[] {
    const entry = this.entryAt(path);
    if (entry === undefined) return [];
    if (entry !== 'folder') return this.#drop([path]);
    return this.#drop([...this.#looks.keys()].filter((other) => isBelow(other, path)));
  }

  unseen(): readonly FileChange[] {
    const gone = [...this.#looks].filter(([, { round }]) => round < this.#round);
    return this.#drop(gone.map(([path]) => path));
  }

  #drop(paths: readonly string[]): readonly FileChange[] {
    return paths
      .toSorted((a, b) => byCodePoint(b, a))
      .map((path) => {
        const { entry } = this.#looks.get(path) as Kept;
        this.#looks.delete(path);
        return { type: 'removed', path, entry };
      });
  }
}
