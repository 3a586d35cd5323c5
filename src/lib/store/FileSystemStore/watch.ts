import { checkId } from '../../model/check.ts';
import { toPublicChange } from '../../model/represent.ts';
import type { Commit, WatchOptions } from '../contract.ts';
import type { Committer } from './committer.ts';
import { fromCursor, type Identity, toCursor } from './cursor.ts';
import type { Frame } from './frame.ts';
import type { Journal } from './journal.ts';

/**
 * The tail of the log, from any position: whole commits, in order, each once. It reads the journal's
 * files whatever its pace, so a slow watcher costs no memory.
 */
export async function* watchCommits(
  journal: Journal,
  committer: Committer,
  identity: Identity,
  options: WatchOptions,
): AsyncGenerator<Commit> {
  const { signal, runId } = options;
  committer.refuseClosed();
  if (runId !== undefined) checkId(runId, 'options.runId');
  const durable = journal.durable;
  const after =
    options.after === undefined ? durable : fromCursor(identity, options.after, durable);
  const place = journal.log.placeAfter(after);
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
