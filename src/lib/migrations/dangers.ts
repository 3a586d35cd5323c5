import type { Dialect } from '../db.ts';
import type { Token } from './sqlTokens.ts';
import { type Statement, verbOf } from './statements.ts';

/** What a statement may do to data, or to those who work with it meanwhile. */
export interface MigrationWarning {
  /** The file, or the migration's place in the array. */
  readonly source: string;
  readonly line: number;
  readonly message: string;
}

interface Found {
  readonly token: Token | undefined;
  readonly message: string;
}

/** The words of one statement, for rules that look for words in a row. */
class Words {
  readonly tokens: readonly Token[];
  readonly #text: string;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
    // A string or name cannot pass for a word: it becomes a mark.
    this.#text = ` ${tokens.map(({ kind, text }) => (kind === 'word' ? text : markOf(kind, text))).join(' ')} `;
  }

  has(pattern: RegExp): boolean {
    return pattern.test(this.#text);
  }
}

function markOf(kind: Token['kind'], text: string): string {
  if (kind === 'symbol') return text;
  return kind === 'quoted' ? '<name>' : '<value>';
}

/**
 * Looks at statements as they are written: it knows neither the size of a table nor what functions,
 * triggers and `DO` blocks do inside.
 */
export function dangersOf(
  statements: readonly Statement[],
  source: string,
  dialect: Dialect,
): readonly MigrationWarning[] {
  const fresh = new Set<string>();
  return statements.flatMap((statement) => {
    const name = createdTable(statement.tokens);
    if (name !== undefined) fresh.add(name);
    return dangersIn(statement, dialect, fresh).map(({ token, message }) => ({
      source,
      line: token?.line ?? statement.line,
      message,
    }));
  });
}

function dangersIn(
  statement: Statement,
  dialect: Dialect,
  fresh: ReadonlySet<string>,
): readonly Found[] {
  const verb = verbOf(statement);
  const [token] = statement.tokens;
  const found = (message: string): Found => ({ token, message });
  const words = new Words(statement.tokens);
  switch (verb) {
    case 'DROP':
      return words.has(/^ DROP (TABLE|SCHEMA) /)
        ? [found(`DROP ${statement.tokens[1]?.text} deletes it with all its rows`)]
        : [];
    case 'TRUNCATE':
      return [found('TRUNCATE deletes every row')];
    case 'LOCK':
      return [found('LOCK TABLE makes everybody else wait until the migration ends')];
    case 'ALTER':
      if (!words.has(/^ ALTER (FOREIGN )?TABLE /) || isOnFresh(statement, 'TABLE', fresh))
        return [];
      return alterDangers(statement, dialect);
    case 'CREATE':
      if (dialect === 'sqlite' || !words.has(/^ CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)/))
        return [];
      if (isOnFresh(statement, 'ON', fresh)) return [];
      return [
        found('CREATE INDEX without CONCURRENTLY stops writes to the table until it is built'),
      ];
    default:
      return unboundedWrites(statement, verb);
  }
}

function alterDangers(statement: Statement, dialect: Dialect): readonly Found[] {
  return actionsOf(statement.tokens).flatMap((action) => {
    const words = new Words(action);
    const [token] = action;
    const found: Found[] = [];
    if (words.has(/^ DROP (?!CONSTRAINT |DEFAULT |NOT |EXPRESSION |IDENTITY )/)) {
      found.push({ token, message: 'DROP COLUMN deletes what the column holds' });
    }
    if (words.has(/^ ALTER .* TYPE /)) {
      const message = 'ALTER … TYPE rewrites the table and locks it meanwhile';
      found.push({ token, message });
    }
    if (words.has(/^ ADD (?!CONSTRAINT ).* NOT NULL /) && !words.has(/ (DEFAULT|GENERATED) /)) {
      const message = 'NOT NULL without DEFAULT fails when the table has rows';
      found.push({ token, message });
    }
    if (dialect === 'postgres' && words.has(/ SET NOT NULL /)) {
      const message = 'SET NOT NULL reads the whole table while nobody else may';
      found.push({ token, message });
    }
    return found;
  });
}

/** What stands between the commas of `ALTER TABLE t a, b`, without the name of the table. */
function actionsOf(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const actions: Token[][] = [];
  let depth = 0;
  let current: Token[] | undefined;
  for (const token of tokens.slice(1)) {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (token.text === ',' && depth === 0) current = undefined;
    else if (current !== undefined) current.push(token);
    else if (token.kind === 'word' && ACTION.has(token.text)) actions.push((current = [token]));
  }
  return actions;
}

const ACTION = new Set(['ADD', 'DROP', 'ALTER', 'RENAME', 'SET', 'ATTACH', 'DETACH', 'VALIDATE']);

/** `UPDATE` and `DELETE` without a `WHERE` of their own, also inside of a `WITH`. */
function unboundedWrites(statement: Statement, verb: string): readonly Found[] {
  const { tokens } = statement;
  const starts = tokens.flatMap(({ text }, n) => {
    if (text !== 'UPDATE' && text !== 'DELETE') return [];
    const before = tokens[n - 1]?.text;
    return before === '(' || n === 0 || (before === ')' && text === verb) ? [n] : [];
  });
  return starts.flatMap((start) => {
    const token = tokens[start];
    if (isBounded(tokens, start)) return [];
    return [{ token, message: `${token?.text} without WHERE changes every row of the table` }];
  });
}

function isBounded(tokens: readonly Token[], start: number): boolean {
  let depth = 0;
  for (const { text, kind } of tokens.slice(start)) {
    if (text === '(') depth += 1;
    if (text === ')') depth -= 1;
    if (depth < 0) return false;
    if (depth === 0 && kind === 'word' && text === 'WHERE') return true;
  }
  return false;
}

/** A table that this migration makes is empty, and nobody else sees it yet. */
function createdTable(tokens: readonly Token[]): string | undefined {
  const words = tokens.slice(0, 7).map(({ text }) => text);
  // With `IF NOT EXISTS` it may be neither.
  if (words[0] !== 'CREATE' || !words.includes('TABLE') || words.includes('IF')) return undefined;
  return nameAfter(tokens, 'TABLE');
}

function isOnFresh({ tokens }: Statement, word: string, fresh: ReadonlySet<string>): boolean {
  const name = nameAfter(tokens, word);
  return name !== undefined && fresh.has(name);
}

const BEFORE_NAMES = new Set(['IF', 'NOT', 'EXISTS', 'ONLY']);

/** `app.users` of `CREATE TABLE IF NOT EXISTS app.users (…`. */
function nameAfter(tokens: readonly Token[], word: string): string | undefined {
  let at = tokens.findIndex(({ kind, text }) => kind === 'word' && text === word) + 1;
  if (at === 0) return undefined;
  while (BEFORE_NAMES.has(tokens[at]?.text ?? '')) at += 1;
  const name = [tokens[at]?.text ?? ''];
  for (; tokens[at + 1]?.text === '.'; at += 2) name.push(tokens[at + 2]?.text ?? '');
  return name.map((part) => part.replaceAll('"', '').toUpperCase()).join('.');
}
