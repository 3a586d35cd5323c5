import { describe, expect, test } from '@jest/globals';
import type { Dialect } from '../../../src/index.ts';
import { statementsIn, transactionWord, verbOf } from '../../../src/lib/migrations/statements.ts';

function texts(sql: string, dialect: Dialect = 'postgres'): string[] {
  return statementsIn(sql, dialect).map(({ text }) => text);
}

describe('a script is cut into statements', () => {
  test('at semicolons, and not at those in strings, names and comments', () => {
    const sql = `
      INSERT INTO t VALUES ('a;b', ";", $$c;d$$); -- e;
      /* ; */ SELECT 1;;
      SELECT 2`;
    expect(texts(sql)).toEqual([
      `INSERT INTO t VALUES ('a;b', ";", $$c;d$$)`,
      'SELECT 1',
      'SELECT 2',
    ]);
  });

  test('and not in parentheses', () => {
    const rule = 'CREATE RULE r AS ON DELETE TO t DO ALSO (DELETE FROM a; DELETE FROM b)';
    expect(texts(`${rule}; SELECT 1;`)).toEqual([rule, 'SELECT 1']);
  });

  test('and not in the body of a trigger of SQLite, with CASE and all', () => {
    const trigger = `CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN
      UPDATE t SET a = CASE WHEN a > 1 THEN 1 ELSE 0 END; DELETE FROM u; END`;
    expect(texts(`${trigger}; SELECT 1;`, 'sqlite')).toEqual([trigger, 'SELECT 1']);
  });

  test('and not in a function of PostgreSQL that is written without quotes', () => {
    const routine = `CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql
      BEGIN ATOMIC SELECT 1; SELECT CASE a WHEN 1 THEN 2 END; END`;
    expect(texts(`${routine}; SELECT 1`)).toEqual([routine, 'SELECT 1']);
  });

  test('with the line on which each begins', () => {
    const lines = statementsIn('\n-- a\nSELECT 1;\n\nSELECT\n2;', 'sqlite').map(({ line }) => line);
    expect(lines).toEqual([3, 5]);
  });

  test('of which comments alone are none', () => {
    expect(texts('-- a\n/* b */ ;')).toEqual([]);
  });
});

describe('a statement', () => {
  const [of] = [
    (sql: string) => statementsIn(sql, 'postgres')[0] ?? { text: '', line: 0, tokens: [] },
  ];

  test.each([
    ['BEGIN', 'BEGIN'],
    ['start transaction', 'START'],
    ['COMMIT', 'COMMIT'],
    ['End', 'END'],
    ['ROLLBACK', 'ROLLBACK'],
    ["PREPARE TRANSACTION 'x'", 'PREPARE TRANSACTION'],
    ['ROLLBACK TO SAVEPOINT a', undefined],
    ['ROLLBACK TRANSACTION TO a', undefined],
    ['SAVEPOINT a', undefined],
    ["SELECT 'COMMIT'", undefined],
    ['"COMMIT"', undefined],
  ])('%s ends or begins a transaction: %s', (sql, expected) => {
    expect(transactionWord(of(sql))).toBe(expected);
  });

  test.each([
    ['WITH a AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM a', 'INSERT'],
    ['WITH a AS (SELECT 1) SELECT * FROM a', 'SELECT'],
    ['update t set a = 1', 'UPDATE'],
    ['WITH', 'WITH'],
  ])('%s does first and foremost: %s', (sql, expected) => {
    expect(verbOf(of(sql))).toBe(expected);
  });
});
