import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { median, times } from './measure.ts';

// Not the folder for temporary files of the system: that is often memory, where syncing is free.
const base = join(import.meta.dirname, '..', '..', '.cache', 'bench');

/** A folder of folders on the disk of the project, all removed with it. */
export interface Workspace extends AsyncDisposable {
  folder(name: string): Promise<string>;
}

export async function workspace(): Promise<Workspace> {
  await mkdir(base, { recursive: true });
  const root = await mkdtemp(join(base, 'run-'));
  return {
    folder: (name) => mkdtemp(join(root, `${name}-`)),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** What the disk needs for one synced 4 KiB write, in milliseconds: half of all figures hang on it. */
export async function syncMs(folder: string): Promise<number> {
  const handle = await open(join(folder, 'sync'), 'w');
  const block = Buffer.alloc(4096, 'x');
  const taken = await times(200, async (n) => {
    await handle.write(block, 0, block.length, n * block.length);
    await handle.datasync();
  });
  await handle.close();
  return median(taken);
}
