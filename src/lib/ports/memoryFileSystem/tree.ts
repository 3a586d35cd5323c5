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

  /** `ENOENT` or `ENOTDIR` when the folders on the way are not there. */
  place(path: string, call: Call): Place {
    const parts = partsOf(path);
    const name = parts.at(-1) ?? '.';
    let folder = this.root;
    for (const part of parts.slice(0, -1)) {
      const node = folder.entries.get(part);
      if (node === undefined) throw fail('ENOENT', call);
      if (node.kind === 'file') throw fail('ENOTDIR', call);
      folder = node;
    }
    return { folder, name, node: name === '.' ? this.root : folder.entries.get(name) };
  }

  /** `ENOENT` when nothing stands there. */
  node(path: string, call: Call): Node {
    const { node } = this.place(path, call);
    if (node === undefined) throw fail('ENOENT', call);
    return node;
  }
}

/** A store asks for the same few paths again and again. */
const known = new LRUCache<string, readonly string[]>({ max: 1_000, memoMethod: split });

export function partsOf(path: string): readonly string[] {
  return known.memo(path);
}

function split(path: string): readonly string[] {
  return posix.resolve('/', path.replaceAll('\\', '/')).split('/').filter(Boolean);
}
