import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LIMITS, type Payload } from '../../../src/index.ts';
import { decodePayload, encodePayload, samePayload } from '../../../src/lib/model/payload.ts';
import { payload } from './arbitraries.ts';
import { refusal, untyped } from './scene.ts';

const encode = (value: unknown): string => encodePayload(untyped(value), 'input');
const roundTrip = (value: unknown): Payload => decodePayload(encode(value));

function nested(depth: number): unknown {
  let value: unknown = 'core';
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { inner: value };
  return value;
}

class Point {
  readonly x = 1;
}

describe('a payload that JSON cannot give back is refused with its path', () => {
  const refused: readonly (readonly [string, unknown, string])[] = [
    ['undefined in an array', { list: [1, undefined] }, 'input.list[1] holds undefined'],
    // eslint-disable-next-line no-sparse-arrays -- the hole is what is refused
    ['a hole in an array', [1, , 3], 'input[1] holds undefined'],
    ['NaN', { a: { b: Number.NaN } }, 'input.a.b holds NaN'],
    ['Infinity', [Number.POSITIVE_INFINITY], 'input[0] holds Infinity'],
    ['minus Infinity', [[Number.NEGATIVE_INFINITY]], 'input[0][0] holds -Infinity'],
    ['minus zero', { zero: -0 }, 'input.zero holds -0'],
    ['a BigInt', { big: 1n }, 'input.big holds bigint'],
    ['a Date', { when: new Date(0) }, 'input.when holds an instance of Date'],
    ['a Map', { map: new Map() }, 'input.map holds an instance of Map'],
    ['a Set', new Set([1]), 'input holds an instance of Set'],
    ['an instance of a class', { at: [new Point()] }, 'input.at[0] holds an instance of Point'],
    ['a boxed string', { s: Object('boxed') as unknown }, 'input.s holds an instance of String'],
    ['bytes inside JSON', { b: new Uint8Array(1) }, 'input.b holds an instance of Uint8Array'],
    ['a function', { f: () => 1 }, 'input.f holds function'],
    ['a symbol', [Symbol('s')], 'input[0] holds symbol'],
    ['a regular expression', { r: /x/ }, 'input.r holds an instance of RegExp'],
    ['a bare function', () => 1, 'input holds function'],
    ['its own toJSON', { toJSON: () => 'other' }, 'input.toJSON holds function'],
  ];

  test.each(refused)('%s', (_name, value, message) => {
    const error = refusal(() => encode(value));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toContain(message);
  });
});

describe('payload limits', () => {
  test('depth 100 is kept and depth 101 is refused', () => {
    expect(roundTrip(nested(100))).toEqual(nested(100));
    expect(refusal(() => encode(nested(101))).code).toBe('LIMIT_EXCEEDED');
  });

  test('JSON nested 100,000 deep, and a cycle, are refused without overflowing the stack', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(refusal(() => encode(nested(100_000))).code).toBe('LIMIT_EXCEEDED');
    expect(refusal(() => encode(cycle)).code).toBe('LIMIT_EXCEEDED');
  });

  test('JSON text of 8 MiB is kept and one byte more is refused', () => {
    const fits = 'a'.repeat(LIMITS.payloadBytesMax - 2);
    expect(encode(fits)).toHaveLength(LIMITS.payloadBytesMax);
    const error = refusal(() => encode(`${fits}a`));
    expect(error.code).toBe('LIMIT_EXCEEDED');
    expect(error.message).toContain('input has 8388609 bytes');
  });

  test('what counts is bytes of UTF-8, not characters', () => {
    const characters = Math.ceil(LIMITS.payloadBytesMax / 3);
    expect(refusal(() => encode('€'.repeat(characters))).code).toBe('LIMIT_EXCEEDED');
    expect(encode('€'.repeat(characters - 2))).toHaveLength(characters);
  });

  test('8 MiB of bytes are kept and one byte more is refused', () => {
    const fits = new Uint8Array(LIMITS.payloadBytesMax).fill(7);
    expect(Buffer.compare(roundTrip(fits) as Uint8Array, fits)).toBe(0);
    const more = new Uint8Array(LIMITS.payloadBytesMax + 1);
    expect(refusal(() => encode(more)).code).toBe('LIMIT_EXCEEDED');
  });
});

describe('a payload comes back exactly', () => {
  test('any value, as a fresh copy', () => {
    fc.assert(
      fc.property(payload, (value) => {
        const back = roundTrip(value);
        expect(back).toEqual(value);
        if (typeof value === 'object' && value !== null) expect(back).not.toBe(value);
      }),
    );
  });

  test('any bytes, and a view sees only its own part of a buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(roundTrip(bytes)).toEqual(bytes);
      }),
    );
    const view = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
    expect(roundTrip(view)).toEqual(new Uint8Array([2, 3]));
    expect(roundTrip(Buffer.from('é'))).toEqual(new Uint8Array([0xc3, 0xa9]));
  });

  test('nothing given is null', () => {
    expect(roundTrip(undefined)).toBeNull();
    expect(roundTrip(null)).toBeNull();
  });

  test('a property that is undefined counts as absent', () => {
    expect(encode({ a: undefined, b: { c: undefined } })).toBe('{"b":{}}');
  });

  const bytesLike: readonly unknown[] = [
    { $bytes: 'AAAA' },
    { $bytes: null, more: 1 },
    { $json: { $bytes: 'AAAA' } },
    { $json: 1, other: 2 },
    { a: undefined, $bytes: 'AAAA' },
    { a: 1, $bytes: 'AAAA' },
    [{ $bytes: 'AAAA' }],
    '{"$bytes":"AAAA"}',
  ];

  test.each(bytesLike)('%j is never taken for bytes', (value) => {
    expect(roundTrip(value)).toEqual(JSON.parse(JSON.stringify(value)));
  });

  test('lone surrogates and every odd character of a string', () => {
    const odd = ['\ud800', 'a\udfff', '\u0000\u001f\u007f', '\u2028\u2029', '\ufeff', '🧵'];
    expect(roundTrip(odd)).toEqual(odd);
    expect(roundTrip({ '\ud800': 1, '': 2 })).toEqual({ '\ud800': 1, '': 2 });
  });

  test('`__proto__`, `constructor` and `prototype` are own keys and pollute nothing', () => {
    const hostile = JSON.parse(
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"prototype":1}',
    ) as Payload;
    const back = roundTrip(hostile) as Record<string, unknown>;
    expect(Object.keys(back)).toEqual(['__proto__', 'constructor', 'prototype']);
    expect(JSON.stringify(back)).toBe(JSON.stringify(hostile));
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('objects without a prototype, or from another realm, are plain', () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    expect(roundTrip(bare)).toEqual({ a: 1 });
    expect(roundTrip(runInNewContext('({ a: [1, { b: 2 }] })'))).toEqual({ a: [1, { b: 2 }] });
  });

  test('numbers at the edges of what a number holds', () => {
    const edges = [Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER + 2, 0.1 + 0.2];
    expect(roundTrip(edges)).toEqual(edges);
  });
});

describe('two payloads are the same', () => {
  const same = (a: unknown, b: unknown): boolean => samePayload(encode(a), encode(b));

  test('whatever the order of their keys, at any depth', () => {
    expect(same({ a: 1, b: { c: 2, d: [3] } }, { b: { d: [3], c: 2 }, a: 1 })).toBe(true);
    expect(same({ $json: 1, b: 2 }, { b: 2, $json: 1 })).toBe(true);
  });

  test('and differ by value, by order in an array, and by being bytes', () => {
    expect(same({ a: 1 }, { a: 2 })).toBe(false);
    expect(same([1, 2], [2, 1])).toBe(false);
    expect(same({ a: 1 }, { a: 1, b: null })).toBe(false);
    expect(same(new Uint8Array([1]), new Uint8Array([1]))).toBe(true);
    expect(same(new Uint8Array([1]), new Uint8Array([2]))).toBe(false);
    expect(same(new Uint8Array([0, 0, 0]), { $bytes: 'AAAA' })).toBe(false);
    expect(same('1', 1)).toBe(false);
  });
});
