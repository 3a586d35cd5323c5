import { StoreError } from '../errors.ts';
import { LIMITS } from '../limits.ts';

/** Checks of arguments. Each takes the value and its path, and returns the value it has proven. */

// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/;

export function invalid(path: string, what: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${path} ${what}`);
}

/** An id: 1–200 bytes of UTF-8 without control characters. It can be anything else. */
export function checkId(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid(path, `must be a string, not ${kindOf(value)}`);
  if (value === '') throw invalid(path, 'must not be empty');
  if (CONTROL.test(value)) throw invalid(path, 'must not contain control characters');
  return checkText(value, path, LIMITS.idBytesMax);
}

/** A plain string. NUL and lone surrogates are refused: not every backend could give them back. */
export function checkText(value: unknown, path: string, bytesMax: number): string {
  if (typeof value !== 'string') throw invalid(path, `must be a string, not ${kindOf(value)}`);
  if (value.includes('\u0000')) throw invalid(path, 'must not contain NUL');
  if (!value.isWellFormed()) throw invalid(path, 'must be well-formed Unicode');
  if (value.length * 3 > bytesMax && Buffer.byteLength(value) > bytesMax) {
    throw new StoreError('LIMIT_EXCEEDED', `${path} is longer than ${bytesMax} bytes`);
  }
  return value;
}

/** A short name of something: not empty, one line. */
export function checkName(value: unknown, path: string): string {
  const text = checkText(value, path, LIMITS.textBytesMax);
  if (text === '') throw invalid(path, 'must not be empty');
  if (CONTROL.test(text)) throw invalid(path, 'must not contain control characters');
  return text;
}

export function checkOneOf<T extends string>(
  value: unknown,
  path: string,
  allowed: readonly T[],
): T {
  if (allowed.includes(value as T)) return value as T;
  throw invalid(path, `must be one of ${allowed.join(', ')}`);
}

export function checkInteger(value: unknown, path: string, min: number, max: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) {
    return (value as number) + 0;
  }
  throw invalid(path, `must be a whole number from ${min} to ${max}`);
}

/** A moment, as a `Date`; returned as the text in which it is kept. */
export function checkTime(value: unknown, path: string): string {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) {
    throw invalid(path, 'must be a valid Date');
  }
  return value.toISOString();
}

/** A plain object with no other keys than these; a misspelt option is refused, not ignored. */
export function checkObject<T extends object>(
  value: T | undefined,
  path: string,
  allowed: ReadonlySet<string>,
): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(path, `must be an object, not ${kindOf(value)}`);
  }
  for (const key in value) {
    if (!allowed.has(key) && value[key] !== undefined) {
      throw invalid(`${path}.${key}`, `is not known here; known are ${[...allowed].join(', ')}`);
    }
  }
  return value;
}

/** The same for an argument that must be there. */
export function checkGiven(value: object, path: string, allowed: ReadonlySet<string>): void {
  if (value === undefined) throw invalid(path, 'must be an object, not undefined');
  checkObject(value, path, allowed);
}

export function checkTags(value: unknown, path: string): Readonly<Record<string, string>> {
  const entries = entriesOf(value, path, LIMITS.tagsMax);
  return record(
    entries.map(([key, item]) => [
      checkName(key, `${path} key`),
      checkText(item, `${path}.${key}`, LIMITS.textBytesMax),
    ]),
  );
}

/** The entries of an object that may be left out, `undefined` ones aside. */
export function checkGivenMap(
  value: object | undefined,
  path: string,
  max: number,
): readonly (readonly [string, unknown])[] {
  return value === undefined ? [] : entriesOf(value, path, max);
}

export function checkMetrics(value: unknown, path: string): Readonly<Record<string, number>> {
  const entries = entriesOf(value, path, LIMITS.metricsMax);
  return record(
    entries.map(([key, item]) => {
      if (typeof item !== 'number' || !Number.isFinite(item)) {
        throw invalid(`${path}.${key}`, 'must be a finite number');
      }
      return [checkName(key, `${path} key`), item + 0];
    }),
  );
}

export function checkList(value: unknown, path: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(path, `must be an array, not ${kindOf(value)}`);
  if (value.length > max) {
    throw new StoreError('LIMIT_EXCEEDED', `${path} has ${value.length} items; ${max} at most`);
  }
  return value;
}

function entriesOf(value: unknown, path: string, max: number): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(path, `must be an object, not ${kindOf(value)}`);
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length > max) {
    throw new StoreError('LIMIT_EXCEEDED', `${path} has ${entries.length} keys; ${max} at most`);
  }
  return entries;
}

/** `__proto__` becomes an ordinary own key here: assignment would set the prototype instead. */
function record<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  return Object.fromEntries(entries);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value;
}
