import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../errorFacts.ts';
import type { Run } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { EXIT, CommandError } from '../failure.ts';
import { findRun } from '../findRun.ts';
import { perform } from '../recordRun.ts';
import { prepareResume, type Resumption } from '../recording/prepareResume.ts';
import { recorderState, workerOf } from '../runState.ts';
import { isDatabase } from '../storeFolder.ts';
import { plain, shortId } from '../text.ts';
import { positive } from '../values.ts';

interface ResumeFlags {
  readonly kill?: boolean;
  readonly force?: boolean;
  readonly jobs?: number;
  readonly live?: boolean;
  readonly quiet?: boolean;
}

const PAUSE_MS = 20;

export const resume: Verb = {
  name: 'resume',
  summary: 'go on with what had not succeeded in a run that was broken off or has failed',
  define: (command) =>
    command
      .argument('<run>', 'its id, a unique beginning or end of it, or `last`')
      .option('--kill', 'end the commands that a recorder which is gone has left running')
      .option(
        '--force',
        'in a database: although nobody can tell from here whether its recorder is gone. Only when ' +
          'you know that it is; otherwise its steps run twice at once',
      )
      .option('--jobs <count>', 'steps at once (the number of processors)', positive)
      .option('--live', 'pass the output of the steps through as it comes')
      .option('--quiet', 'no words of our own unless something fails'),
  run: resumeRun,
};

async function resumeRun(call: Call): Promise<number> {
  const options = call.options as ResumeFlags;
  const { fileSystem } = call.context;
  return call.withStore('write', async (store) => {
    const run = await findRun(store, call.args[0] ?? '');
    if (run.status === 'succeeded') return nothingToDo(call, run);
    const pause = (): Promise<void> => sleep(PAUSE_MS);
    await requireRecorderGone(call, run);
    const { kill } = options;
    const onKill = async (names: string): Promise<void> => {
      if (!call.json)
        await call.note(`--kill ends ${plain(names)}, with all that they have started`);
    };
    const found = await prepareResume(store, run, { fileSystem, kill, onKill, pause });
    const cwd = await folderOf(call, found);
    if (options.quiet !== true && !call.json) await call.note(describe(run, found));
    const { plan } = found;
    const { code } = await perform(call, { ...options, store, run, plan, cwd, single: false });
    return code;
  });
}

async function nothingToDo(call: Call, run: Run): Promise<number> {
  if (call.json) await call.object(run);
  else await call.note(`run ${shortId(run.id)} has succeeded: there is nothing to resume`);
  return EXIT.ok;
}

/** In a database several may be at work: a run is taken only from who is known to be gone. */
async function requireRecorderGone(call: Call, run: Run): Promise<void> {
  if (run.status !== 'running' || !isDatabase(call.url)) return;
  const state = await recorderState(call, run);
  if (state === 'gone') return;
  const id = shortId(run.id);
  const recorder = plain(workerOf(run) ?? 'a program that did not sign it');
  if (state === 'alive') {
    const remedy = `wait for it: \`holdfast events ${id} --follow\` shows it at work`;
    throw new CommandError(`run ${id} is being recorded by ${recorder}`, remedy, EXIT.refused);
  }
  const { force } = call.options as ResumeFlags;
  if (force === true) return;
  throw new CommandError(
    `run ${id} is being recorded by ${recorder}, and whether that still runs cannot be told from here`,
    'when you know that it is gone, go on with --force; otherwise its steps would run twice at once',
    EXIT.refused,
  );
}

/** Where it ran before: a path inside a command means the same file again. */
async function folderOf(call: Call, { cwd }: Resumption): Promise<string> {
  if (cwd === undefined) return call.context.cwd;
  try {
    if ((await call.context.fileSystem.stat(cwd)).isDirectory()) return cwd;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
  throw new CommandError(`the folder in which the run began is gone: ${cwd}`, 'make it again');
}

function describe(run: Run, { kept, interrupted, retried }: Resumption): string {
  const parts = [
    kept.length > 0 ? `${kept.join(', ')} not repeated` : '',
    interrupted.length > 0 ? `${interrupted.join(', ')} was interrupted` : '',
    retried.length > 0 ? `${retried.join(', ')} had not succeeded` : '',
  ].filter((part) => part !== '');
  const what = parts.length > 0 ? parts.join(' · ') : 'nothing of it had been started';
  return `resumed ${shortId(run.id)}: ${plain(what)}`;
}
