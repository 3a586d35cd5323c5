import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Dialect } from '../../../src/index.ts';
import { type Token, tokensOf } from '../../../src/lib/migrations/sqlTokens.ts';

function kinds(sql: string, dialect: Dialect = 'postgres'): string[] {
  return tokensOf(sql, dialect).map(({ kind, text }) => `${kind} ${text}`);
}

describe('SQL is taken apart', () => {
  test.each<[string, string[]]>([
    ["SELECT 'it''s' -- no", ['word SELECT', "string 'it''s'", 'comment -- no']],
    ["E'a\\'b' c", ["string E'a\\'b'", 'word C']],
    ["'a\\' c", ["string 'a\\'", 'word C']],
    ['"a""b".c', ['quoted "a""b"', 'symbol .', 'word C']],
    ['U&"d" N\'x\'', ['quoted U&"d"', "string N'x'"]],
    ["$$ it's; $$ $1", ["string $$ it's; $$", 'symbol $', 'number 1']],
    ['$a$ $b$ $$ $a$', ['string $a$ $b$ $$ $a$']],
    ['/* a /* b */ c */ d', ['comment /* a /* b */ c */', 'word D']],
    ['foo$bar$baz', ['word FOO$BAR$BAZ']],
    ['1.5e3 größe', ['number 1.5e3', 'word GRÖSSE']],
    ['a[1]', ['word A', 'symbol [', 'number 1', 'symbol ]']],
  ])('as PostgreSQL reads it: %s', (sql, expected) => {
    expect(kinds(sql)).toEqual(expected);
  });

  test.each<[string, string[]]>([
    ['`a``b` [c d]', ['quoted `a``b`', 'quoted [c d]']],
    ['/* a /* b */ c', ['comment /* a /* b */', 'word C']],
    ["E'a\\' c", ["string E'a\\'", 'word C']],
    ['$name $$', ['symbol $', 'word NAME', 'symbol $', 'symbol $']],
  ])('as SQLite reads it: %s', (sql, expected) => {
    expect(kinds(sql, 'sqlite')).toEqual(expected);
  });

  test.each(["'a", '"a', '/* a', '/* /* */', '$x$ a $y$', "E'\\'"])(
    'and what has no end is known: %s',
    (sql) => {
      expect(tokensOf(sql, 'postgres').at(-1)?.open).toBe(true);
    },
  );

  test.each(['`a', '[a', '/* a'])('also in SQLite: %s', (sql) => {
    expect(tokensOf(sql, 'sqlite').at(-1)?.open).toBe(true);
  });

  test('with the line of each token', () => {
    const lines = tokensOf("a\n'b\nc' d\n\n  e", 'sqlite').map(({ line }) => line);
    expect(lines).toEqual([1, 2, 3, 5]);
  });

  test('without loss: the tokens and the space between them are the text, whatever it is', () => {
    const piece = fc.constantFrom(
      "'",
      '"',
      '$',
      '$$',
      '$a$',
      '--',
      '/*',
      '*/',
      '\n',
      ' ',
      ';',
      'a',
      'E',
      '1',
      '`',
      '[',
    );
    const text = fc.array(piece).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(text, fc.constantFrom<Dialect>('postgres', 'sqlite'), (sql, dialect) => {
        expect(rebuilt(sql, tokensOf(sql, dialect))).toBe(sql.replaceAll(/\s/g, ''));
      }),
    );
  });
});

function rebuilt(sql: string, tokens: readonly Token[]): string {
  let at = 0;
  let text = '';
  for (const { start, end } of tokens) {
    expect(sql.slice(at, start).trim()).toBe('');
    text += sql.slice(start, end);
    at = end;
  }
  expect(sql.slice(at).trim()).toBe('');
  return text.replaceAll(/\s/g, '');
}
