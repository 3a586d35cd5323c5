import { describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { connectDatabase, isStoreError } from '../../src/index.ts';
import { parsePlace } from '../../src/lib/db/location.ts';

describe('the place of a database', () => {
  test.each([
    ['postgres://me:secret@host:5433/db', 'postgres://me@host:5433/db'],
    [
      'postgresql://me:sec%40ret@host/db?sslmode=disable',
      'postgresql://me@host/db?sslmode=disable',
    ],
    ['postgres://:secret@host/db', 'postgres://host/db'],
    ['postgres://host', 'postgres://host'],
    ['postgres://me:a@b@host/db', 'postgres://me@host/db'],
    ['postgres://me@host/db?password=secret', 'postgres://me@host/db'],
    ['postgres://me@host/db?password=secret&a=b&sslpassword=x', 'postgres://me@host/db?a=b'],
    ['postgres:///db?host=/run/postgresql', 'postgres:///db?host=/run/postgresql'],
  ])('%s is shown as %s', (url, location) => {
    expect(parsePlace(url)).toEqual({ dialect: 'postgres', url, location });
  });

  test.each([
    ['sqlite:./a/b.db', resolve('a/b.db')],
    ['sqlite:b.db', resolve('b.db')],
    ['sqlite:/a/b.db', '/a/b.db'],
    ['sqlite:///a/b.db', '/a/b.db'],
    ['sqlite:with space?.db', resolve('with space?.db')],
  ])('%s is the file %s', (url, path) => {
    const expected = {
      dialect: 'sqlite',
      path: resolve(path),
      location: `sqlite:${resolve(path)}`,
    };
    expect(parsePlace(url)).toEqual(expected);
  });

  test.each([
    'postgres://me:secret/more@host/db',
    'postgres://me:1?secret@host/db',
    'postgres://me:1#secret@host/db',
    'mysql://me:secret@host/db',
    'secret',
    '',
    'sqlite:',
    'sqlite://secret/b.db',
    'sqlite:a\0secret',
  ])('%j is refused, and no password is repeated', async (url) => {
    const error: unknown = await connectDatabase(url).catch((error: unknown) => error);
    if (!isStoreError(error, 'INVALID_ARGUMENT')) throw error;
    if (!url.startsWith('sqlite')) expect(error.message).not.toContain('secret');
    expect(error.cause).toBeUndefined();
  });

  test('is a URL, a pool or a DatabaseSync, and nothing else', async () => {
    for (const place of [{}, null, 7]) {
      const connecting = connectDatabase(place as unknown as string);
      await expect(connecting).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});
