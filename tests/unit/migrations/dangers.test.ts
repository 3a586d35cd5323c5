import { describe, expect, test } from '@jest/globals';
import type { Dialect } from '../../../src/index.ts';
import { dangersOf } from '../../../src/lib/migrations/dangers.ts';
import { statementsIn } from '../../../src/lib/migrations/statements.ts';

function warnings(sql: string, dialect: Dialect = 'postgres'): string[] {
  return dangersOf(statementsIn(sql, dialect), '1.sql', dialect).map(
    ({ source, line, message }) => `${source}:${line} ${message}`,
  );
}

describe('what may hurt is warned about, with file and line', () => {
  test.each<[string, RegExp]>([
    ['DROP TABLE users', /^1\.sql:1 DROP TABLE deletes/],
    ['drop schema app cascade', /DROP SCHEMA deletes/],
    ['ALTER TABLE users\n  ADD a int,\n  DROP COLUMN b', /^1\.sql:3 DROP COLUMN/],
    ['ALTER TABLE users DROP b', /DROP COLUMN/],
    ['ALTER TABLE ONLY app.users ALTER COLUMN a SET DATA TYPE text USING a::text', /TYPE rewrites/],
    ['ALTER TABLE users ALTER a TYPE numeric(10, 2)', /TYPE rewrites/],
    ['CREATE UNIQUE INDEX i ON users (a)', /without CONCURRENTLY/],
    ['ALTER TABLE users ADD a int CHECK (a IN (1, 2)) NOT NULL', /NOT NULL without DEFAULT/],
    ['ALTER TABLE users ALTER a SET NOT NULL', /SET NOT NULL reads/],
    ['TRUNCATE users', /TRUNCATE deletes every row/],
    ['LOCK TABLE users', /LOCK TABLE makes/],
    ['UPDATE users SET a = (SELECT b FROM t WHERE c = 1)', /UPDATE without WHERE/],
    ['DELETE FROM users', /DELETE without WHERE/],
    ['WITH a AS (SELECT 1 WHERE true) DELETE FROM users', /DELETE without WHERE/],
    [
      'WITH a AS (DELETE FROM users RETURNING *) SELECT * FROM a WHERE true',
      /DELETE without WHERE/,
    ],
  ])('%s', (sql, message) => {
    expect(warnings(sql)).toEqual([expect.stringMatching(message)]);
  });

  test('each action of one statement by itself', () => {
    expect(warnings('ALTER TABLE t DROP a, ALTER b TYPE int, ADD c int NOT NULL')).toHaveLength(3);
  });

  test.each([
    "INSERT INTO t VALUES ('DROP TABLE users') -- TRUNCATE t",
    'SELECT "TRUNCATE" FROM t',
    'CREATE INDEX CONCURRENTLY i ON users (a)',
    'CREATE UNIQUE INDEX CONCURRENTLY i ON users (a)',
    'ALTER TABLE users ADD a int NOT NULL DEFAULT 0',
    'ALTER TABLE users ADD id int GENERATED ALWAYS AS IDENTITY NOT NULL',
    'ALTER TABLE users DROP CONSTRAINT c, ALTER a DROP DEFAULT, ALTER b DROP NOT NULL',
    'ALTER TABLE users ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID',
    "ALTER TYPE mood ADD VALUE 'happy'",
    'UPDATE users SET a = 1 WHERE b = 2',
    'INSERT INTO t SELECT 1 ON CONFLICT (a) DO UPDATE SET b = 1',
    'SELECT * FROM t FOR UPDATE',
    'CREATE TABLE a (b int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE)',
    'CREATE TABLE t (a int); CREATE INDEX i ON t (a); ALTER TABLE t ADD b int NOT NULL',
    'DROP INDEX i; DROP VIEW v',
  ])('and not what only looks like it: %s', (sql) => {
    expect(warnings(sql)).toEqual([]);
  });

  test('an index on a table that may have been there before is one more', () => {
    const sql = 'CREATE TABLE IF NOT EXISTS t (a int); CREATE INDEX i ON t (a)';
    expect(warnings(sql)).toHaveLength(1);
  });

  test('SQLite builds indexes at once and knows no CONCURRENTLY', () => {
    expect(warnings('CREATE INDEX i ON users (a)', 'sqlite')).toEqual([]);
    expect(warnings('ALTER TABLE users DROP COLUMN a', 'sqlite')).toHaveLength(1);
  });
});
