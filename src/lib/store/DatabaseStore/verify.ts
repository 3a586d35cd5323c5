import type { Queryable } from '../../db.ts';
import { isStoreError, type StoreError } from '../../errors.ts';
import type { Blobs } from '../commands/blobs.ts';
import type { Finding, VerifyOptions, VerifyReport } from '../contract.ts';
import type { LogReader } from './logReader.ts';
import { refuseAborted } from '../commands/signal.ts';
import { intact } from './runCache.ts';
import type { CheckedPage } from './rows.ts';
import type { RunReader } from './runReader.ts';

export interface VerifiedParts {
  readonly db: Queryable;
  readonly reader: RunReader;
  readonly logReader: LogReader;
  readonly blobs: Blobs;
}

const PAGE = 200;
const LOG = `SELECT count(*) AS commits, coalesce(max(position) - min(position) + 1, 0) AS wanted,
  coalesce(sum(length(data)), 0) AS bytes FROM holdfast_changes`;
const COUNTED = `SELECT r.id AS id, r.last_seq AS last_seq, count(e.seq) AS events,
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
 * Reads the log, every run, and every blob that an artifact names: the log and the events of each run are
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
  await checkPages(
    (after) => parts.logReader.check(after),
    ({ message }) => damaged('holdfast_changes', message),
    signal,
  );
  let [runs, events, bytes] = [0, 0, logBytes];
  const digests = new Map<string, number>();
  for (let last = '', page; (page = await countedAfter(parts.db, last)).length > 0;) {
    for (const run of page) {
      refuseAborted(signal, 'verify');
      const found = await guard(run.id, damaged, () => artifactsOf(parts.reader, run.id));
      for (const { digest, size } of found ?? []) digests.set(digest, size);
      await checkPages(
        (after) => parts.reader.checkEvents(run.id, after),
        ({ message }) => damaged(run.id, message),
        signal,
      );
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
        refuseAborted(signal, 'verify');
        bytes += chunk.length;
      }
      onProgress?.(bytes, bytes);
    });
  }
  return { findings, commits, runs, events, blobs: digests.size, bytes };
}

/** Until there is no last one: then nothing comes after it. */
async function checkPages(
  check: (after: number) => Promise<CheckedPage>,
  tell: (fault: StoreError) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let after: number | undefined = 0; after !== undefined;) {
    refuseAborted(signal, 'verify');
    const { faults, last }: CheckedPage = await check(after);
    faults.forEach(tell);
    after = last;
  }
}

async function logOf(db: Queryable) {
  type Log = { readonly commits: number; readonly wanted: number; readonly bytes: number };
  return (await db.query<Log>(LOG)).rows[0] as Log;
}

async function countedAfter(db: Queryable, last: string): Promise<readonly Counted[]> {
  return (await db.query<Counted>(COUNTED, [last])).rows;
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
