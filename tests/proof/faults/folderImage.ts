import { constants, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, sep } from 'node:path';
import { type FileSystem, realFileSystem } from '../../../src/index.ts';
import type { DiskImage } from '../../../src/testkit/simulatedDisk.ts';

/**
 * The real disk without its waits: what a sync is worth is proven elsewhere, here it only has to fail
 * when it is told to. The decorator above it still sees every sync and every flag.
 */
export const unsyncedFileSystem: FileSystem = {
  ...realFileSystem,
  async open(path, flags, mode) {
    const durable = constants.O_DSYNC ?? 0;
    const waitless = typeof flags === 'number' ? flags & ~durable : flags;
    const handle = await realFileSystem.open(path, waitless, mode);
    return {
      write: (...args) => handle.write(...args),
      read: (...args) => handle.read(...args),
      stat: () => handle.stat(),
      truncate: (length) => handle.truncate(length),
      close: () => handle.close(),
      sync: async () => undefined,
      datasync: async () => undefined,
    };
  },
};

// IMPORTANT: never the lock's file: to close it would drop the lock.
const OF_THE_OWNER: ReadonlySet<string> = new Set(['lock.db', 'owner.json']);

/** All that a store's folder holds, less what belongs to the process that owns it. */
export function takeFolder(root: string): DiskImage {
  const folders: string[] = [];
  const files = new Map<string, Buffer>();
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  for (const name of names.toSorted()) {
    if (OF_THE_OWNER.has(basename(name))) continue;
    const path = `/${name.replaceAll(sep, '/')}`;
    if (statSync(join(root, name)).isDirectory()) folders.push(path);
    else files.set(path, readFileSync(join(root, name)));
  }
  return { folders, files };
}

export function putFolder(root: string, { folders, files }: DiskImage): void {
  for (const path of folders) mkdirSync(join(root, path), { mode: 0o700 });
  for (const [path, bytes] of files) writeFileSync(join(root, path), bytes, { mode: 0o600 });
}
