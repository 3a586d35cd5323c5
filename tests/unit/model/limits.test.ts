import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LIMITS } from '../../../src/index.ts';
import * as check from '../../../src/lib/model/check.ts';
import { idOfNewRun, runIdOfKey, uuidv7 } from '../../../src/lib/model/ids.ts';
import { refusal, untyped } from './scene.ts';

describe('an id', () => {
  test('of 1 to 200 bytes of UTF-8 may be anything without control characters', () => {
    const odd = ['../..', '%2e%2e', 'CON', 'trailing.', ' ', '/', '\\', 'é', 'e\u0301', '~x', '🧵'];
    for (const id of [...odd, 'a'.repeat(200), 'é'.repeat(100)]) {
      expect(check.checkId(id, 'id')).toBe(id);
    }
  });

  test('is refused when empty, not a string, with control characters or half a character', () => {
    for (const id of [
      '',
      7,
      null,
      undefined,
      ['a'],
      'a\u0000',
      '\n',
      '\u007f',
      '\ud800',
      'a\udc00',
    ]) {
      expect(refusal(() => check.checkId(id, 'run.id')).code).toBe('INVALID_ARGUMENT');
    }
  });

  test('longer than 200 bytes exceeds the limit, whatever its characters', () => {
    for (const id of ['a'.repeat(201), `${'é'.repeat(100)}a`, 'a'.repeat(10_000)]) {
      expect(refusal(() => check.checkId(id, 'id')).code).toBe('LIMIT_EXCEEDED');
    }
  });
});

describe('the id of a new run', () => {
  const fresh = (): string => 'fresh';

  test('is the one that was brought, or derived from workflow and key, or fresh', () => {
    expect(idOfNewRun({ id: 'mine', workflow: 'w' }, fresh)).toBe('mine');
    expect(idOfNewRun({ workflow: 'w' }, fresh)).toBe('fresh');
    const derived = idOfNewRun({ workflow: 'w', idempotencyKey: 'k' }, fresh);
    expect(derived).toBe(runIdOfKey('w', 'k'));
    expect(derived).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  });

  test('cannot be brought together with a key', () => {
    const both = { id: 'mine', workflow: 'w', idempotencyKey: 'k' };
    expect(refusal(() => idOfNewRun(both, fresh)).message).toContain('run.idempotencyKey');
  });

  test('needs a run', () => {
    for (const run of [undefined, null, 'run']) {
      const error = refusal(() => idOfNewRun(untyped(run), fresh));
      expect(error.code).toBe('INVALID_ARGUMENT');
    }
  });

  test('is another for each pair of workflow and key [RM-4]', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => !text.includes('\u0000'));
    fc.assert(
      fc.property(name, name, name, name, (w1, k1, w2, k2) => {
        fc.pre(w1 !== w2 || k1 !== k2);
        expect(runIdOfKey(w1, k1)).not.toBe(runIdOfKey(w2, k2));
      }),
    );
    expect(runIdOfKey('ab', 'c')).not.toBe(runIdOfKey('a', 'bc'));
  });

  test('a UUIDv7 begins with its time, so that ids sort by it', () => {
    const zeros = new Uint8Array(16);
    const id = uuidv7(0x0123456789ab, zeros);
    expect(id.slice(0, 15)).toBe('01234567-89ab-7');
    expect(uuidv7(1000, zeros) < uuidv7(1001, zeros)).toBe(true);
  });
});

describe('a bounded number, list or record', () => {
  test('whole numbers within bounds pass, everything else is refused', () => {
    expect(check.checkInteger(3, 'n', 1, 3)).toBe(3);
    expect(Object.is(check.checkInteger(-0, 'n', 0, 3), 0)).toBe(true);
    for (const value of [0, 4, 1.5, Number.NaN, '2', 2n, null]) {
      const error = refusal(() => check.checkInteger(value, 'n', 1, 3));
      expect(error.message).toBe('n must be a whole number from 1 to 3');
    }
  });

  test('too many metrics, tags or dependencies exceed a limit', () => {
    const many = (count: number): Record<string, number> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, i]));
    expect(Object.keys(check.checkMetrics(many(1000), 'm'))).toHaveLength(LIMITS.metricsMax);
    const calls = [
      () => check.checkMetrics(many(LIMITS.metricsMax + 1), 'm'),
      () => check.checkTags(many(LIMITS.tagsMax + 1), 't'),
      () => check.checkList(Array.from({ length: 4 }), 'l', 3),
    ];
    for (const call of calls) expect(refusal(call).code).toBe('LIMIT_EXCEEDED');
  });

  test('an option that is undefined counts as absent, a misspelt one is refused', () => {
    const known = new Set(['limit']);
    const options = { limit: undefined, colour: undefined };
    expect(check.checkObject(options, 'options', known)).toBe(options);
    expect(check.checkObject(undefined, 'options', known)).toEqual({});
    const error = refusal(() => check.checkObject({ limt: 3 }, 'options', known));
    expect(error.message).toBe('options.limt is not known here; known are limit');
  });
});
