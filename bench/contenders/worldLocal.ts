import { installPeers } from './installPeers.ts';
import type { Worker } from './workload.ts';
import { worldWorker } from './world.ts';

/** `@workflow/world-local`: a file per entity and per event, never synced. */
export async function worldLocalWorker(folder: string): Promise<Worker> {
  await installPeers();
  const { createLocalWorld } = await import('@workflow/world-local');
  const world = createLocalWorld({ dataDir: folder, recoverActiveRuns: false });
  await world.start();
  return worldWorker(world, { name: '@workflow/world-local', syncs: false });
}
