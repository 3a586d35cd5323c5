import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performW, type Worker } from './workload.ts';

const bench = join(import.meta.dirname, '..');

/** Peers have a package of their own, installed when first needed: `npm ci` here stays small. */
async function installPeers(): Promise<void> {
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

/** `@workflow/world-local`: a file per entity and per event, never synced. */
export async function worldLocalWorker(folder: string): Promise<Worker> {
  await installPeers();
  const { createLocalWorld } = await import('@workflow/world-local');
  const world = createLocalWorld({ dataDir: folder, recoverActiveRuns: false });
  await world.start();
  const { specVersion } = world;
  const create = async (n: number): Promise<string> => {
    const { run } = await world.events.create(null, {
      eventType: 'run_created',
      specVersion,
      eventData: { deploymentId: 'bench', workflowName: 'w', input: [n] },
    });
    if (run === undefined) throw new Error('bench: world-local created no run');
    return run.runId;
  };
  // Its only event that is nothing but an event is a received hook, and that needs a hook: one for
  // all, made outside what is measured.
  const hook = 'hook_bench';
  await world.events.create(await create(0), {
    eventType: 'hook_created',
    specVersion,
    correlationId: hook,
    eventData: { token: 'bench' },
  });
  return {
    name: '@workflow/world-local',
    syncs: false,
    run(n) {
      let runId = '';
      const send = (
        eventType: string,
        step: number,
        eventData?: Readonly<Record<string, unknown>>,
      ): Promise<unknown> =>
        world.events.create(runId, {
          eventType,
          specVersion,
          correlationId: eventType === 'hook_received' ? hook : `step_${step}`,
          ...(eventData !== undefined && { eventData }),
        });
      return performW(
        {
          async create() {
            runId = await create(n);
          },
          createStep: (step) =>
            send('step_created', step, { stepName: `step-${step}`, input: [step] }),
          startStep: (step) => send('step_started', step),
          completeStep: (step, output) => send('step_completed', step, { result: output }),
          event: (step, event) => send('hook_received', step, { payload: event }),
        },
        n,
      );
    },
    close: () => world.close(),
  };
}
