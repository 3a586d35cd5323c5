import fc from 'fast-check';
import type { ErrorInput, JsonValue, Payload } from '../../../../src/index.ts';

/** What calls are made of: few values each, so that the same ones meet again. */

export type Arb<T> = fc.Arbitrary<T>;

export const maybe = <T>(values: Arb<T>): Arb<T | undefined> =>
  fc.option(values, { nil: undefined });
export const oneOf = <const T>(...values: readonly T[]): Arb<T> => fc.constantFrom(...values);

/** Stands for one of what there is at the time of the call. */
export const NUMBER = fc.noBias(fc.nat(9_999));

export const TIME = oneOf(Date.UTC(2020, 0), Date.UTC(2026, 0, 2, 0, 1), Date.UTC(2031, 0)).map(
  (ms) => new Date(ms),
);
export const INPUT = oneOf<Payload | undefined>(undefined, 1, { a: 1, b: [2] });
export const PAYLOAD = oneOf<Payload | undefined>(
  undefined,
  null,
  0,
  'größe 🧵',
  { b: [2], a: 1 },
  { a: 1, b: [2] },
  { a: undefined, $bytes: 'AA==' },
  { $json: [null] },
  JSON.parse('{"__proto__":{"a":1}}') as JsonValue,
  new Uint8Array(),
  new Uint8Array([0, 255, 10]),
  'long '.repeat(1_000),
);
export const TAGS = oneOf({}, { team: 'a' }, { team: 'b' }, { team: 'a', n: '1' });
export const METADATA = oneOf({}, { n: 1 }, { list: [{ deep: null }] });
export const ERROR = oneOf<ErrorInput>(
  { name: 'Error', message: 'it broke', code: 'E_BROKE' },
  Object.assign(new TypeError('no such thing'), { stack: 'TypeError: no such thing' }),
);
export const WORKER = oneOf(undefined, 'w1', 'w2');
export const KEY = oneOf('k', 'l');

/** Mostly without a condition, else with one that holds, or one that does not. */
const CONDITION = oneOf('none', 'none', 'none', 'holds', 'fails');
export const RUN = { condition: CONDITION, run: NUMBER };
export const STEP = { ...RUN, step: NUMBER };

export function options(condition: string, version: () => number, rest: object = {}) {
  if (condition === 'none') return rest;
  return { ...rest, ifVersion: version() + (condition === 'holds' ? 0 : 1) };
}
