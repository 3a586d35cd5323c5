import { describe, expect, test } from '@jest/globals';
import { isStoreError } from '../../../src/index.ts';
import { parseSqlFile } from '../../../src/lib/migrations/sqlFile.ts';

const parse = (...lines: string[]) => parseSqlFile(lines.join('\n'), 'm/1.sql', 'postgres');

function refusal(...lines: string[]): string {
  try {
    parse(...lines);
  } catch (error) {
    if (isStoreError(error, 'MIGRATION_INVALID')) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('an SQL file', () => {
  test('has a part that goes up and one that goes down', () => {
    const file = parse('-- what it is for', '-- Up', 'SELECT 1; SELECT 2;', '--DOWN ', 'SELECT 3;');
    expect(file.up.map(({ text, line }) => [text, line])).toEqual([
      ['SELECT 1', 3],
      ['SELECT 2', 3],
    ]);
    expect(file.down?.map(({ text }) => text)).toEqual(['SELECT 3']);
    expect(file).toMatchObject({ requires: [], transactional: true });
  });

  test('says at its top what it requires, and that it needs to be outside of a transaction', () => {
    const file = parse(
      '-- requires: a, b',
      '-- requires: c',
      '-- transactional: FALSE',
      '-- up',
      'SELECT 1',
    );
    expect(file).toMatchObject({ requires: ['a', 'b', 'c'], transactional: false });
  });

  test('cannot be undone without a part that goes down, nor with an empty one', () => {
    expect(parse('-- up', 'SELECT 1').down).toBeUndefined();
    expect(parse('-- up', 'SELECT 1', '-- down', '-- later').down).toBeUndefined();
  });

  test('keeps marks in strings, and behind statements, for what they are', () => {
    const file = parse('-- up', "SELECT '", '-- down', "'; SELECT 1; -- down", 'SELECT 2;');
    expect(file.up).toHaveLength(3);
    expect(file.down).toBeUndefined();
  });

  test.each<[string, string[]]>([
    ['m/1.sql: a line `-- up` has to stand above its statements', ['SELECT 1']],
    ['m/1.sql: there is no statement behind `-- up`', ['-- up', '-- down', 'SELECT 1']],
    ['m/1.sql, line 1: a statement stands above `-- up`', ['SELECT 1;', '-- up', 'SELECT 2']],
    ['m/1.sql, line 3: there is a second `-- up`', ['-- up', 'SELECT 1;', '-- up', 'SELECT 2']],
    [
      'm/1.sql, line 1: `-- up` stands before `-- down`',
      ['-- down', 'SELECT 1;', '-- up', 'SELECT 2'],
    ],
    ['m/1.sql, line 2: what begins here has no end', ['-- up', "SELECT 'a"]],
    ['m/1.sql, line 3: `requires` belongs above `-- up`', ['-- up', 'SELECT 1;', '-- requires: a']],
    ['m/1.sql, line 1: `transactional` is `true` or `false`', ['-- transactional: no', '-- up']],
  ])('is refused: %s', (message, lines) => {
    expect(refusal(...lines)).toBe(message);
  });

  test.each(['-- down migration', '-- +down', '-- +migrate Down', '-- migrate:down', '-- Down:'])(
    'never runs what takes it back because of a slip: %s',
    (mark) => {
      expect(refusal('-- up', 'SELECT 1;', mark, 'DROP TABLE t;')).toContain('is nearly a mark');
    },
  );

  test.each([
    '-- updates the users',
    '-- upper case',
    '-- downstream tables',
    "-- down's the name",
  ])('may say in a comment: %s', (comment) => {
    expect(refusal('-- up', comment, 'SELECT 1;')).toBe('accepted');
  });
});
