import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The folder that a `file:` URL names; relative ones start at the current folder. `undefined` for
 * anything else.
 */
export function folderOf(url: unknown): string | undefined {
  if (typeof url !== 'string' || !url.startsWith('file:') || url.length === 'file:'.length) {
    return undefined;
  }
  if (!url.startsWith('file://')) return resolve(url.slice('file:'.length));
  try {
    return fileURLToPath(url);
  } catch {
    // One of another host, or with an escaped slash: it names no folder here.
    return undefined;
  }
}
