import type { FileStat } from '../../../ports/fileSystem.ts';

/** What stands at a path. `other`: a socket, a pipe, a device. */
export type EntryType = 'file' | 'folder' | 'link' | 'other';

/**
 * What to do with a symbolic link. `refuse`: it is an error (`INVALID_ARGUMENT`). `follow`: it stands
 * for what it leads to, as long as that is inside of the root; else it is an error. `keep`: it is a
 * thing of its own and leads nowhere.
 */
export type LinkPolicy = 'refuse' | 'follow' | 'keep';

export function typeOf(stat: FileStat): EntryType {
  if (stat.isSymbolicLink()) return 'link';
  if (stat.isDirectory()) return 'folder';
  return stat.isFile() ? 'file' : 'other';
}

/** The same for two looks at one thing, whatever it is called by now. */
export function identityOf({ dev, ino }: FileStat): string {
  return `${dev}:${ino}`;
}
