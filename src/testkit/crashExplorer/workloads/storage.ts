import type { Workload } from '../recording.ts';
import type { Stage } from '../stage.ts';
import { appendEvent, createRun, endRun, repeat, together, workOn } from './callers.ts';

/** Longer than any quiet time that a workload is played with. */
const PASS_MS = 60_000;

export const largePayloads: Workload = {
  name: 'payloads over the borders of sectors and segments',
  run: async (stage) => {
    await createRun(stage, 'r');
    const lengths = [300, 700, 1_500, 3_900, 4_100, 9_000];
    await repeat(4, () => appendEvent(stage, 'r', stage.random.pick(lengths)));
    await together(3, () => appendEvent(stage, 'r', stage.random.pick(lengths)));
  },
};

export const checkpoints: Workload = {
  name: 'run files that are written, merged and read again',
  run: async (stage) => {
    await together(2, (n) => createRun(stage, `run ${n}`));
    await repeat(4, async (round) => {
      await together(2, async (n) => {
        await appendEvent(stage, `run ${n}`, 40 + 60 * round);
        if (round === n) await workOn(stage, `run ${n}`, 'step');
      });
      await stage.pass(PASS_MS);
    });
    await endRun(stage, 'run 0');
    await stage.pass(PASS_MS);
    await appendEvent(stage, 'run 0');
  },
};

export const removals: Workload = {
  name: 'segments that are removed while callers write',
  run: async (stage) => {
    await together(2, (n) => createRun(stage, `run ${n}`));
    const isPinned = stage.random.chance(0.3);
    if (isPinned) await stage.pin('reader');
    await repeat(5, async () => {
      await together(4, (n) => appendEvent(stage, `run ${n % 2}`, 300));
      stage.clock.advance(PASS_MS);
    });
    await stage.quiet();
    if (isPinned) await stage.unpin('reader');
    await stage.pass(PASS_MS);
    await appendEvent(stage, 'run 0');
  },
};

async function putArtifact(stage: Stage, runId: string, name: string, length: number) {
  const mark = stage.mark();
  const body = Buffer.from(stage.random.bytes(length));
  await stage.put(mark, runId, { name, body, metadata: { mark } });
}

export const artifacts: Workload = {
  name: 'artifacts',
  run: async (stage) => {
    await together(2, async (n) => {
      await createRun(stage, `run ${n}`);
      await repeat(2, (m) => putArtifact(stage, `run ${n}`, 'a', [40, 700, 5_000][n + m] ?? 0));
    });
    // The same bytes from two callers at once: one blob.
    const body = Buffer.from(stage.random.bytes(900));
    await together(2, async (n) => {
      const mark = stage.mark();
      await stage.put(mark, `run ${n}`, { name: 'same', body, metadata: { mark } });
    });
    const [named, deleted] = [stage.mark(), stage.mark()];
    const patch = { metadata: { mark: named }, aliases: ['best'] };
    await stage.call([named], (store) =>
      store.artifacts.update('run 1', 'a', patch, { version: 1 }),
    );
    await stage.pass(PASS_MS);
    await stage.call([deleted], (store) =>
      store.transaction('run 0', async (tx) => {
        await tx.artifacts.delete('run 0', 'a', { version: 1 });
        await tx.events.append('run 0', { type: 'deleted', payload: deleted });
      }),
    );
    await stage.pass(PASS_MS);
    await putArtifact(stage, 'run 0', 'late', 600);
  },
};
