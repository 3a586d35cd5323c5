import { posix } from 'node:path';
import type { FileStat } from '../fileSystem.ts';

const CAPACITY_MIN = 256;
const TYPE_FILE = 0o100000;
const TYPE_FOLDER = 0o040000;
const TYPE_LINK = 0o120000;
/** The same for all disks in memory: `ino` tells them apart as well. */
const DEVICE = 1;

/** Something apart from its names: it lives as long as a name or an open handle has it. */
export type Node = FileNode | FolderNode | LinkNode;

// No two disks in memory have a number in common, as no two mounted ones have `dev` and `ino`.
let numbers = 0;

export class FileNode {
  readonly kind = 'file';
  readonly ino = ++numbers;
  /** How often it was changed, in place of a time: so no change is missed, and none depends on when. */
  changes = 0;
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
    this.changes++;
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
    this.changes++;
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
  readonly ino = ++numbers;
  changes = 0;
  mode: number;
  readonly size = 0;
  /** Where it has its name; of the root itself. */
  parent: FolderNode = this;
  readonly #entries = new Map<string, Node>();

  constructor(mode: number) {
    this.mode = mode;
  }

  get entries(): ReadonlyMap<string, Node> {
    return this.#entries;
  }

  set(name: string, node: Node): void {
    this.#entries.set(name, node);
    if (node.kind === 'folder') node.parent = this;
    this.changes++;
  }

  remove(name: string): void {
    this.#entries.delete(name);
    this.changes++;
  }

  /** From the root, without links. */
  get path(): string {
    if (this.parent === this) return '/';
    const [name = ''] = [...this.parent.entries].find(([, node]) => node === this) ?? [];
    return posix.join(this.parent.path, name);
  }

  /** Whether `node` is this folder or somewhere below it. */
  holds(node: Node): boolean {
    if (node === this) return true;
    const below = [...this.entries.values()];
    return below.some((child) => child.kind === 'folder' && child.holds(node));
  }
}

/** A symbolic link: a text, which may lead somewhere. */
export class LinkNode {
  readonly kind = 'link';
  readonly ino = ++numbers;
  readonly changes = 0;
  mode = 0o777;
  readonly target: string;

  constructor(target: string) {
    this.target = target;
  }

  get size(): number {
    return Buffer.byteLength(this.target);
  }
}

const TYPES = { file: TYPE_FILE, folder: TYPE_FOLDER, link: TYPE_LINK };

/** How it is now: later changes do not show. */
export function statOf({ kind, size, mode, ino, changes }: Node): FileStat {
  return {
    size,
    mode: TYPES[kind] | mode,
    dev: DEVICE,
    ino,
    mtimeMs: changes,
    isFile: () => kind === 'file',
    isDirectory: () => kind === 'folder',
    isSymbolicLink: () => kind === 'link',
  };
}
