import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const bench = join(import.meta.dirname, '..');

/** Peers have a package of their own, installed when first needed: `npm ci` here stays small. */
export async function installPeers(): Promise<void> {
  const stamp = join(bench, 'node_modules', '.holdfast-bench');
  const lock = await readFile(join(bench, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).digest('hex');
  const installed = await readFile(stamp, 'utf8').catch(() => '');
  if (installed === wanted) return;
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--loglevel=error'], {
    cwd: bench,
    shell: process.platform === 'win32',
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('bench: the peers could not be installed (npm ci in bench/)');
  await writeFile(stamp, wanted);
}
