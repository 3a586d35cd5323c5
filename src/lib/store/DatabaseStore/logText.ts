import type { Change } from '../../model/change.ts';
import type { EventRow } from '../../model/entities.ts';
import {
  changeFromJson,
  changeToText,
  checkCommitText,
  eventChangeToText,
  eventToText,
} from '../../model/text.ts';

type EventChange = Extract<Change, { readonly type: 'event.appended' }>;

/** A change with its text: of an event that of its row, of everything else that of the change. */
export interface WrittenChange {
  readonly change: Change;
  readonly text: string;
}

export interface WrittenCommit {
  readonly changes: readonly WrittenChange[];
  /** Of it all, in UTF-16 units. */
  readonly length: number;
}

/** An event of a commit that stands in the table of events, as the log names it. */
export interface EventReference {
  readonly type: 'event.appended';
  readonly runId: string;
  readonly seq: number;
  /** Of the text of its row, in UTF-16 units; unknown in what was written before it was kept. */
  readonly size?: number;
}

/** `LIMIT_EXCEEDED` when they are too many for one commit. */
export function writtenCommit(changes: readonly Change[]): WrittenCommit {
  const written = changes.map((change) => ({
    change,
    text: change.type === 'event.appended' ? eventToText(change.event) : changeToText(change),
  }));
  const whole = written.map(inFull).join(',');
  checkCommitText(whole);
  return { changes: written, length: whole.length };
}

/**
 * A commit as the log keeps it. Events are stored once: of those that their table keeps (`isKept`) the
 * log has the number only.
 */
export function commitData(
  { changes }: WrittenCommit,
  isKept: (runId: string, event: EventRow) => boolean,
): string {
  const texts = changes.map((written) => {
    const { change, text } = written;
    const isReference = change.type === 'event.appended' && isKept(change.runId, change.event);
    return isReference ? referenceText(change, text.length) : inFull(written);
  });
  return `[${texts.join(',')}]`;
}

function inFull({ change, text }: WrittenChange): string {
  return change.type === 'event.appended' ? eventChangeToText(change.runId, text) : text;
}

function referenceText({ runId, event }: EventChange, size: number): string {
  const id = JSON.stringify(runId);
  return `{"type":"event.appended","runId":${id},"seq":${event.seq},"size":${size}}`;
}

/** What `commitData` has written; `undefined` for a change that this version does not know. */
export function changesFromJson(value: unknown): readonly (Change | EventReference | undefined)[] {
  return (value as readonly object[]).map((change) =>
    'seq' in change ? (change as EventReference) : changeFromJson(change),
  );
}
