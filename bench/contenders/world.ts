import type { World } from '@workflow/world-local';
import { performW, type Worker } from './workload.ts';

/** One of the worlds of the Workflow SDK, which all take the same events. */
export async function worldWorker(
  world: World,
  { name, syncs }: Pick<Worker, 'name' | 'syncs'>,
): Promise<Worker> {
  const { specVersion } = world;
  const create = async (n: number): Promise<string> => {
    const { run } = await world.events.create(null, {
      eventType: 'run_created',
      specVersion,
      eventData: { deploymentId: 'bench', workflowName: 'w', input: [n] },
    });
    if (run === undefined) throw new Error(`bench: ${name} created no run`);
    return run.runId;
  };
  // Their only event that is nothing but an event is a received hook, and that needs a hook: one for
  // all, made outside what is measured.
  const hook = 'hook_bench';
  await world.events.create(await create(0), {
    eventType: 'hook_created',
    specVersion,
    correlationId: hook,
    eventData: { token: 'bench' },
  });
  return {
    name,
    syncs,
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
          correlationId: eventType === 'hook_received' ? hook : `step_${runId}_${step}`,
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
