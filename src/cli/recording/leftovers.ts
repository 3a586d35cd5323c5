import type { FileSystem, Run, Step, Store } from '../../index.ts';
import { systemCode } from '../errorFacts.ts';
import { killGroup } from './childProcess.ts';
import { fieldsOf, firstEvent, STARTED } from './outputEvent.ts';
import {
  identityOf,
  look,
  type ProcessIdentity,
  readIfThere,
  readStat,
} from './processIdentity.ts';
import { RUN_MARK, STEP_MARK } from './recordStep.ts';

/** A process of a step whose recorder is dead. `certain` is false where only its number is known. */
export interface Leftover {
  readonly step: Step;
  readonly pid: number;
  readonly certain: boolean;
}

/**
 * The processes that a killed recorder has left running: the one that each interrupted step had
 * announced, and every other that carries the step's mark in its environment.
 */
export async function findLeftovers(
  store: Store,
  run: Run,
  interrupted: readonly Step[],
  fileSystem: FileSystem,
): Promise<readonly Leftover[]> {
  const found = new Map<number, Leftover>();
  for (const step of interrupted) {
    const known = await announced(store, run.id, step);
    const state = known === undefined ? 'gone' : await look(fileSystem, known);
    if (known !== undefined && state !== 'gone') {
      found.set(known.pid, { step, pid: known.pid, certain: state === 'alive' });
    }
  }
  for (const { pid, stepId } of await markedProcesses(run.id, fileSystem)) {
    const step = interrupted.find(({ id }) => id === stepId);
    if (step !== undefined) found.set(pid, { step, pid, certain: true });
  }
  return [...found.values()];
}

/** Ends them with all that they have started, and waits until they are gone. */
export async function endLeftovers(
  leftovers: readonly Leftover[],
  fileSystem: FileSystem,
  pause: () => Promise<void>,
): Promise<void> {
  for (const { pid } of leftovers) if (!killGroup(pid, 'SIGKILL')) killOne(pid);
  for (const { pid } of leftovers) {
    for (let stat = await readStat(fileSystem, pid); runs(stat);) {
      await pause();
      stat = await readStat(fileSystem, pid);
    }
  }
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended by itself since it was found.
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

function runs(stat: readonly string[] | undefined): boolean {
  return stat !== undefined && stat[0] !== 'Z' && stat[0] !== 'X';
}

/** What the step's current attempt said about its process; absent when it was killed before. */
async function announced(
  store: Store,
  runId: string,
  step: Step,
): Promise<ProcessIdentity | undefined> {
  const since = step.startedAt ?? step.createdAt;
  const first = await firstEvent(store, runId, ({ recordedAt }) => recordedAt >= since);
  for await (const event of store.events.list(runId, { after: first - 1, limit: 100 })) {
    if (event.type !== STARTED || event.stepId !== step.id) continue;
    const payload = fieldsOf(event.payload);
    if (payload['attempt'] === step.attempt) return identityOf(payload);
  }
  return undefined;
}

async function markedProcesses(
  runId: string,
  fileSystem: FileSystem,
): Promise<readonly { readonly pid: number; readonly stepId: string }[]> {
  if (process.platform !== 'linux') return [];
  const marked: { pid: number; stepId: string }[] = [];
  for (const name of await fileSystem.readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const environment = await readIfThere(fileSystem, `/proc/${name}/environ`);
    const entries = environment?.split('\0') ?? [];
    if (!entries.includes(`${RUN_MARK}=${runId}`)) continue;
    const own = entries.find((entry) => entry.startsWith(`${STEP_MARK}=`));
    if (own === undefined) continue;
    marked.push({ pid: Number(name), stepId: own.slice(STEP_MARK.length + 1) });
  }
  return marked;
}
