import { hash } from 'node:crypto';
import type { FileSystem } from '../../index.ts';
import { changed, type DataChange, type Pending, renamed, type Surface } from './surface.ts';

/** What is on a disk after a power cut, by path. */
export interface DiskImage {
  /** From the outside in; without `/`. */
  readonly folders: readonly string[];
  readonly files: ReadonlyMap<string, Buffer>;
  /** Texts of symbolic links; absent where there are none. */
  readonly links?: ReadonlyMap<string, string>;
}

/** What became of each pending item, by its event; one that is not named was lost. */
export type Fate = ReadonlyMap<number, Kept>;

/** All of it, or what a torn write left in its place. */
export type Kept = 'whole' | readonly DataChange[];

/** What processes see: all of it. */
export function visible(surface: Surface): DiskImage {
  return imageOf(surface, new Map(surface.pending.map(({ n }) => [n, 'whole'] as const)));
}

/** The names in a folder as processes see them; `undefined` for anything else. */
export function visibleNames(
  surface: Surface,
  inode: number,
): ReadonlyMap<string, number> | undefined {
  const found = surface.inodes.get(inode);
  if (found?.what !== 'folder') return undefined;
  let names = found.durable;
  for (const item of surface.pending) {
    if (item.kind === 'names' && item.inode === inode) names = renamed(names, item.names);
  }
  return names;
}

/** The disk after a power cut that decided in this way. */
export function imageOf(surface: Surface, fate: Fate): DiskImage {
  const kept = new Map<number, Pending[]>();
  for (const item of surface.pending) {
    if (!fate.has(item.n)) continue;
    const items = kept.get(item.inode);
    if (items === undefined) kept.set(item.inode, [item]);
    else items.push(item);
  }
  const folders: string[] = [];
  const files = new Map<string, Buffer>();
  const links = new Map<string, string>();
  const visit = (inode: number, path: string): void => {
    const found = surface.inodes.get(inode);
    const items = kept.get(inode) ?? [];
    if (found?.what === 'link') {
      links.set(path, found.target);
      return;
    }
    if (found?.what === 'file') {
      files.set(path, contentOf(found.durable, items, fate));
      return;
    }
    if (path !== '') folders.push(path);
    let names: ReadonlyMap<string, number> = found?.durable ?? new Map<string, number>();
    for (const item of items) if (item.kind === 'names') names = renamed(names, item.names);
    for (const name of [...names.keys()].toSorted()) {
      visit(names.get(name) as number, `${path}/${name}`);
    }
  };
  visit(0, '');
  return { folders, files, ...(links.size > 0 && { links }) };
}

function contentOf(durable: Buffer, items: readonly Pending[], fate: Fate): Buffer {
  let content = durable;
  for (const item of items) {
    if (item.kind === 'names') continue;
    const kept = fate.get(item.n);
    const changes = kept === 'whole' || kept === undefined ? [item] : kept;
    for (const change of changes) content = changed(content, change);
  }
  return content;
}

const digests = new WeakMap<Buffer, string>();

/** The same for two images exactly when their names and bytes are the same. */
export function keyOf({ folders, files, links = new Map() }: DiskImage): string {
  const lines = [...folders];
  for (const [path, target] of links) lines.push(`${path} -> ${target}`);
  for (const [path, content] of files) {
    let digest = digests.get(content);
    if (digest === undefined) digests.set(content, (digest = hash('sha1', content, 'base64')));
    lines.push(`${path} ${digest}`);
  }
  return hash('sha1', lines.join('\n'), 'base64');
}

const FILE = 0o600;
const FOLDER = 0o700;

/** Puts an image onto an empty file system. */
export async function putImage(fs: FileSystem, image: DiskImage): Promise<void> {
  for (const path of image.folders) await fs.mkdir(path, { mode: FOLDER });
  for (const [path, content] of image.files) {
    const handle = await fs.open(path, 'wx', FILE);
    if (content.length > 0) await handle.write(content, 0, content.length, 0);
    await handle.close();
  }
  for (const [path, target] of image.links ?? []) await fs.symlink(target, path);
}

/** All that a file system shows. */
export async function takeImage(fs: FileSystem): Promise<DiskImage> {
  const folders: string[] = [];
  const files = new Map<string, Buffer>();
  const links = new Map<string, string>();
  const visit = async (at: string): Promise<void> => {
    for (const name of (await fs.readdir(at)).toSorted()) {
      const path = at === '/' ? `/${name}` : `${at}/${name}`;
      const stat = await fs.lstat(path);
      if (stat.isSymbolicLink()) links.set(path, await fs.readlink(path));
      else if (stat.isDirectory()) {
        folders.push(path);
        await visit(path);
      } else files.set(path, await contentAt(fs, path));
    }
  };
  await visit('/');
  return { folders, files, ...(links.size > 0 && { links }) };
}

async function contentAt(fs: FileSystem, path: string): Promise<Buffer> {
  const handle = await fs.open(path, 'r');
  const content = Buffer.alloc((await handle.stat()).size);
  if (content.length > 0) await handle.read(content, 0, content.length, 0);
  await handle.close();
  return content;
}
