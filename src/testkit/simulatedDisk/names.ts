import { posix } from 'node:path';

/** What comes with a new inode. */
export type Made =
  { readonly what: 'file' | 'folder' } | { readonly what: 'link'; readonly target: string };

/** Which inode each path leads to, as processes see it. Only `resolve` follows links. */
export class Names {
  readonly #folders = new Map<number, Map<string, number>>([[0, new Map()]]);
  readonly #links = new Map<number, string>();
  #last = 0;

  /**
   * The path that a call ends at: links on the way are followed, one at its end on demand. Of a circle
   * of links, which no call gets through, it is some path in it.
   */
  resolve(path: string, last: 'keep' | 'follow' = 'keep'): string {
    if (this.#links.size === 0) return path;
    let done: string[] = [];
    const rest = partsOf(path);
    let hops = 0;
    for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
      const above = part === '..' ? done.slice(0, -1) : done;
      const next = part === '..' ? above : [...done, part];
      const isLast = rest.length === 0;
      const isKept = (isLast && last === 'keep') || hops > HOPS_MAX;
      const link = isKept ? undefined : this.#linkAt(next);
      if (link !== undefined) hops++;
      if (link !== undefined) rest.unshift(...link.split('/').filter(isStep));
      if (link === undefined) done = next;
      else if (link.startsWith('/')) done = [];
    }
    return `/${done.join('/')}`;
  }

  #linkAt(parts: readonly string[]): string | undefined {
    const inode = this.find(`/${parts.join('/')}`);
    return inode === undefined ? undefined : this.#links.get(inode);
  }

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

  make(made: Made): number {
    this.#last += 1;
    this.know(this.#last, made.what === 'folder' ? new Map() : undefined);
    if (made.what === 'link') this.#links.set(this.#last, made.target);
    return this.#last;
  }

  /** An inode that was made before. */
  know(inode: number, names: ReadonlyMap<string, number> | undefined, link?: string): void {
    this.#last = Math.max(this.#last, inode);
    if (names !== undefined) this.#folders.set(inode, new Map(names));
    if (link !== undefined) this.#links.set(inode, link);
  }

  set(folder: number, name: string, inode: number | undefined): void {
    const names = this.#folders.get(folder);
    if (inode === undefined) names?.delete(name);
    else names?.set(name, inode);
  }
}

const HOPS_MAX = 40;

const isStep = (part: string): boolean => part !== '' && part !== '.';

function partsOf(path: string): string[] {
  return posix.resolve('/', path).split('/').filter(Boolean);
}
