import type { Workload } from '../recording.ts';
import type { Stage } from '../stage.ts';

/** A run that was not there. */
export async function createRun(stage: Stage, id: string): Promise<void> {
  const mark = stage.mark();
  await stage.call([mark], (store) => store.runs.create({ id, workflow: 'w', input: mark }));
}

/** `filling`: how many characters the payload has beside its mark. */
export async function appendEvent(stage: Stage, runId: string, filling = 0): Promise<void> {
  const mark = stage.mark();
  const payload = { mark, filling: 'x'.repeat(filling) };
  await stage.call([mark], (store) => store.events.append(runId, { type: 'e', payload }));
}

/** A step from its creation to its end: three writes. */
export async function workOn(stage: Stage, runId: string, id: string): Promise<void> {
  const [input, worker, output] = [stage.mark(), stage.mark(), stage.mark()];
  await stage.call([input], (store) => store.steps.create(runId, { id, name: id, input }));
  const running = { status: 'running', worker } as const;
  await stage.call([worker], (store) => store.steps.update(runId, id, running));
  const succeeded = { status: 'succeeded', output } as const;
  await stage.call([output], (store) => store.steps.update(runId, id, succeeded));
}

export async function endRun(stage: Stage, id: string): Promise<void> {
  const [worker, output] = [stage.mark(), stage.mark()];
  const running = { status: 'running', worker } as const;
  await stage.call([worker], (store) => store.runs.update(id, running));
  const succeeded = { status: 'succeeded', output } as const;
  await stage.call([output], (store) => store.runs.update(id, succeeded));
}

/** One after the other. */
export async function repeat(count: number, work: (n: number) => Promise<void>): Promise<void> {
  for (let n = 0; n < count; n++) await work(n);
}

/** Side by side. */
export async function together(count: number, work: (n: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, n) => work(n)));
}

export const callers: Workload = {
  name: 'concurrent callers over several runs',
  run: async (stage) => {
    await together(3, async (n) => {
      const id = `run ${n}`;
      await createRun(stage, id);
      await together(2, (step) => workOn(stage, id, `step ${step}`));
      await repeat(2, () => appendEvent(stage, id, stage.random.below(200)));
    });
    await together(6, (n) => appendEvent(stage, `run ${n % 3}`));
  },
};

export const repetitions: Workload = {
  name: 'the same key from several callers at once',
  run: async (stage) => {
    await createRun(stage, 'r');
    await repeat(3, async (round) => {
      const payload = stage.mark();
      const event = { type: 'e', payload, idempotencyKey: `key ${round}` };
      // Each of them is told that the event is stored, whoever stored it.
      await together(4, async () => {
        await stage.call([payload], (store) => store.events.append('r', event));
      });
      const input = stage.mark();
      const step = { name: 's', input, idempotencyKey: `key ${round}` };
      await together(3, async () => {
        await stage.call([input], (store) => store.steps.create('r', step));
      });
    });
  },
};
