import { describe, expect, test } from '@jest/globals';
import { ERROR_CODES, type ErrorCode, isStoreError, StoreError } from '../../../src/index.ts';

describe('StoreError', () => {
  test('carries code, id and cause, and whether a repetition may succeed', () => {
    const cause = new Error('EIO');
    const error = new StoreError('STORAGE_FAILED', 'it failed', { id: 'r', cause });
    expect(error).toMatchObject({ name: 'StoreError', code: 'STORAGE_FAILED', id: 'r', cause });
    expect(error.retryable).toBe(true);
    expect(error).toBeInstanceOf(Error);
    expect('cause' in new StoreError('NOT_FOUND', 'gone')).toBe(false);
  });

  test.each(Object.keys(ERROR_CODES) as ErrorCode[])(
    '%s is retryable as the table says',
    (code) => {
      expect(new StoreError(code, '').retryable).toBe(ERROR_CODES[code].retryable);
    },
  );

  test('is known by its code, even from another copy of the package', () => {
    const foreign = Object.assign(new Error('other copy'), {
      code: 'NOT_FOUND',
      [Symbol.for('holdfast.StoreError')]: true,
    });
    expect(isStoreError(foreign)).toBe(true);
    expect(isStoreError(foreign, 'NOT_FOUND')).toBe(true);
    expect(isStoreError(foreign, 'STORE_CLOSED')).toBe(false);
    for (const other of [new Error('x'), { code: 'NOT_FOUND' }, null, undefined, 'NOT_FOUND']) {
      expect(isStoreError(other)).toBe(false);
    }
  });
});
