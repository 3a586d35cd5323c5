import { systemCode } from '../errorFacts.ts';
import type { FileSystem, JsonObject } from '../../index.ts';
import { readText } from './files.ts';

/** Which process it is, beyond its number: numbers are used again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat; `null` where there is no /proc. */
  readonly startTicks: number | null;
  /** Ticks count from the start of the machine: this tells one start from the next. */
  readonly bootId: string | null;
}

/** The fields of /proc/<pid>/stat from the third on; `undefined` when it cannot be read. */
export async function readStat(
  fileSystem: FileSystem,
  pid: number,
): Promise<readonly string[] | undefined> {
  const text = await readIfThere(fileSystem, `/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, and may hold any character.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

export async function identify(fileSystem: FileSystem, pid: number): Promise<ProcessIdentity> {
  const stat = await readStat(fileSystem, pid);
  const boot = await readIfThere(fileSystem, '/proc/sys/kernel/random/boot_id');
  const startTicks = Number(stat?.[19] ?? Number.NaN);
  return {
    pid,
    startTicks: Number.isFinite(startTicks) ? startTicks : null,
    bootId: boot?.trim() ?? null,
  };
}

export function identityOf(payload: JsonObject): ProcessIdentity | undefined {
  const { pid, startTicks, bootId } = payload;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  return {
    pid,
    startTicks: typeof startTicks === 'number' ? startTicks : null,
    bootId: typeof bootId === 'string' ? bootId : null,
  };
}

/** `alive` is this very process; `maybe` is one of this number, where no more can be known. */
export async function look(
  fileSystem: FileSystem,
  known: ProcessIdentity,
): Promise<'alive' | 'maybe' | 'gone'> {
  if (known.startTicks === null) return answers(known.pid) ? 'maybe' : 'gone';
  const stat = await readStat(fileSystem, known.pid);
  // A /proc that hides the processes of others says nothing about them.
  if (stat === undefined) return answers(known.pid) ? 'maybe' : 'gone';
  // A zombie runs nothing any more; it only waits to be noticed by its parent.
  if (stat[0] === 'Z' || stat[0] === 'X') return 'gone';
  const now = await identify(fileSystem, known.pid);
  const same = now.startTicks === known.startTicks && now.bootId === known.bootId;
  return same ? 'alive' : 'gone';
}

function answers(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It is there, and belongs to somebody else.
    return systemCode(error) === 'EPERM';
  }
}

const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EPERM']);

/** A process may end at any time, and not every system has /proc: both mean that it is not known. */
export async function readIfThere(
  fileSystem: FileSystem,
  path: string,
): Promise<string | undefined> {
  try {
    return await readText(fileSystem, path);
  } catch (error) {
    if (ABSENT.has(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}
