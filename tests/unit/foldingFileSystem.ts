import { basename, dirname, join } from 'node:path';
import type { FileSystem } from '../../src/index.ts';

export interface Folds {
  readonly case: boolean;
  readonly unicode: boolean;
}

/**
 * `inner`, which folds nothing, as a disk that takes some names for one and keeps the first spelling,
 * as APFS and NTFS do.
 */
export function foldingFileSystem(inner: FileSystem, folds: Folds): FileSystem {
  const key = (name: string): string => {
    const text = folds.unicode ? name.normalize('NFC') : name;
    return folds.case ? text.toLowerCase() : text;
  };
  /** The path as it is spelled on the disk, as far as something is there. */
  const spelled = async (path: string): Promise<string> => {
    const above = dirname(path);
    if (above === path) return path;
    const folder = await spelled(above);
    const names = await inner.readdir(folder).catch(() => []);
    const name = names.find((other) => key(other) === key(basename(path)));
    return join(folder, name ?? basename(path));
  };
  return {
    open: async (path, flags, mode) => inner.open(await spelled(path), flags, mode),
    mkdir: async (path, options) => inner.mkdir(await spelled(path), options),
    readdir: async (path) => inner.readdir(await spelled(path)),
    rename: async (from, to) => inner.rename(await spelled(from), await spelled(to)),
    link: async (existing, path) => inner.link(await spelled(existing), await spelled(path)),
    unlink: async (path) => inner.unlink(await spelled(path)),
    rmdir: async (path) => inner.rmdir(await spelled(path)),
    stat: async (path) => inner.stat(await spelled(path)),
    lstat: async (path) => inner.lstat(await spelled(path)),
    chmod: async (path, mode) => inner.chmod(await spelled(path), mode),
    symlink: async (target, path) => inner.symlink(target, await spelled(path)),
    readlink: async (path) => inner.readlink(await spelled(path)),
    realpath: async (path) => inner.realpath(await spelled(path)),
  };
}
