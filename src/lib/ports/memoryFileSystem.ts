import { posix } from 'node:path';
import type { FileHandle, FileStat, FileSystem } from './fileSystem.ts';
import { type OpenFlags, parseFlags } from './memoryFileSystem/flags.ts';
import { MemoryFile } from './memoryFileSystem/memoryFile.ts';
import { FileNode, FolderNode, type Node, statOf } from './memoryFileSystem/node.ts';
import { type Call, fail, partsOf, type Place, Tree } from './memoryFileSystem/tree.ts';

/**
 * A file system of its own in memory, empty at first: it answers as `node:fs/promises` does on Linux,
 * errors included. Permissions are kept and not enforced; there are no symbolic links and no umask.
 */
export function createMemoryFileSystem(): FileSystem {
  return new MemoryFileSystem();
}

class MemoryFileSystem implements FileSystem {
  readonly #tree = new Tree();

  async open(path: string, flags: string | number = 'r', mode = 0o666): Promise<FileHandle> {
    const call = { syscall: 'open', path };
    const wanted = parseFlags(flags);
    const place = this.#tree.place(path, call);
    return new MemoryFile(openNode(place, wanted, mode, call), wanted);
  }

  async mkdir(
    path: string,
    options: { readonly recursive?: boolean; readonly mode?: number } = {},
  ): Promise<string | undefined> {
    const call = { syscall: 'mkdir', path };
    const mode = options.mode ?? 0o777;
    if (options.recursive === true) return this.#makeAll(path, mode, call);
    const { folder, name, node } = this.#tree.place(path, call);
    if (node !== undefined) throw fail('EEXIST', call);
    folder.entries.set(name, new FolderNode(mode));
    return undefined;
  }

  async readdir(path: string): Promise<string[]> {
    const call = { syscall: 'scandir', path };
    return [...asFolder(this.#tree.node(path, call), call).entries.keys()];
  }

  async rename(from: string, to: string): Promise<void> {
    const call = { syscall: 'rename', path: from, dest: to };
    const node = this.#tree.node(from, call);
    const source = this.#tree.place(from, call);
    const target = this.#tree.place(to, call);
    // Two names of one file, or a name and itself: nothing happens, and both stay.
    if (target.node === node) return;
    checkReplace(node, target, call);
    source.folder.entries.delete(source.name);
    target.folder.entries.set(target.name, node);
  }

  async link(existing: string, path: string): Promise<void> {
    const call = { syscall: 'link', path: existing, dest: path };
    const node = this.#tree.node(existing, call);
    const target = this.#tree.place(path, call);
    if (target.node !== undefined) throw fail('EEXIST', call);
    if (node.kind === 'folder') throw fail('EPERM', call);
    target.folder.entries.set(target.name, node);
  }

  async unlink(path: string): Promise<void> {
    const call = { syscall: 'unlink', path };
    if (this.#tree.node(path, call).kind === 'folder') throw fail('EISDIR', call);
    const { folder, name } = this.#tree.place(path, call);
    folder.entries.delete(name);
  }

  async rmdir(path: string): Promise<void> {
    const call = { syscall: 'rmdir', path };
    const removed = asFolder(this.#tree.node(path, call), call);
    if (removed.entries.size > 0) throw fail('ENOTEMPTY', call);
    const { folder, name } = this.#tree.place(path, call);
    folder.entries.delete(name);
  }

  async stat(path: string): Promise<FileStat> {
    return statOf(this.#tree.node(path, { syscall: 'stat', path }));
  }

  async lstat(path: string): Promise<FileStat> {
    return statOf(this.#tree.node(path, { syscall: 'lstat', path }));
  }

  async chmod(path: string, mode: number): Promise<void> {
    this.#tree.node(path, { syscall: 'chmod', path }).mode = mode & 0o7777;
  }

  /** Returns the first folder that was made. */
  #makeAll(path: string, mode: number, call: Call): string | undefined {
    const parts = partsOf(path);
    let folder = this.#tree.root;
    let first: string | undefined;
    for (const [n, part] of parts.entries()) {
      let node = folder.entries.get(part);
      if (node?.kind === 'file') throw fail(n === parts.length - 1 ? 'EEXIST' : 'ENOTDIR', call);
      if (node === undefined) {
        node = new FolderNode(mode);
        folder.entries.set(part, node);
        first ??= posix.join('/', ...parts.slice(0, n + 1));
      }
      folder = node;
    }
    return first;
  }
}

function openNode({ folder, name, node }: Place, flags: OpenFlags, mode: number, call: Call): Node {
  if (node === undefined) {
    if (!flags.create) throw fail('ENOENT', call);
    const made = new FileNode(mode & 0o7777);
    folder.entries.set(name, made);
    return made;
  }
  if (flags.create && flags.exclusive) throw fail('EEXIST', call);
  if (node.kind === 'folder') {
    if (flags.write || flags.create) throw fail('EISDIR', call);
    return node;
  }
  if (flags.folderOnly) throw fail('ENOTDIR', call);
  if (flags.truncate && flags.write) node.truncate(0);
  return node;
}

function asFolder(node: Node, call: Call): FolderNode {
  if (node.kind === 'file') throw fail('ENOTDIR', call);
  return node;
}

/** A file replaces a file, a folder an empty folder; a folder cannot move into itself. */
function checkReplace(moved: Node, { folder, node }: Place, call: Call): void {
  if (moved.kind === 'folder') {
    if (moved.holds(folder)) throw fail('EINVAL', call);
    if (node?.kind === 'file') throw fail('ENOTDIR', call);
    if (node !== undefined && node.entries.size > 0) throw fail('ENOTEMPTY', call);
  } else if (node?.kind === 'folder') {
    throw fail('EISDIR', call);
  }
}
