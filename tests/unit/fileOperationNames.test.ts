import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeName, encodeName } from '../../src/lib/store/FileSystemStore/fileName.ts';

/** As a file system that folds case and normalizes would compare two names. */
const folded = (name: string): string => name.toLowerCase().normalize('NFC');

const ids = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom(...Array.from('aAbB.-_=~%/\\é\u0301e\u0130ıſsßＡ')),
    minLength: 1,
  }),
  fc.constantFrom('con', 'CON', 'nul.txt', 'com1', 'aux', 'prn.', 'lpt9', 'console'),
);

describe('the name of an id’s files', () => {
  test('stays readable where that is safe', () => {
    const uuid = '019a3c5e-7b1d-7f00-8a2b-0123456789ab';
    expect(encodeName(uuid)).toBe(uuid);
    expect(encodeName('build.42_final')).toBe('build.42_final');
    expect(encodeName('console')).toBe('console');
  });

  test.each([
    ['Run1', '=52un1'],
    ['é', '=c3=a9'],
    ['../x', '=2e.=2fx'],
    ['..', '=2e=2e'],
    ['.', '=2e'],
    ['-rf', '=2drf'],
    ['%2e', '=252e'],
    ['a=b~', 'a=3db=7e'],
    ['end.', 'end=2e'],
    ['con', '=63on'],
    ['nul.txt', '=6eul.txt'],
    ['com1.', '=63om1=2e'],
    ['\u0000', '=00'],
    ['', '='],
  ])('of %j is %j', (id, name) => {
    expect(encodeName(id)).toBe(name);
  });

  test('is a digest where it would be too long', () => {
    expect(encodeName('a'.repeat(180))).toBe('a'.repeat(180));
    expect(encodeName('a'.repeat(181))).toMatch(/^~[0-9a-f]{64}$/);
    expect(encodeName('A'.repeat(61))).toMatch(/^~[0-9a-f]{64}$/);
    expect(encodeName('A'.repeat(61))).not.toBe(encodeName('a'.repeat(61).toUpperCase() + 'A'));
  });

  test('tells the id, unless it is a digest', () => {
    fc.assert(
      fc.property(ids, (id) => {
        const name = encodeName(id);
        expect(decodeName(name)).toBe(name.startsWith('~') || id === '' ? undefined : id);
      }),
    );
    for (const foreign of ['Run1', 'end.', '=61', 'notes~']) {
      expect(decodeName(foreign)).toBeUndefined();
    }
  });

  test('is safe on every file system, whatever the id', () => {
    fc.assert(
      fc.property(ids, (id) => {
        const name = encodeName(id);
        expect(name).toMatch(/^[a-z0-9_=~][a-z0-9._=-]*$/);
        expect(name).not.toMatch(/\.$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/);
        expect(name.length).toBeLessThanOrEqual(180);
      }),
    );
  });

  test('differs for different ids, also when case and normalization are lost', () => {
    fc.assert(
      fc.property(ids, ids, (a, b) => {
        fc.pre(a !== b);
        expect(folded(encodeName(a))).not.toBe(folded(encodeName(b)));
      }),
    );
    const variants = (id: string) =>
      [id, id.toLowerCase(), id.toUpperCase(), id.normalize('NFC'), id.normalize('NFD')] as const;
    fc.assert(
      fc.property(ids, (id) => {
        const all = new Set(variants(id));
        const names = new Set([...all].map((variant) => folded(encodeName(variant))));
        expect(names.size).toBe(all.size);
      }),
    );
  });
});
