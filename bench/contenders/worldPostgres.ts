import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { installPeers } from './installPeers.ts';
import type { Worker } from './workload.ts';
import { worldWorker } from './world.ts';

const SETUP = '../node_modules/@workflow/world-postgres/bin/setup.js';

/**
 * `@workflow/world-postgres`: a few statements an event. Not started: its queue, which is another
 * matter, then asks the database for nothing meanwhile.
 */
export async function worldPostgresWorker(url: string): Promise<Worker> {
  await installPeers();
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, SETUP)], {
    env: { WORKFLOW_POSTGRES_URL: url },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`bench: world-postgres could not be set up: ${stderr}`);
  const { createWorld } = await import('@workflow/world-postgres');
  const world = createWorld({ connectionString: url });
  return worldWorker(world, { name: '@workflow/world-postgres', syncs: true });
}
