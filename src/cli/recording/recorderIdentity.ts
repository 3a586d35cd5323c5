import { hostname } from 'node:os';
import type { FileSystem } from '../../index.ts';
import { identify, type ProcessIdentity, readStat } from './processIdentity.ts';

/** Which process records, and where its number counts. `null` where that is not known. */
interface Recorder extends ProcessIdentity {
  readonly host: string | null;
  /** When process 1 has begun where its number counts: a container has a first process of its own. */
  readonly namespace: string | null;
}

const PLACE = String.raw`start (?<start>\d+), boot (?<boot>[\w-]+), namespace (?<namespace>\d+)`;
const SIGNED = new RegExp(
  String.raw`^process (?<pid>\d+)(?: on (?<host>[\w.-]+)(?: \(${PLACE}\))?)?$`,
);

/**
 * How `record` and `resume` sign what they run:
 * `process 4711 on web-1 (start 81240, boot 1b4e28ba-…, namespace 1)`, as far as it is known.
 */
export async function ownWorker(fileSystem: FileSystem): Promise<string> {
  const { pid, startTicks, bootId } = await identify(fileSystem, process.pid);
  const [host, namespace] = [ownHost(), await ownNamespace(fileSystem)];
  const signed = `process ${pid} on ${host}`;
  if (startTicks === null || bootId === null || namespace === null) return signed;
  return `${signed} (start ${startTicks}, boot ${bootId}, namespace ${namespace})`;
}

/** Whether `record` or `resume` has signed so. */
export function isCommandLine(worker: string | null): boolean {
  return SIGNED.test(worker ?? '');
}

/** Who has signed; `undefined` when it was not the command line. */
export function recorderOf(worker: string | null): Recorder | undefined {
  const found = SIGNED.exec(worker ?? '')?.groups;
  if (found === undefined) return undefined;
  return {
    pid: Number(found['pid']),
    host: found['host'] ?? null,
    startTicks: found['start'] === undefined ? null : Number(found['start']),
    bootId: found['boot'] ?? null,
    namespace: found['namespace'] ?? null,
  };
}

/** Whether the number of that process means the same process here; false when that is not known. */
export async function sameNamespace(fileSystem: FileSystem, recorder: Recorder): Promise<boolean> {
  const { host, bootId, namespace } = recorder;
  if (host !== ownHost() || bootId === null || namespace === null) return false;
  const own = await identify(fileSystem, process.pid);
  return own.bootId === bootId && (await ownNamespace(fileSystem)) === namespace;
}

function ownHost(): string {
  return hostname().replaceAll(/[^\w.-]/g, '-') || 'unknown';
}

/** Process 1 of a namespace has begun with it. */
async function ownNamespace(fileSystem: FileSystem): Promise<string | null> {
  return (await readStat(fileSystem, 1))?.[19] ?? null;
}
