import { posix } from 'node:path';

/** Which inode each path leads to, as processes see it. */
export class Names {
  readonly #folders = new Map<number, Map<string, number>>([[0, new Map()]]);
  #last = 0;

  /** `undefined` where nothing is. */
  find(path: string): number | undefined {
    let inode: number | undefined = 0;
    for (const part of partsOf(path)) {
      inode = inode === undefined ? undefined : this.#folders.get(inode)?.get(part);
    }
    return inode;
  }

  /** The folder that has the last name of a path; it is there. */
  place(path: string): { readonly folder: number; readonly name: string } {
    const parts = partsOf(path);
    const name = parts.pop() ?? '';
    const folder = this.find(`/${parts.join('/')}`);
    if (folder === undefined) throw new Error(`${path} has no folder`);
    return { folder, name };
  }

  make(what: 'file' | 'folder'): number {
    this.#last += 1;
    if (what === 'folder') this.#folders.set(this.#last, new Map());
    return this.#last;
  }

  /** An inode that was made before. */
  know(inode: number, names: ReadonlyMap<string, number> | undefined): void {
    this.#last = Math.max(this.#last, inode);
    if (names !== undefined) this.#folders.set(inode, new Map(names));
  }

  set(folder: number, name: string, inode: number | undefined): void {
    const names = this.#folders.get(folder);
    if (inode === undefined) names?.delete(name);
    else names?.set(name, inode);
  }
}

function partsOf(path: string): string[] {
  return posix.resolve('/', path).split('/').filter(Boolean);
}
