import type { Database } from '../../db.ts';
import { isStoreError, StoreError } from '../../errors.ts';
import { checkId, checkObject } from '../../model/check.ts';
import type { Change } from '../../model/change.ts';
import { toPublicChange } from '../../model/represent.ts';
import { changeFromJson } from '../../model/text.ts';
import { type Identity, toCursor } from '../commands/cursor.ts';
import { refused } from '../commands/refused.ts';
import type { Commit, WatchOptions } from '../contract.ts';
import type { DatabaseCommitter } from './committer.ts';
import type { LogHead } from './head.ts';

const OPTIONS: ReadonlySet<string> = new Set<keyof WatchOptions>(['after', 'runId', 'signal']);
const PAGE = 200;

export interface WatchedLog {
  readonly db: Database;
  readonly head: LogHead;
  readonly committer: DatabaseCommitter;
  readonly identity: Identity;
}

interface LoggedCommit {
  readonly position: number;
  readonly at_ms: number;
  readonly data: string;
}

/** The tail of the log, page by page: a slow watcher costs no memory. */
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
  const { head, committer, identity } = log;
  const isAborted = () => signal?.aborted === true;
  const isOver = () => committer.isClosed;
  let after = cursor === undefined ? now : await head.positionOf(identity, cursor);
  while (!isAborted() && !isOver()) {
    const page = await orOver(readLog(log, after), isOver);
    if (page === undefined) return;
    for (const { position, at_ms, data } of page) {
      if (isAborted()) return;
      const changes = changesOf(data, position);
      after = position;
      if (runId !== undefined && !changes.some((change) => change.runId === runId)) continue;
      const at = new Date(at_ms);
      yield { position: toCursor(identity, position), at, changes: changes.map(toPublicChange) };
    }
    if (page.length === PAGE) continue;
    await orOver(head.wait(after, isOver, signal), isOver);
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
async function readLog({ db, head }: WatchedLog, after: number): Promise<readonly LoggedCommit[]> {
  const sql =
    'SELECT position, at_ms, data FROM holdfast_changes WHERE position > $1' +
    ' ORDER BY position LIMIT $2';
  const known = head.position;
  const { rows } = await db.query<LoggedCommit>(sql, [after, PAGE]);
  const first = rows[0]?.position ?? known + 1;
  if (first === after + 1 || (rows.length === 0 && known <= after)) return rows;
  throw new StoreError('POSITION_EXPIRED', `the log begins with commit ${first}`);
}

function changesOf(data: string, position: number): readonly Change[] {
  const changes = (JSON.parse(data) as readonly unknown[]).map(changeFromJson);
  if (!changes.includes(undefined)) return changes as readonly Change[];
  const message = `commit ${position} was written by a newer version`;
  throw new StoreError('UNSUPPORTED_FORMAT', message);
}
