import { checkId, checkObject } from '../../model/check.ts';
import { toPublicChange } from '../../model/represent.ts';
import { refused } from '../commands/refused.ts';
import type { Commit, WatchOptions } from '../contract.ts';
import type { Committer } from './committer.ts';
import { fromCursor, type Identity, toCursor } from '../commands/cursor.ts';
import type { Frame } from './frame.ts';
import type { Journal } from './journal.ts';

const OPTIONS: ReadonlySet<string> = new Set<keyof WatchOptions>(['after', 'runId', 'signal']);

export interface WatchedLog {
  readonly journal: Journal;
  readonly committer: Committer;
  readonly identity: Identity;
}

type Start = ReturnType<typeof startOf>;

/**
 * The tail of the log, from any position: whole commits, in order, each once. It reads the journal's
 * files whatever its pace, so a slow watcher costs no memory.
 */
export function watchCommits(log: WatchedLog, options: WatchOptions): AsyncGenerator<Commit> {
  // Where it starts is settled here, at the call; a refusal is told where commits are asked for.
  try {
    return follow(log, options, startOf(log, options));
  } catch (refusal) {
    return refused(refusal);
  }
}

function startOf({ journal, committer, identity }: WatchedLog, options: WatchOptions) {
  checkObject(options, 'options', OPTIONS);
  committer.refuseClosed();
  if (options.runId !== undefined) checkId(options.runId, 'options.runId');
  const { durable } = journal;
  const after =
    options.after === undefined ? durable : fromCursor(identity, options.after, durable);
  return { after, place: journal.log.placeAfter(after) };
}

async function* follow(
  { journal, committer, identity }: WatchedLog,
  { signal, runId }: WatchOptions,
  { after, place }: Start,
): AsyncGenerator<Commit> {
  const isAborted = () => signal?.aborted === true;
  while (!isAborted()) {
    for await (const frame of journal.log.frames(place, after, journal.durable)) {
      if (isAborted()) return;
      if (runId === undefined || touches(frame, runId)) yield toCommit(frame, identity);
    }
    if (place.position < journal.durable) continue;
    if (committer.isClosed) return;
    await journal.changed.wait(signal);
  }
}

function touches(frame: Frame, runId: string): boolean {
  return frame.changes.some((change) => change.runId === runId);
}

function toCommit(frame: Frame, identity: Identity): Commit {
  return {
    position: toCursor(identity, frame.position),
    at: new Date(frame.at),
    changes: frame.changes.map(toPublicChange),
  };
}
