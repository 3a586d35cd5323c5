import type { Database } from '../../db.ts';
import { isStoreError, StoreError } from '../../errors.ts';
import type { Blobs } from '../commands/blobs.ts';
import type { Finding, VerifyOptions, VerifyReport } from '../contract.ts';
import { intact } from './runCache.ts';
import type { RunReader } from './runReader.ts';

export interface VerifiedParts {
  readonly db: Database;
  readonly reader: RunReader;
  readonly blobs: Blobs;
}

const PAGE = 200;
const LOG = `SELECT count(*) AS commits, coalesce(max(position) - min(position) + 1, 0) AS wanted,
  coalesce(sum(length(data)), 0) AS bytes FROM holdfast_changes`;
const EVENTS = `SELECT r.id AS id, r.last_seq AS last_seq, count(e.seq) AS events,
    coalesce(sum(length(e.data)), 0) AS bytes
  FROM holdfast_runs r LEFT JOIN holdfast_events e ON e.run_id = r.id
  WHERE r.id > $1 GROUP BY r.id, r.last_seq ORDER BY r.id LIMIT ${PAGE}`;

interface Counted {
  readonly id: string;
  readonly last_seq: number;
  readonly events: number;
  readonly bytes: number;
}

/**
 * Reads every run, and every blob that an artifact names: the log and the events of each run are
 * without gaps, every row can be read, every blob has its digest. What the database itself has
 * damaged it says itself, where its checksums are on.
 */
export async function verifyDatabase(
  parts: VerifiedParts,
  { signal, onProgress }: VerifyOptions,
): Promise<VerifyReport> {
  const findings: Finding[] = [];
  const damaged = (file: string, message: string) =>
    void findings.push({ code: 'DATA_CORRUPT', file, message });
  const { commits, wanted, bytes: logBytes } = await logOf(parts.db);
  if (commits !== wanted) damaged('holdfast_changes', `${wanted - commits} commits are missing`);
  let [runs, events, bytes] = [0, 0, logBytes];
  const digests = new Map<string, number>();
  for (let last = '', page; (page = await countedAfter(parts.db, last)).length > 0;) {
    for (const run of page) {
      refuseAborted(signal);
      const found = await guard(run.id, damaged, () => artifactsOf(parts.reader, run.id));
      for (const { digest, size } of found ?? []) digests.set(digest, size);
      if (run.events !== run.last_seq) {
        damaged(`run ${run.id}`, `${run.events} of ${run.last_seq} events are there`);
      }
      runs++;
      events += run.events;
      bytes += run.bytes;
      onProgress?.(bytes, bytes);
    }
    last = page.at(-1)?.id ?? '';
  }
  for (const [digest, size] of digests) {
    await guard(digest, damaged, async () => {
      for await (const chunk of parts.blobs.open({ digest, size })) {
        refuseAborted(signal);
        bytes += chunk.length;
      }
      onProgress?.(bytes, bytes);
    });
  }
  return { findings, commits, runs, events, blobs: digests.size, bytes };
}

async function logOf(db: Database) {
  type Log = { readonly commits: number; readonly wanted: number; readonly bytes: number };
  return (await db.query<Log>(LOG)).rows[0] as Log;
}

async function countedAfter(db: Database, last: string): Promise<readonly Counted[]> {
  return (await db.query<Counted>(EVENTS, [last])).rows;
}

async function artifactsOf(reader: RunReader, runId: string) {
  const run = (await reader.load([runId])).get(runId);
  return run === undefined ? [] : [...intact(run).state.liveArtifacts()];
}

async function guard<T>(
  what: string,
  damaged: (file: string, message: string) => void,
  check: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await check();
  } catch (error) {
    if (!isStoreError(error, 'DATA_CORRUPT')) throw error;
    damaged(what, error.message);
    return undefined;
  }
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new StoreError('ABORTED', 'verify was aborted', { cause: signal.reason });
}
