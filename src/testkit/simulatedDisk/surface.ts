import type { Made } from './names.ts';

/** What a process did to a disk, in the order in which it took effect. Inodes are numbers; 0 is `/`. */
export type DiskEvent =
  | (Made & { readonly kind: 'make'; readonly inode: number })
  /** What names of one folder stand for from now on: one change of that folder, all or nothing. */
  | { readonly kind: 'names'; readonly inode: number; readonly names: readonly NameChange[] }
  | { readonly kind: 'write'; readonly inode: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly inode: number; readonly length: number }
  /** The write on `O_DSYNC` that was event `of` has been completed. */
  | { readonly kind: 'written'; readonly inode: number; readonly of: number }
  /** A sync has ended: what was done to this inode before event `begun` is durable. */
  | { readonly kind: 'synced'; readonly inode: number; readonly begun: number }
  /** A sync or a durable write has failed: those bytes count as clean, whatever became of them. */
  | { readonly kind: 'failed'; readonly inode: number; readonly begun: number }
  /** All that was done before is durable: the disk as it was found. */
  | { readonly kind: 'settled' };

export type NameChange = readonly [name: string, inode: number | undefined];

/** Something that was done and is not durable: a power cut keeps it, loses it, or tears it. */
export type Pending =
  | (Undone & { readonly kind: 'names'; readonly names: readonly NameChange[] })
  | (Undone & { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer })
  | (Undone & { readonly kind: 'truncate'; readonly length: number });

interface Undone {
  /** The event that it was. */
  readonly n: number;
  readonly inode: number;
  /** Its sync has failed: the kernel will not write it any more, and perhaps has not. */
  readonly lost?: boolean;
}

interface FileOnDisk {
  readonly what: 'file';
  /** Never changed in place: images share it. */
  durable: Buffer;
}

interface FolderOnDisk {
  readonly what: 'folder';
  durable: ReadonlyMap<string, number>;
}

/** Its text comes and goes with its name. */
interface LinkOnDisk {
  readonly what: 'link';
  readonly target: string;
}

type OnDisk = FileOnDisk | FolderOnDisk | LinkOnDisk;

const EMPTY = Buffer.alloc(0);

/**
 * What of a disk would survive a power cut, and what is undecided. Data is durable after that file's
 * sync, or at the end of a write on `O_DSYNC`; a name after its folder's sync; and nothing else makes
 * anything durable, not even time.
 */
export class Surface {
  readonly inodes = new Map<number, OnDisk>([[0, { what: 'folder', durable: new Map() }]]);
  pending: readonly Pending[] = [];

  /** `n`: which event it is, counted from 0. */
  apply(event: DiskEvent, n: number): void {
    switch (event.kind) {
      case 'make':
        this.inodes.set(event.inode, blank(event));
        break;
      case 'names':
      case 'write':
      case 'truncate':
        this.pending = [...this.pending, { ...event, n }];
        break;
      case 'written':
        this.#settle((item) => item.n === event.of);
        break;
      case 'synced':
        this.#settle((item) => item.inode === event.inode && item.n < event.begun);
        break;
      case 'settled':
        this.#settle(() => true);
        break;
      case 'failed':
        this.pending = this.pending.map((item) =>
          item.inode === event.inode && item.n < event.begun ? { ...item, lost: true } : item,
        );
    }
  }

  /**
   * Whether a name is seen that a failed sync has given up, and nobody has given or taken it anew
   * since: the process that was told of the failure has not answered it yet.
   */
  get hasNameInDoubt(): boolean {
    const answered = new Set<string>();
    for (const item of this.pending.toReversed()) {
      if (item.kind !== 'names') continue;
      const keys = item.names.map(([name]) => `${item.inode} ${name}`);
      if (item.lost === true && keys.some((key) => !answered.has(key))) return true;
      for (const key of keys) answered.add(key);
    }
    return false;
  }

  #settle(isDurable: (item: Pending) => boolean): void {
    let left: Pending[] = [];
    for (const item of this.pending) {
      if (item.lost === true || !isDurable(item)) left.push(item);
      else {
        this.#keep(item);
        left = left.flatMap((older) => remaining(older, item));
      }
    }
    this.pending = left;
  }

  #keep(item: Pending): void {
    const inode = this.inodes.get(item.inode);
    if (item.kind === 'names' && inode?.what === 'folder') {
      inode.durable = renamed(inode.durable, item.names);
    } else if (item.kind !== 'names' && inode?.what === 'file') {
      inode.durable = changed(inode.durable, item);
    }
  }
}

/** What is still undecided of an older change once a newer one of the same inode is durable. */
function remaining(older: Pending, newer: Pending): readonly Pending[] {
  if (older.inode !== newer.inode) return [older];
  if (older.kind === 'names' && newer.kind === 'names') {
    const settled = new Set(newer.names.map(([name]) => name));
    const names = older.names.filter(([name]) => !settled.has(name));
    return names.length === 0 ? [] : [{ ...older, names }];
  }
  if (older.kind !== 'write' || newer.kind !== 'write') return [older];
  const { at, bytes } = older;
  const before = bytes.subarray(0, Math.max(0, newer.at - at));
  const after = bytes.subarray(Math.max(0, newer.at + newer.bytes.length - at));
  if (before.length + after.length >= bytes.length) return [older];
  const pieces = [
    { ...older, bytes: before },
    { ...older, at: at + bytes.length - after.length, bytes: after },
  ];
  return pieces.filter((piece) => piece.bytes.length > 0);
}

function blank(made: Made): OnDisk {
  if (made.what === 'link') return { what: made.what, target: made.target };
  const { what } = made;
  return what === 'file' ? { what, durable: EMPTY } : { what, durable: new Map() };
}

export function renamed(
  before: ReadonlyMap<string, number>,
  changes: readonly NameChange[],
): ReadonlyMap<string, number> {
  const after = new Map(before);
  for (const [name, inode] of changes) {
    if (inode === undefined) after.delete(name);
    else after.set(name, inode);
  }
  return after;
}

/** A change of a file's bytes; a hole that it leaves is zeros. */
export type DataChange =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly length: number };

export function changed(before: Buffer, change: DataChange): Buffer {
  const end = change.kind === 'write' ? change.at + change.bytes.length : change.length;
  const after = Buffer.alloc(change.kind === 'write' ? Math.max(before.length, end) : end);
  before.copy(after);
  if (change.kind === 'write') after.set(change.bytes, change.at);
  return after;
}
