import type { DiskCall } from '../../simulatedDisk.ts';
import type { Workload } from '../recording.ts';
import type { Stage } from '../stage.ts';
import { appendEvent, createRun, together } from './callers.ts';

const PASS_MS = 60_000;

/** Callers at work while the nth call of this kind fails once; some go on after it. */
async function workUnder(
  stage: Stage,
  code: string,
  isMeant: (call: DiskCall) => boolean,
): Promise<void> {
  await together(2, (n) => createRun(stage, `run ${n}`));
  let left = 1 + stage.random.below(12);
  stage.disk.fault = (call) => (isMeant(call) && --left === 0 ? code : undefined);
  await together(4, async (n) => {
    for (let m = 0; m < 3; m++) await appendEvent(stage, `run ${n % 2}`, 250 * m);
    stage.clock.advance(PASS_MS);
  });
  await stage.quiet();
  stage.disk.fault = () => undefined;
}

export const failedSyncs: Workload = {
  name: 'a sync that fails and marks the pages clean',
  run: (stage) => workUnder(stage, 'EIO', ({ op }) => op === 'sync' || op === 'datasync'),
};

export const failedWrites: Workload = {
  name: 'a write that fails, or is short',
  run: (stage) =>
    workUnder(stage, stage.random.pick(['EIO', 'ENOSPC', 'short']), ({ op }) => op === 'write'),
};

export const fullDisks: Workload = {
  name: 'a disk that is full for a while',
  run: async (stage) => {
    await createRun(stage, 'r');
    stage.disk.bytesMax = stage.random.below(12_000);
    await together(3, async () => {
      for (let n = 0; n < 4; n++) await appendEvent(stage, 'r', 700);
    });
    await stage.pass(PASS_MS);
    stage.disk.bytesMax = Infinity;
    await stage.pass(PASS_MS);
    await appendEvent(stage, 'r');
  },
};
