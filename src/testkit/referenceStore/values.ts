import { isDeepStrictEqual } from 'node:util';
import type { ErrorInfo, ErrorInput, JsonObject, Payload } from '../../index.ts';

/** A payload as it comes back: what is `undefined` in it has gone. */
export function kept(value: Payload | undefined): Payload {
  if (value === undefined) return null;
  return value instanceof Uint8Array ? new Uint8Array(value) : (keptJson(value) as Payload);
}

export function keptObject(value: JsonObject | undefined): JsonObject {
  return value === undefined ? {} : (keptJson(value) as JsonObject);
}

function keptJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** The order of an object's keys does not count. */
export function isSame(a: Payload, b: Payload): boolean {
  return isDeepStrictEqual(a, b);
}

export function errorInfo(error: ErrorInput): ErrorInfo {
  const { name, message, stack } = error;
  const code = 'code' in error ? error.code : undefined;
  return {
    name,
    message,
    ...(typeof code === 'string' && { code }),
    ...(stack !== undefined && { stack }),
  };
}

/** What a patch sets: an option that is `undefined` counts as absent. */
export function given<T extends object>(
  fields: T,
): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
