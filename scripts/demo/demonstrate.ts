import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import colours from 'picocolors';
import { type Acknowledged, loadRecorder } from '../../src/cli.ts';
import { openStore, realFileSystem, type Store, systemClock } from '../../src/index.ts';
import { Line } from './line.ts';
import type { Message } from './messages.ts';
import { PLAN, RECORDER, ROOT, STORE } from './plan.ts';

const { executePlan, prepareResume } = await loadRecorder();

/** How far the third step is when its recorder dies. */
const KILL_AT_PERCENT = 55;

interface Killed {
  readonly runId: string;
  readonly acknowledged: readonly Acknowledged[];
}

/**
 * Records a plan over this repository in another process, kills that process in the middle, and
 * shows what is there afterwards. Every number it prints was measured in this run.
 */
export async function demonstrate(): Promise<void> {
  console.log('Recording four steps over this repository, in a process of its own.');
  const killed = await recordUntilKilled();
  await using store = await reopen(killed);
  await resume(store, killed.runId);
  tellNext(killed.runId);
}

function recordUntilKilled(): Promise<Killed> {
  return new Promise((resolve, reject) => {
    const line = new Line();
    const acknowledged: Acknowledged[] = [];
    let runId = '';
    const recorder = fork(RECORDER, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    recorder.on('message', (message: Message) => {
      if (message.type === 'started') runId = message.runId;
      if (message.type === 'acknowledged') acknowledged.push(message.write);
      if (message.type === 'step') line.running(message.name);
      if (message.type === 'ended') line.ended(message.name, message.durationMs);
      if (message.type === 'progress') {
        line.progress(message.percent);
        if (message.percent >= KILL_AT_PERCENT) recorder.kill('SIGKILL');
      }
    });
    recorder.once('error', reject);
    recorder.once('close', (_code, signal) => {
      const count = acknowledged.length.toLocaleString('en');
      line.end(colours.red(`✂ kill -9 (${count} writes acknowledged)`));
      if (signal === 'SIGKILL') resolve({ runId, acknowledged });
      else reject(new Error('the recorder ended before it was killed'));
    });
  });
}

async function reopen({ runId, acknowledged }: Killed): Promise<Store> {
  const began = performance.now();
  const store = await openStore(STORE);
  const milliseconds = Math.round(performance.now() - began);
  let present = 0;
  for (const write of acknowledged) if (await isPresent(store, runId, write)) present++;
  const { recovery } = await store.stats();
  const all = acknowledged.length.toLocaleString('en');
  const verdict = `${present.toLocaleString('en')} of ${all} acknowledged writes present`;
  const colour = present === acknowledged.length ? colours.green : colours.red;
  const tail =
    recovery.bytesLeftBehind === 0
      ? 'no torn tail'
      : `${recovery.bytesLeftBehind} bytes of an unacknowledged tail left behind`;
  console.log(`reopened in ${milliseconds} ms · ${colour(verdict)} · ${tail}`);
  if (present !== acknowledged.length) process.exitCode = 1;
  return store;
}

async function isPresent(store: Store, runId: string, write: Acknowledged): Promise<boolean> {
  switch (write.kind) {
    case 'run':
      return (await store.runs.get(runId)).version >= write.version;
    case 'step':
      return (await store.steps.get(runId, write.stepId)).version >= write.version;
    case 'event': {
      const { items } = await store.events.list(runId, { after: write.seq - 1, limit: 1 });
      return items[0]?.seq === write.seq;
    }
    case 'artifact': {
      const { name, version } = write;
      return (await store.artifacts.get(runId, name, { version })).version === version;
    }
  }
}

async function resume(store: Store, runId: string): Promise<void> {
  const run = await store.runs.get(runId);
  const fileSystem = realFileSystem;
  const pause = () => sleep(20);
  const { kept } = await prepareResume(store, run, { fileSystem, kill: true, pause });
  const line = new Line(`resumed: ${kept.join(', ')} not repeated ·`);
  await executePlan(store, runId, PLAN, {
    cwd: ROOT,
    env: process.env,
    fileSystem,
    clock: systemClock,
    onStepStart: ({ name, attempt }) => line.running(name, attempt),
    onStepEnd: ({ name, process: { durationMs } }) => line.ended(name, durationMs),
  });
  const { status } = await store.runs.get(runId);
  line.end(status === 'succeeded' ? colours.green('succeeded') : colours.red(status));
  if (status !== 'succeeded') process.exitCode = 1;
}

function tellNext(runId: string): void {
  const id = runId.slice(-8);
  console.log(`
see it:              npm start -s -- show ${id}
its output:          npm start -s -- events ${id}
its report:          npm start -s -- cat ${id} .cache/demo/report.md
record your own:     npm start -s -- record -- npm --version
read it without us:  jq -c . .holdfast/journal/*.ndjson`);
}
