import { StoreError } from '../errors.ts';

/** What both databases keep and give back alike. */
export type Parameter =
  null | string | number | bigint | boolean | Uint8Array | readonly Parameter[];

/**
 * Takes what a caller passes: `undefined` is null, a `Date` its ISO text in UTC, any view of bytes a
 * `Uint8Array`. `INVALID_ARGUMENT` for what a database would change without a word (half of a
 * surrogate pair, NaN, objects) or cannot hold (NUL in text).
 */
export function checkParameters(params: readonly unknown[]): readonly Parameter[] {
  return params.map((value, n) => checked(value, `$${n + 1}`));
}

function checked(value: unknown, name: string): Parameter {
  switch (typeof value) {
    case 'undefined':
      return null;
    case 'bigint':
    case 'boolean':
      return value;
    case 'string':
      return checkedText(value, name);
    case 'number':
      if (Number.isFinite(value)) return value;
      throw refusal(name, `${value} is not a finite number`);
    case 'object':
      return checkedObject(value, name);
    default:
      throw refusal(name, `a ${typeof value} cannot be stored`);
  }
}

function checkedText(text: string, name: string): string {
  if (text.includes('\0')) throw refusal(name, 'text with a NUL character cannot be stored');
  if (text.isWellFormed()) return text;
  throw refusal(name, 'the text holds half of a surrogate pair, which is no character');
}

function checkedObject(value: object | null, name: string): Parameter {
  if (value === null) return null;
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (value instanceof Date) {
    if (!Number.isNaN(value.getTime())) return value.toISOString();
    throw refusal(name, 'the date is invalid');
  }
  if (Array.isArray(value)) {
    return value.map((item: unknown, n) => checked(item, `${name}[${n}]`));
  }
  throw refusal(name, 'an object cannot be stored; pass JSON.stringify(…) of it');
}

export function refusal(name: string, why: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${name}: ${why}`);
}
