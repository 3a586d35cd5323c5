import { posix } from 'node:path';
import type { FileHandle, FileStat, FileSystem } from './fileSystem.ts';
import { type OpenFlags, parseFlags } from './memoryFileSystem/flags.ts';
import { MemoryFile } from './memoryFileSystem/memoryFile.ts';
import { FileNode, FolderNode, LinkNode, type Node, statOf } from './memoryFileSystem/node.ts';
import { type Call, fail, partsOf, type Place, Tree } from './memoryFileSystem/tree.ts';

/**
 * A file system of its own in memory, empty at first: it answers as `node:fs/promises` does on Linux,
 * errors included. Permissions are kept and not enforced, and there is no umask. `mtimeMs` counts the
 * changes of a file. `..` in a path is taken literally, before links are followed.
 */
export function createMemoryFileSystem(): FileSystem {
  return new MemoryFileSystem();
}

class MemoryFileSystem implements FileSystem {
  readonly #tree = new Tree();

  async open(path: string, flags: string | number = 'r', mode = 0o666): Promise<FileHandle> {
    const call = { syscall: 'open', path };
    const wanted = parseFlags(flags);
    const isKept = wanted.noFollow || (wanted.create && wanted.exclusive);
    const place = this.#tree.place(path, call, isKept ? 'keep' : 'follow');
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
    folder.set(name, new FolderNode(mode));
    return undefined;
  }

  async readdir(path: string): Promise<string[]> {
    const call = { syscall: 'scandir', path };
    return [...asFolder(this.#tree.node(path, call, 'follow'), call).entries.keys()];
  }

  async rename(from: string, to: string): Promise<void> {
    const call = { syscall: 'rename', path: from, dest: to };
    const node = this.#tree.node(from, call);
    const source = this.#tree.place(from, call);
    const target = this.#tree.place(to, call);
    // Two names of one file, or a name and itself: nothing happens, and both stay.
    if (target.node === node) return;
    checkReplace(node, target, call);
    source.folder.remove(source.name);
    target.folder.set(target.name, node);
  }

  async link(existing: string, path: string): Promise<void> {
    const call = { syscall: 'link', path: existing, dest: path };
    const node = this.#tree.node(existing, call);
    const target = this.#tree.place(path, call);
    if (target.node !== undefined) throw fail('EEXIST', call);
    if (node.kind === 'folder') throw fail('EPERM', call);
    target.folder.set(target.name, node);
  }

  async unlink(path: string): Promise<void> {
    const call = { syscall: 'unlink', path };
    if (this.#tree.node(path, call).kind === 'folder') throw fail('EISDIR', call);
    const { folder, name } = this.#tree.place(path, call);
    folder.remove(name);
  }

  async rmdir(path: string): Promise<void> {
    const call = { syscall: 'rmdir', path };
    const removed = asFolder(this.#tree.node(path, call), call);
    if (removed.entries.size > 0) throw fail('ENOTEMPTY', call);
    const { folder, name } = this.#tree.place(path, call);
    folder.remove(name);
  }

  async stat(path: string): Promise<FileStat> {
    return statOf(this.#tree.node(path, { syscall: 'stat', path }, 'follow'));
  }

  async lstat(path: string): Promise<FileStat> {
    return statOf(this.#tree.node(path, { syscall: 'lstat', path }));
  }

  async chmod(path: string, mode: number): Promise<void> {
    this.#tree.node(path, { syscall: 'chmod', path }, 'follow').mode = mode & 0o7777;
  }

  async symlink(target: string, path: string): Promise<void> {
    const call = { syscall: 'symlink', path: target, dest: path };
    const { folder, name, node } = this.#tree.place(path, call);
    if (target === '') throw fail('ENOENT', call);
    if (node !== undefined) throw fail('EEXIST', call);
    folder.set(name, new LinkNode(target));
  }

  async readlink(path: string): Promise<string> {
    const call = { syscall: 'readlink', path };
    const node = this.#tree.node(path, call);
    if (node.kind !== 'link') throw fail('EINVAL', call);
    return node.target;
  }

  async realpath(path: string): Promise<string> {
    const call = { syscall: 'realpath', path };
    const { folder, name, node } = this.#tree.place(path, call, 'follow');
    if (node === undefined) throw fail('ENOENT', call);
    return node.kind === 'folder' ? node.path : posix.join(folder.path, name);
  }

  /** Returns the first folder that was made. */
  #makeAll(path: string, mode: number, call: Call): string | undefined {
    const parts = partsOf(path);
    let folder = this.#tree.root;
    let first: string | undefined;
    for (const [n, part] of parts.entries()) {
      const at = posix.join('/', ...parts.slice(0, n + 1));
      let node = folder.entries.get(part);
      if (node?.kind === 'link') node = this.#tree.node(at, call, 'follow');
      if (node === undefined) {
        node = new FolderNode(mode);
        folder.set(part, node);
        first ??= at;
      }
      if (node.kind !== 'folder') throw fail(n === parts.length - 1 ? 'EEXIST' : 'ENOTDIR', call);
      folder = node;
    }
    return first;
  }
}

function openNode(
  { folder, name, node }: Place,
  flags: OpenFlags,
  mode: number,
  call: Call,
): FileNode | FolderNode {
  if (node === undefined) {
    if (!flags.create) throw fail('ENOENT', call);
    const made = new FileNode(mode & 0o7777);
    folder.set(name, made);
    return made;
  }
  if (flags.create && flags.exclusive) throw fail('EEXIST', call);
  if (node.kind === 'link') throw fail(flags.folderOnly ? 'ENOTDIR' : 'ELOOP', call);
  if (node.kind === 'folder') {
    if (flags.write || flags.create) throw fail('EISDIR', call);
    return node;
  }
  if (flags.folderOnly) throw fail('ENOTDIR', call);
  if (flags.truncate && flags.write) node.truncate(0);
  return node;
}

function asFolder(node: Node, call: Call): FolderNode {
  if (node.kind !== 'folder') throw fail('ENOTDIR', call);
  return node;
}

/** A file replaces a file, a folder an empty folder; a folder cannot move into itself. */
function checkReplace(moved: Node, { folder, node }: Place, call: Call): void {
  if (moved.kind === 'folder') {
    if (moved.holds(folder)) throw fail('EINVAL', call);
    if (node === undefined) return;
    if (node.kind !== 'folder') throw fail('ENOTDIR', call);
    if (node.entries.size > 0) throw fail('ENOTEMPTY', call);
  } else if (node?.kind === 'folder') {
    throw fail('EISDIR', call);
  }
}
