// The process that the demonstration kills: it records the plan, and tells its parent of each write
// only after the store has acknowledged it.
import { Writable } from 'node:stream';
import { loadRecorder } from '../../src/cli.ts';
import { openStore, realFileSystem, systemClock } from '../../src/index.ts';
import type { Message } from './messages.ts';
import { PLAN, ROOT, STORE } from './plan.ts';

const { executePlan, Sink, startPlan } = await loadRecorder();

function tell(message: Message): void {
  process.send?.(message);
}

/** The steps print how far they are; it is recorded like all output, and shown on the way. */
const progress = new Writable({
  write(chunk: Buffer, _encoding, done) {
    const percent = [...chunk.toString().matchAll(/^(\d+)% /gm)].at(-1)?.[1];
    if (percent !== undefined) tell({ type: 'progress', percent: Number(percent) });
    done();
  },
});

await using store = await openStore(STORE);
const run = await startPlan(store, PLAN, { cwd: ROOT, tags: { demo: 'yes' } });
tell({ type: 'started', runId: run.id });
await executePlan(store, run.id, PLAN, {
  cwd: ROOT,
  env: process.env,
  fileSystem: realFileSystem,
  clock: systemClock,
  live: { stdout: new Sink(progress), stderr: new Sink(process.stderr) },
  onAcknowledged: (_count, write) => tell({ type: 'acknowledged', write }),
  onStepStart: ({ name }) => tell({ type: 'step', name }),
  onStepEnd: ({ name, status, process: { durationMs } }) =>
    tell({ type: 'ended', name, status, durationMs }),
});
process.disconnect();
