import type { EventListOptions, NewEvent, Page, RunEvent } from '../../index.ts';
import { pageOf } from './pages.ts';
import type { Records } from './records.ts';
import { refusal } from './refusals.ts';
import { isSame, kept } from './values.ts';

export class ReferenceEvents {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  append(runId: string, input: NewEvent): RunEvent {
    const record = this.#records.get(runId);
    const { type, idempotencyKey: key, stepId } = input;
    const payload = kept(input.payload);
    const known = record.events.find((event) => key !== undefined && event.idempotencyKey === key);
    if (known !== undefined) {
      if (known.type === type && isSame(known.payload, payload)) return known;
      throw refusal('IDEMPOTENCY_CONFLICT', `${key} has another input`, `${runId}#${known.seq}`);
    }
    const recordedAt = this.#records.world.at();
    const event: RunEvent = {
      runId,
      seq: record.events.length + 1,
      type,
      stepId: stepId ?? null,
      payload,
      idempotencyKey: key ?? null,
      occurredAt: input.occurredAt ?? recordedAt,
      recordedAt,
    };
    this.#records.put(runId, { ...record, events: [...record.events, event] });
    return event;
  }

  list(runId: string, { after = 0, ...page }: EventListOptions = {}): Page<RunEvent> {
    const events = this.#records.get(runId).events.filter(({ seq }) => seq > after);
    return pageOf(events, ({ seq }) => [seq], page);
  }
}
