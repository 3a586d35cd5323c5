import type { FileStat } from '../fileSystem.ts';

const CAPACITY_MIN = 256;
const TYPE_FILE = 0o100000;
const TYPE_FOLDER = 0o040000;

/** A file or folder apart from its names: it lives as long as a name or an open handle has it. */
export type Node = FileNode | FolderNode;

export class FileNode {
  readonly kind = 'file';
  mode: number;
  size = 0;
  /** Zeros beyond `size`, so that growing shows no old bytes. */
  #bytes = new Uint8Array(0);

  constructor(mode: number) {
    this.mode = mode;
  }

  write(data: Uint8Array, position: number): void {
    const end = position + data.length;
    this.#reserve(end);
    this.#bytes.set(data, position);
    this.size = Math.max(this.size, end);
  }

  read(into: Uint8Array, position: number): number {
    const bytes = this.#bytes.subarray(position, Math.min(this.size, position + into.length));
    into.set(bytes);
    return bytes.length;
  }

  truncate(length: number): void {
    this.#reserve(length);
    if (length === 0) this.#bytes = new Uint8Array(0);
    else if (length < this.size) this.#bytes.fill(0, length, this.size);
    this.size = length;
  }

  /** Doubling makes a file that grows byte by byte cost what its size costs. */
  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2, CAPACITY_MIN));
    grown.set(this.#bytes.subarray(0, this.size));
    this.#bytes = grown;
  }
}

export class FolderNode {
  readonly kind = 'folder';
  mode: number;
  readonly size = 0;
  readonly entries = new Map<string, Node>();

  constructor(mode: number) {
    this.mode = mode;
  }

  /** Whether `node` is this folder or somewhere below it. */
  holds(node: Node): boolean {
    if (node === this) return true;
    const below = [...this.entries.values()];
    return below.some((child) => child.kind === 'folder' && child.holds(node));
  }
}

/** How it is now: later changes do not show. */
export function statOf(node: Node): FileStat {
  const isFile = node.kind === 'file';
  return {
    size: node.size,
    mode: (isFile ? TYPE_FILE : TYPE_FOLDER) | node.mode,
    isFile: () => isFile,
    isDirectory: () => !isFile,
    isSymbolicLink: () => false,
  };
}
