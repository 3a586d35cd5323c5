import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { aliveOf, signalAll, signalTo } from './processes.ts';

const run = promisify(execFile);

/** The server kills what does not heed it after five seconds, and then ends. */
const SHUTDOWN_MS = 10_000;

/** What the server says of itself in `data/postmaster.pid`, which stays when it is killed. */
export interface Postmaster {
  readonly pid: number;
  readonly isReady: boolean;
  /** The System V memory by which it finds out that another one is running. */
  readonly memoryId: string | undefined;
}

/** `undefined` while there is no such file, or only the beginning of it. */
export async function readPostmaster(folder: string): Promise<Postmaster | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const memoryId = lines[6]?.trim().split(/\s+/)[1];
  return { pid, isReady: lines[7]?.trim() === 'ready', memoryId };
}

/** Ends the server `pid` in any way, also when it stands still, and all of its processes. */
export async function endServer(pid: number): Promise<void> {
  // Its own immediate shutdown takes away what lies outside of the folder, too.
  const all = await signalAll(pid, 'SIGCONT');
  signalTo(pid, 'SIGQUIT');
  if (await areGone(all, SHUTDOWN_MS)) return;
  await killServer(pid);
}

/** Kills the server `pid` and all of its processes, none of which can do anything more. */
export async function killServer(pid: number): Promise<void> {
  const all = await signalAll(pid, 'SIGKILL');
  if (!(await areGone(all, SHUTDOWN_MS))) throw new Error(`server ${pid} does not end by SIGKILL`);
}

async function areGone(pids: readonly number[], withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while ((await aliveOf(pids)).length > 0) {
    if (performance.now() > end) return false;
    await delay(5);
  }
  return true;
}

/** Takes away what a killed server has left outside of its folder. */
export async function removeMemory({ memoryId }: Postmaster): Promise<void> {
  if (memoryId === undefined) return;
  try {
    await run('ipcrm', ['-m', memoryId]);
  } catch {
    // A server that was started anew has done so; and 56 bytes are no reason to fail.
  }
}
