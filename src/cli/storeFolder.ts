import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FileSystem, StoreError } from '../index.ts';
import { systemCode } from './errorFacts.ts';

/** The folder of a file store; `undefined` for a store that has none. */
export function storeFolder(url: string, cwd: string): string | undefined {
  if (!url.startsWith('file:')) return undefined;
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(cwd, url.slice('file:'.length));
}

/** Refuses to look at a store where there is none: the commonest mistake gets the plainest words. */
export async function requireStore(url: string, cwd: string, files: FileSystem): Promise<void> {
  const folder = storeFolder(url, cwd);
  if (folder === undefined) return;
  try {
    await files.stat(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    throw new StoreError('NOT_FOUND', `there is no store at ${folder}`, { cause: error });
  }
}
