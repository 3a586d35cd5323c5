import { checkName, checkGiven, checkId, checkTime } from './check.ts';
import type { NewEvent } from './commands.ts';
import { type Context, type Decision, idempotencyConflict, requireRun } from './decision.ts';
import type { EventRow } from './entities.ts';
import { encodePayload, samePayload } from './payload.ts';
import { optional } from './run.ts';
import type { RunState } from './runState.ts';

const NEW_EVENT: ReadonlySet<string> = new Set<keyof NewEvent>([
  'type',
  'stepId',
  'payload',
  'idempotencyKey',
  'occurredAt',
]);

/** `known` is the stored event with the same idempotency key, if there is one. */
export function decideAppendEvent(
  state: RunState,
  runId: string,
  input: NewEvent,
  known: EventRow | undefined,
  context: Context,
): Decision {
  requireRun(state, runId);
  checkGiven(input, 'event', NEW_EVENT);
  const event: EventRow = {
    seq: state.lastSeq + 1,
    type: checkName(input.type, 'event.type'),
    stepId: optional(input.stepId, 'event.stepId', checkId),
    payload: encodePayload(input.payload, 'event.payload'),
    idempotencyKey: optional(input.idempotencyKey, 'event.idempotencyKey', checkName),
    occurredAt: optional(input.occurredAt, 'event.occurredAt', checkTime) ?? context.at,
    recordedAt: context.at,
  };
  if (known === undefined) return [{ type: 'event.appended', runId, event }];
  if (known.type === event.type && samePayload(known.payload, event.payload)) return [];
  throw idempotencyConflict('an event', event.idempotencyKey ?? '', `${runId}#${known.seq}`);
}
