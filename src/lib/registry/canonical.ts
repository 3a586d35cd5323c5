import { invalid } from '../model/check.ts';
import { decodePayload, encodePayload, type JsonObject, type JsonValue } from '../model/payload.ts';

/**
 * The JSON Canonicalization Scheme (RFC 8785): no spaces, and keys in the order of their UTF-16 code
 * units. Numbers and texts are as ECMAScript writes them, which is what the scheme asks for.
 */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value as JsonObject).filter(([, item]) => item !== undefined);
  const members = entries
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item ?? null)}`);
  return `{${members.join(',')}}`;
}

/** A copy that nobody else holds. What JSON cannot give back is `INVALID_ARGUMENT`, with its path. */
export function checkJsonObject(value: unknown, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(path, 'must be a JSON object');
  }
  if (value instanceof Uint8Array) throw invalid(path, 'must be JSON, not bytes');
  return decodePayload(encodePayload(value as JsonObject, path)) as JsonObject;
}

export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}
