import type { JsonValue, NewEvent, Payload, RunEvent, Store } from '../../index.ts';
import type { OutputChunk, OutputSource } from './outputChunker.ts';

const OUTPUT = 'output';
export const STARTED = 'process.started';
export const SIGNAL = 'signal';

// A page of this many chunks of 16 KiB is all that is in memory at a time.
const PAGE = 100;

/** `occurredAt` is the time of the chunk's first byte. Bytes that are no text are in base64. */
export function outputEvent(stepId: string, chunk: OutputChunk): NewEvent {
  const { source, data, text, at } = chunk;
  const body = text === undefined ? { base64: data.toString('base64') } : { text };
  return {
    type: OUTPUT,
    stepId,
    occurredAt: new Date(at),
    payload: { source, bytes: data.length, ...body },
  };
}

/** The bytes of an output event; `undefined` for every other event. */
export function outputOf(
  event: RunEvent,
): { readonly source: OutputSource; readonly data: Buffer } | undefined {
  if (event.type !== OUTPUT) return undefined;
  const payload = fieldsOf(event.payload);
  const source = payload['source'] === 'stderr' ? 'stderr' : 'stdout';
  const { text, base64 } = payload;
  if (typeof text === 'string') return { source, data: Buffer.from(text, 'utf8') };
  if (typeof base64 === 'string') return { source, data: Buffer.from(base64, 'base64') };
  return undefined;
}

/** The fields of a payload that is an object; none for any other. */
export function fieldsOf(payload: Payload): Readonly<Record<string, JsonValue | undefined>> {
  if (typeof payload !== 'object' || payload === null) return {};
  if (Array.isArray(payload) || payload instanceof Uint8Array) return {};
  return payload as Readonly<Record<string, JsonValue | undefined>>;
}

/** All that a step wrote after event `after`, in the order in which it was recorded, page by page. */
export async function* recordedOutput(
  store: Store,
  runId: string,
  stepId: string,
  after: number,
): AsyncGenerator<Uint8Array> {
  for await (const event of store.events.list(runId, { after, limit: PAGE })) {
    const output = event.stepId === stepId ? outputOf(event) : undefined;
    if (output !== undefined) yield output.data;
  }
}

/**
 * The number of the first event for which `reached` is true, or one past the last event. It must
 * be false for all events before and true for all after. Reads about forty events, not all.
 */
export async function firstEvent(
  store: Store,
  runId: string,
  reached: (event: RunEvent) => boolean,
): Promise<number> {
  const isPast = async (seq: number): Promise<boolean> => {
    const { items } = await store.events.list(runId, { after: seq - 1, limit: 1 });
    return items[0] === undefined || reached(items[0]);
  };
  let low = 1;
  let high = 1;
  while (!(await isPast(high))) {
    low = high + 1;
    high *= 2;
  }
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isPast(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
