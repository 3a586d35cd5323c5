import { StoreError } from '../errors.ts';
import { LIMITS } from '../limits.ts';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };
export type JsonObject = { readonly [key: string]: JsonValue | undefined };

/** What a caller may store as input, output or event body. */
export type Payload = JsonValue | Uint8Array;

/**
 * A payload as it is kept: JSON text. Bytes are `{"$bytes":"<base64>"}`; an object whose first key
 * is `$bytes` or `$json` is wrapped as `{"$json":…}`, so that no value can be taken for another.
 * Text makes every read a fresh copy, and the same characters go to every backend.
 */
export type Encoded = string;

export const NULL_PAYLOAD: Encoded = 'null';

const BYTES = '{"$bytes":';
const WRAPPED = '{"$json":';

/** Checks a caller's value and turns it into text; `path` names the argument in refusals. */
export function encodePayload(value: Payload | undefined, path: string): Encoded {
  if (value === undefined || value === null) return NULL_PAYLOAD;
  if (value instanceof Uint8Array) return encodeBytes(value, path);
  const text = encodeJson(value, path);
  if (text.length * 3 > LIMITS.payloadBytesMax) {
    const bytes = Buffer.byteLength(text);
    if (bytes > LIMITS.payloadBytesMax) throw tooLarge(path, bytes);
  }
  return text;
}

export function decodePayload(text: Encoded): Payload {
  if (text.startsWith(BYTES)) {
    return new Uint8Array(Buffer.from(text.slice(BYTES.length + 1, -2), 'base64'));
  }
  return JSON.parse(text.startsWith(WRAPPED) ? text.slice(WRAPPED.length, -1) : text) as JsonValue;
}

/** Whether two payloads hold the same value; the order of an object's keys does not count. */
export function samePayload(a: Encoded, b: Encoded): boolean {
  if (a === b) return true;
  if (a.startsWith(BYTES) || b.startsWith(BYTES)) return false;
  // Decoded first: whether an object is wrapped depends on the order of its keys.
  return canonical(decodePayload(a) as JsonValue) === canonical(decodePayload(b) as JsonValue);
}

function encodeBytes(bytes: Uint8Array, path: string): Encoded {
  if (bytes.length > LIMITS.payloadBytesMax) throw tooLarge(path, bytes.length);
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return `${BYTES}"${view.toString('base64')}"}`;
}

function encodeJson(value: JsonValue, path: string): Encoded {
  checkJson(value, path, 0);
  const text = JSON.stringify(value);
  return text.startsWith(BYTES) || text.startsWith(WRAPPED) ? `${WRAPPED}${text}}` : text;
}

/** Refuses what JSON cannot give back exactly. Sparse arrays read as `undefined` and are refused. */
function checkJson(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return;
    case 'number':
      if (!Number.isFinite(value)) throw unfit(path, `${value}`);
      if (Object.is(value, -0)) throw unfit(path, '-0');
      return;
    case 'object':
      if (value === null) return;
      if (depth >= LIMITS.depthMax) {
        throw new StoreError('LIMIT_EXCEEDED', `${path} is nested deeper than ${LIMITS.depthMax}`);
      }
      if (Array.isArray(value)) {
        for (let i = 0; i < value.length; i++) checkJson(value[i], `${path}[${i}]`, depth + 1);
        return;
      }
      return checkObject(value, path, depth);
    default:
      throw unfit(path, typeof value);
  }
}

function checkObject(value: object, path: string, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    // An object of another realm (a vm context, a worker) has a plain prototype of its own.
    if (Object.getPrototypeOf(prototype) !== null) {
      throw unfit(path, `an instance of ${value.constructor?.name ?? 'a class'}`);
    }
  }
  for (const [key, item] of Object.entries(value)) {
    // As with options everywhere: a property that is `undefined` counts as absent.
    if (item !== undefined) checkJson(item, `${path}.${key}`, depth + 1);
  }
}

function unfit(path: string, what: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${path} holds ${what}, which JSON cannot give back`);
}

function tooLarge(path: string, bytes: number): StoreError {
  const message = `${path} has ${bytes} bytes; a payload holds ${LIMITS.payloadBytesMax} at most`;
  return new StoreError('LIMIT_EXCEEDED', `${message}: store it as an artifact`);
}

function canonical(value: JsonValue): string {
  return JSON.stringify(value, (_key, item: JsonValue) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
