import type { FileHandle, FileStat } from '../fileSystem.ts';
import { type FileNode, type FolderNode, statOf } from './node.ts';
import { closedError, systemError } from './systemError.ts';

export interface Access {
  readonly read: boolean;
  readonly write: boolean;
  /** Every write goes to the end, whatever its position. */
  readonly append: boolean;
}

/** An open file or folder. It goes on when its name is taken away. */
export class MemoryFile implements FileHandle {
  readonly #node: FileNode | FolderNode;
  readonly #access: Access;
  #closed = false;

  constructor(node: FileNode | FolderNode, access: Access) {
    this.#node = node;
    this.#access = access;
  }

  async write(data: Uint8Array, offset: number, length: number, position: number) {
    const node = this.#open('write');
    if (!this.#access.write || node.kind === 'folder') throw systemError('EBADF', 'write');
    const at = this.#access.append ? node.size : position;
    node.write(data.subarray(offset, offset + length), at);
    return { bytesWritten: length };
  }

  async read(into: Uint8Array, offset: number, length: number, position: number) {
    const node = this.#open('read');
    if (!this.#access.read) throw systemError('EBADF', 'read');
    if (node.kind === 'folder') throw systemError('EISDIR', 'read');
    return { bytesRead: node.read(into.subarray(offset, offset + length), position) };
  }

  async stat(): Promise<FileStat> {
    return statOf(this.#open('fstat'));
  }

  async truncate(length: number): Promise<void> {
    const node = this.#open('ftruncate');
    if (!this.#access.write || node.kind === 'folder') throw systemError('EINVAL', 'ftruncate');
    node.truncate(Math.max(0, length));
  }

  async sync(): Promise<void> {
    this.#open('fsync');
  }

  async datasync(): Promise<void> {
    this.#open('fdatasync');
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #open(syscall: string): FileNode | FolderNode {
    if (this.#closed) throw closedError(syscall);
    return this.#node;
  }
}
