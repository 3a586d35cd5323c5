import type { JsonObject } from '../../src/index.ts';

/** What one ordinary write carries, in bytes of JSON: the same for every contender. */
export const PAYLOAD_BYTES = 600;

const WORDS =
  'the quick brown fox jumps over the lazy dog and reads what a model has said about it ';

const KINDS = 1024;
const made = new Map<number, readonly JsonObject[]>();

/**
 * A JSON object of exactly `bytes` bytes as text, another for each of 1,024 `n` in a row. Made once:
 * at 100,000 writes a second, making them would be measured too.
 */
export function payload(n: number, bytes = PAYLOAD_BYTES): JsonObject {
  const ready = made.get(bytes) ?? Array.from({ length: KINDS }, (_, kind) => make(kind, bytes));
  made.set(bytes, ready);
  return ready[n % KINDS] ?? {};
}

function make(n: number, bytes: number): JsonObject {
  const frame = { n: String(n).padStart(9, '0'), status: 200, text: '' };
  const missing = bytes - JSON.stringify(frame).length;
  const start = n % WORDS.length;
  const text = WORDS.repeat(Math.ceil((missing + start) / WORDS.length)).slice(start);
  return { ...frame, text: text.slice(0, missing) };
}
