import { posix } from 'node:path';
import { LRUCache } from 'lru-cache';
import { FolderNode, type Node } from './node.ts';
import { systemError } from './systemError.ts';

/** Where a path leads: the folder that has the last name, and what stands there, if anything. */
export interface Place {
  readonly folder: FolderNode;
  readonly name: string;
  readonly node: Node | undefined;
}

/** What a failed call says of itself: its name and the paths it was given. */
export interface Call {
  readonly syscall: string;
  readonly path: string;
  readonly dest?: string;
}

export function fail(code: Parameters<typeof systemError>[0], call: Call): Error {
  return systemError(code, call.syscall, call.path, call.dest);
}

/** Names and what they stand for. A relative path begins at the root. */
export class Tree {
  readonly root = new FolderNode(0o755);

  /**
   * `ENOENT` or `ENOTDIR` when the folders on the way are not there. Links on the way are followed; a
   * link at the end only on demand, and then the place is that of its target, also where that is not.
   */
  place(path: string, call: Call, last: LastLink = 'keep'): Place {
    return this.#walk(this.root, partsOf(path), { call, last, hops: 0 });
  }

  /** `ENOENT` when nothing stands there. */
  node(path: string, call: Call, last?: LastLink): Node {
    const { node } = this.place(path, call, last);
    if (node === undefined) throw fail('ENOENT', call);
    return node;
  }

  #walk(from: FolderNode, parts: readonly string[], way: Way): Place {
    let folder = from;
    for (let n = 0; n < parts.length; n++) {
      const name = parts[n] as string;
      const isLast = n === parts.length - 1;
      const node = name === '..' ? folder.parent : folder.entries.get(name);
      if (node?.kind === 'link' && (!isLast || way.last === 'follow')) {
        if (way.hops === HOPS_MAX) throw fail('ELOOP', way.call);
        const start = node.target.startsWith('/') ? this.root : folder;
        const rest = [...stepsOf(node.target), ...parts.slice(n + 1)];
        return this.#walk(start, rest, { ...way, hops: way.hops + 1 });
      }
      if (isLast) return { folder, name, node };
      if (node === undefined) throw fail('ENOENT', way.call);
      if (node.kind !== 'folder') throw fail('ENOTDIR', way.call);
      folder = node;
    }
    return { folder, name: '.', node: folder };
  }
}

/** What to do with a link at the end of a path. */
type LastLink = 'keep' | 'follow';

interface Way {
  readonly call: Call;
  readonly last: LastLink;
  /** How many links were followed. */
  readonly hops: number;
}

/** As many as Linux follows. */
const HOPS_MAX = 40;

/** `..` stays: it leads to where a folder really is, not to where its link was. */
function stepsOf(target: string): string[] {
  return target.split('/').filter((part) => part !== '' && part !== '.');
}

/** A store asks for the same few paths again and again. */
const known = new LRUCache<string, readonly string[]>({ max: 1_000, memoMethod: split });

export function partsOf(path: string): readonly string[] {
  return known.memo(path);
}

function split(path: string): readonly string[] {
  return posix.resolve('/', path.replaceAll('\\', '/')).split('/').filter(Boolean);
}
