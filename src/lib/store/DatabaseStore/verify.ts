import type { Queryable } from '../../db.ts';
import { isStoreError, type StoreError } from '../../errors.ts';
import type { Blobs } from '../commands/blobs.ts';
import type { Finding, VerifyOptions, VerifyReport } from '../contract.ts';
import type { LogReader } from './logReader.ts';
import { refuseAborted } from '../commands/signal.ts';
import { intact } from './runCache.ts';
import { type CheckedPage, EVENTS } from './rows.ts';
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
const RUNS = `SELECT id FROM holdfast_runs WHERE id > $1 ORDER BY id LIMIT ${PAGE}`;
const STRAY_EVENTS = `SELECT CAST((SELECT count(*) FROM ${EVENTS.name})
  - (SELECT coalesce(sum(last_seq), 0) FROM holdfast_runs) AS bigint) AS events`;

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
  for (let last = '', page; (page = await runsAfter(parts.db, last)).length > 0;) {
    for (const id of page) {
      refuseAborted(signal, 'verify');
      const found = await guard(id, damaged, () => artifactsOf(parts.reader, id));
      for (const { digest, size } of found ?? []) digests.set(digest, size);
      await checkPages(
        async (after) => {
          const checked = await parts.reader.checkEvents(id, after);
          events += checked.events;
          bytes += checked.bytes;
          return checked;
        },
        ({ message }) => damaged(id, message),
        signal,
      );
      runs++;
      onProgress?.(bytes, bytes);
    }
    last = page.at(-1) ?? '';
  }
  const stray = await strayEventsOf(parts.db);
  if (stray > 0) damaged(EVENTS.name, `events of no run: ${stray}`);
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

async function runsAfter(db: Queryable, last: string): Promise<readonly string[]> {
  return (await db.query<{ id: string }>(RUNS, [last])).rows.map(({ id }) => id);
}

/** Too many of them, where none is missing: in one statement, and so of one moment. */
async function strayEventsOf(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ events: number }>(STRAY_EVENTS, []);
  return rows[0]?.events ?? 0;
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
