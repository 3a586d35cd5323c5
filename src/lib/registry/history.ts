import type { RunEvent } from '../model/entities.ts';
import type { JsonObject } from '../model/payload.ts';
import type { HistoryRecord } from './changes.ts';
import { HISTORY_ACTIONS, type HistoryEntry } from './definition.ts';

const PREFIX = 'registry.';

export function eventOf({ action, ...facts }: HistoryRecord): {
  readonly type: string;
  readonly payload: JsonObject;
} {
  return { type: `${PREFIX}${action}`, payload: facts };
}

/** `undefined` for what somebody else has noted at the run. */
export function historyEntry({
  seq,
  type,
  payload,
  recordedAt,
}: RunEvent): HistoryEntry | undefined {
  const action = HISTORY_ACTIONS.find((known) => type === `${PREFIX}${known}`);
  if (action === undefined) return undefined;
  const facts = payload as Partial<HistoryRecord>;
  const { version = null, tag = null, from = null, reason = null } = facts;
  return { seq, at: recordedAt, action, version, tag, from, reason };
}
