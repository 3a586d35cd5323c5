import type { Dialect } from '../db.ts';

type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'comment' | 'symbol';

export interface Token {
  readonly kind: TokenKind;
  /** As it was written; a word in capitals, as SQL compares words. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Counted from 1. */
  readonly line: number;
  /** A string, quoted name or comment that the text ends inside of. */
  readonly open?: true;
}

type Shape = Pick<Token, 'kind' | 'end' | 'open'>;

const SPACE = /\s*/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /\d[\w.]*/y;
const PREFIXED = /(?:[eEbBxXnN]|[uU]&)?'/y;
const QUOTED = /(?:[uU]&)?"/y;
const DOLLAR = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;

/**
 * Takes SQL apart as far as is needed to know what is code and what is not: comments, strings, quoted
 * names and dollar quotes, each as the dialect has them (PostgreSQL 15 manual, 4.1 Lexical Structure;
 * SQLite's tokenize.c). It never fails: text it does not understand is a row of symbols.
 */
export function tokensOf(sql: string, dialect: Dialect): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let counted = 0;
  for (let at = match(SPACE, sql, 0); at < sql.length;) {
    for (; counted < at; counted += 1) if (sql[counted] === '\n') line += 1;
    const shape = shapeAt(sql, at, dialect);
    const written = sql.slice(at, shape.end);
    const text = shape.kind === 'word' ? written.toUpperCase() : written;
    tokens.push({ ...shape, text, start: at, line });
    at = match(SPACE, sql, shape.end);
  }
  return tokens;
}

function shapeAt(sql: string, at: number, dialect: Dialect): Shape {
  if (sql.startsWith('--', at)) {
    const end = sql.indexOf('\n', at);
    return { kind: 'comment', end: end < 0 ? sql.length : end };
  }
  if (sql.startsWith('/*', at)) return blockComment(sql, at, dialect);
  const string = match(PREFIXED, sql, at);
  if (string > at) {
    const escapes = dialect === 'postgres' && /[eE]/.test(sql.charAt(at));
    return { kind: 'string', ...quoted(sql, string, "'", escapes) };
  }
  const name = match(QUOTED, sql, at);
  if (name > at) return { kind: 'quoted', ...quoted(sql, name, '"') };
  const special = dialect === 'postgres' ? dollarQuoted(sql, at) : sqliteQuoted(sql, at);
  if (special !== undefined) return special;
  const word = match(WORD, sql, at);
  if (word > at) return { kind: 'word', end: word };
  const number = match(NUMBER, sql, at);
  return number > at ? { kind: 'number', end: number } : { kind: 'symbol', end: at + 1 };
}

/** PostgreSQL nests them; SQLite ends them at the first mark, or at the end of the text. */
function blockComment(sql: string, at: number, dialect: Dialect): Shape {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = at;
  for (let depth = 0; ;) {
    const mark = marks.exec(sql);
    if (mark === null) return { kind: 'comment', end: sql.length, open: true };
    if (mark[0] === '*/') depth -= 1;
    else if (dialect === 'postgres' || depth === 0) depth += 1;
    if (depth === 0) return { kind: 'comment', end: marks.lastIndex };
  }
}

/** From after the opening mark; a doubled mark stands for itself. */
function quoted(
  sql: string,
  from: number,
  mark: string,
  escapes = false,
): Pick<Token, 'end' | 'open'> {
  for (let at = from; at < sql.length; at += 1) {
    const char = sql.charAt(at);
    if (escapes && char === '\\') at += 1;
    else if (char === mark && sql.charAt(at + 1) === mark) at += 1;
    else if (char === mark) return { end: at + 1 };
  }
  return { end: sql.length, open: true };
}

function dollarQuoted(sql: string, at: number): Shape | undefined {
  const body = match(DOLLAR, sql, at);
  if (body === at) return undefined;
  const end = sql.indexOf(sql.slice(at, body), body);
  return end < 0
    ? { kind: 'string', end: sql.length, open: true }
    : { kind: 'string', end: end + (body - at) };
}

function sqliteQuoted(sql: string, at: number): Shape | undefined {
  if (sql[at] === '`') return { kind: 'quoted', ...quoted(sql, at + 1, '`') };
  if (sql[at] !== '[') return undefined;
  const end = sql.indexOf(']', at);
  return end < 0
    ? { kind: 'quoted', end: sql.length, open: true }
    : { kind: 'quoted', end: end + 1 };
}

/** Where the match that begins at `at` ends; `at` when there is none. */
function match(pattern: RegExp, sql: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(sql) ? pattern.lastIndex : at;
}
