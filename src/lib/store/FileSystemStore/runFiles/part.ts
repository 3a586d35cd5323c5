import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { encodeName } from '../fileName.ts';

/** One file of a run, as the index keeps it. */
export interface RunPart {
  /** 1, 2, 3…; the newest is the one whose rows are the run. */
  readonly part: number;
  /** The last commit that is folded into it. */
  readonly position: number;
  /** Size of the file. */
  readonly bytes: number;
  /** Where its rows end and its events begin. */
  readonly rowsBytes: number;
  /** 0: it has no events of its own. */
  readonly firstSeq: number;
  /** The run's last event when it was written; its own last one, where it has any. */
  readonly lastSeq: number;
  /** How many of its events have an idempotency key. */
  readonly keyed: number;
}

/** Bytes that absorbing the part would copy. */
export function eventBytes(part: RunPart): number {
  return part.firstSeq === 0 ? 0 : part.bytes - part.rowsBytes;
}

interface RunName {
  readonly digits: string;
  readonly base: string;
}

/** Every read of a run asks for it, again and again for the same few. */
const names = new LRUCache<string, RunName>({ max: 1_000, memoMethod: nameOf });

function nameOf(runId: string): RunName {
  const digits = createHash('sha256').update(runId).digest('hex').slice(0, 2);
  return { digits, base: encodeName(runId) };
}

/** Where the files of a run lie. Two digits of a hash keep each folder small. */
export function runPlace(runsFolder: string, runId: string): { folder: string; base: string } {
  const { digits, base } = names.memo(runId);
  return { folder: join(runsFolder, digits), base };
}

export function partPath(runsFolder: string, runId: string, part: number): string {
  const { folder, base } = runPlace(runsFolder, runId);
  return join(folder, partName(base, part));
}

export function partName(base: string, part: number): string {
  return `${base}.${part}.ndjson`;
}

const PART_NAME = /^(.+)\.([1-9]\d{0,14})\.ndjson$/;

/** `undefined` for a file that is no run file. */
export function parsePartName(name: string): { base: string; part: number } | undefined {
  const [, base, part] = PART_NAME.exec(name) ?? [];
  return base === undefined ? undefined : { base, part: Number(part) };
}
