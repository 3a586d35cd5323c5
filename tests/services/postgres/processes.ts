import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

const isLinux = process.platform === 'linux';

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** It has ended, and its parent has not asked how: where nothing does, it stays for good. */
  readonly isZombie: boolean;
}

/** Sends `signal`; `false` when there is no such process. */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Sends `signal` to the server `pid` and all of its processes, and returns their ids. */
export async function signalAll(pid: number, signal: NodeJS.Signals): Promise<readonly number[]> {
  // A server that stands still makes no more processes, so that none is overlooked.
  if (!signalTo(pid, 'SIGSTOP')) return [];
  const children = (await allProcesses()).filter(({ parent }) => parent === pid);
  const all = [...children.map((child) => child.pid), pid];
  for (const id of all) signalTo(id, signal);
  return all;
}

/** Those of `pids` that have not ended. */
export async function aliveOf(pids: readonly number[]): Promise<readonly number[]> {
  const found = isLinux
    ? (await Promise.all(pids.map(processOfProc))).filter((one) => one !== undefined)
    : await allProcesses();
  const alive = new Set(found.filter((one) => !one.isZombie).map(({ pid }) => pid));
  return pids.filter((pid) => alive.has(pid));
}

async function allProcesses(): Promise<readonly Process[]> {
  // Small images have no `ps`.
  if (isLinux) return processesOfProc();
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,state=']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, state = ''] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), isZombie: state.startsWith('Z') };
    });
}

async function processesOfProc(): Promise<readonly Process[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(ids.map(processOfProc));
  return found.filter((one) => one !== undefined);
}

async function processOfProc(pid: number): Promise<Process | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // It ended meanwhile.
  }
  // `pid (name) state parent …`, where the name may hold anything.
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { pid, parent: Number(parent), isZombie: state === 'Z' };
}
