import { isStoreError, StoreError } from '../../errors.ts';
import { checkId, checkObject } from '../../model/check.ts';
import { toPublicChange } from '../../model/represent.ts';
import { type Identity, toCursor } from '../commands/cursor.ts';
import { refused } from '../commands/refused.ts';
import type { Commit, WatchOptions } from '../contract.ts';
import type { DatabaseCommitter } from './committer.ts';
import type { LogHead } from './head.ts';
import type { LogPage, LogReader } from './logReader.ts';
import type { Outages } from './outages.ts';

const OPTIONS: ReadonlySet<string> = new Set<keyof WatchOptions>(['after', 'runId', 'signal']);
export interface WatchedLog {
  readonly logReader: LogReader;
  readonly head: LogHead;
  readonly committer: DatabaseCommitter;
  readonly identity: Identity;
  readonly outages: Outages;
}

/**
 * The tail of the log, page by page: a slow watcher costs no memory. It goes on where it was after an
 * outage of the database that is not too long.
 */
export function watchCommits(log: WatchedLog, options: WatchOptions): AsyncGenerator<Commit> {
  // Where it starts is settled here, at the call; a refusal is told where commits are asked for.
  const now = log.head.position;
  try {
    checkObject(options, 'options', OPTIONS);
    log.committer.refuseClosed();
    if (options.runId !== undefined) checkId(options.runId, 'options.runId');
  } catch (refusal) {
    return refused(refusal);
  }
  return follow(log, options, now);
}

async function* follow(
  log: WatchedLog,
  { signal, runId, after: cursor }: WatchOptions,
  now: number,
): AsyncGenerator<Commit> {
  const { head, committer, identity, outages } = log;
  const isAborted = () => signal?.aborted === true;
  const isOver = () => committer.isClosed;
  const outlast = <T>(read: () => Promise<T>) => orOver(outages.outlast(read, signal), isOver);
  const start = () => (cursor === undefined ? now : head.positionOf(identity, cursor));
  let after = (await outlast(async () => start())) ?? now;
  while (!isAborted() && !isOver()) {
    const page = await outlast(() => readPage(log, after));
    if (page === undefined) return;
    for (const { position, at, changes } of page.commits) {
      if (isAborted()) return;
      after = position;
      if (runId !== undefined && !changes.some((change) => change.runId === runId)) continue;
      yield { position: toCursor(identity, position), at, changes: changes.map(toPublicChange) };
    }
    if (!page.isLast) continue;
    await outlast(() => head.wait(after, isOver, signal));
  }
}

/** A store that is closed answers no more; that is no failure of who only waited. */
async function orOver<T>(work: Promise<T>, isOver: () => boolean): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isOver() && isStoreError(error, 'STORE_CLOSED')) return undefined;
    throw error;
  }
}

/** The commits after `after`, dense. `POSITION_EXPIRED` when the log does not reach back that far. */
async function readPage({ logReader, head }: WatchedLog, after: number): Promise<LogPage> {
  const known = head.position;
  const page = await logReader.page(after);
  const first = page.commits[0]?.position ?? known + 1;
  if (first === after + 1 || (page.commits.length === 0 && known <= after)) return page;
  throw new StoreError('POSITION_EXPIRED', `the log begins with commit ${first}`);
}
