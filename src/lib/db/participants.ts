import type { Participant, Queryable } from '../db.ts';
import { refusal } from './parameters.ts';

/** Who has joined which transaction, as long as its callback runs. */
const joined = new WeakMap<Queryable, Participant[]>();

/** From here on it can be joined. */
export function openForParticipants(tx: Queryable): void {
  joined.set(tx, []);
}

/** Nobody can join any more. */
export function participantsOf(tx: Queryable): readonly Participant[] {
  const participants = joined.get(tx) ?? [];
  joined.delete(tx);
  return participants;
}

export function join(tx: Queryable, participant: Participant): void {
  const participants = joined.get(tx);
  if (participants !== undefined) return void participants.push(participant);
  throw refusal('tx', 'is not that of a transaction whose callback is running');
}
