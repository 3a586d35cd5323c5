import type { Dialect } from '../db.ts';
import { type Token, tokensOf } from './sqlTokens.ts';

/** One statement, without the semicolon behind it. */
export interface Statement {
  readonly text: string;
  /** Where it begins, counted from 1. */
  readonly line: number;
  /** Without comments. */
  readonly tokens: readonly Token[];
}

export function statementsIn(sql: string, dialect: Dialect): readonly Statement[] {
  return statementsOf(tokensOf(sql, dialect), sql);
}

/**
 * Cuts at semicolons, except inside parentheses (`CREATE RULE … DO (a; b)`) and between the `BEGIN` and
 * `END` of a routine or trigger that is written without quotes: the rule of psql (`psqlscan.l`), which
 * holds for the triggers of SQLite too.
 */
export function statementsOf(tokens: readonly Token[], sql: string): readonly Statement[] {
  const statements: Statement[] = [];
  let current: Token[] = [];
  let parentheses = 0;
  let blocks = 0;
  const cut = (): void => {
    const [first, last] = [current[0], current.at(-1)];
    if (first !== undefined && last !== undefined) {
      const text = sql.slice(first.start, last.end);
      statements.push({ text, line: first.line, tokens: current });
    }
    current = [];
  };
  for (const token of tokens) {
    if (token.kind === 'comment') continue;
    if (token.text === ';' && parentheses === 0 && blocks === 0) {
      cut();
      continue;
    }
    current.push(token);
    if (token.text === '(') parentheses += 1;
    else if (token.text === ')') parentheses = Math.max(0, parentheses - 1);
    else blocks += blockStep(token, blocks, current);
  }
  cut();
  return statements;
}

const ROUTINE = new Set(['FUNCTION', 'PROCEDURE', 'TRIGGER']);

function blockStep(token: Token, blocks: number, statement: readonly Token[]): number {
  if (token.kind !== 'word') return 0;
  if (token.text === 'BEGIN') return isRoutine(statement) ? 1 : 0;
  if (blocks === 0) return 0;
  // `CASE` has an `END` of its own.
  if (token.text === 'CASE') return 1;
  return token.text === 'END' ? -1 : 0;
}

/** `CREATE [OR REPLACE] FUNCTION`, `CREATE TEMP TRIGGER`… */
function isRoutine(statement: readonly Token[]): boolean {
  const [first, ...next] = statement.slice(0, 4).map(({ text }) => text);
  return first === 'CREATE' && next.some((word) => ROUTINE.has(word));
}

const TRANSACTION = new Set(['BEGIN', 'START', 'COMMIT', 'END', 'ROLLBACK', 'ABORT']);

/**
 * The word with which a statement begins or ends a transaction, or one of its own kind in another
 * way; `undefined` for all others. Going back to a savepoint ends nothing.
 */
export function transactionWord({ tokens }: Statement): string | undefined {
  const [first = '', second = '', third = ''] = tokens.map(({ text }) => text);
  if (first === 'PREPARE' && second === 'TRANSACTION') return 'PREPARE TRANSACTION';
  if (first === 'SET' && second === 'SESSION' && third === 'CHARACTERISTICS') return undefined;
  if (!TRANSACTION.has(first)) return undefined;
  if (first === 'ROLLBACK' && [second, third].includes('TO')) return undefined;
  return first;
}

/** What it does first and foremost: `SELECT`, `UPDATE`, `CREATE`…, also behind a `WITH`. */
export function verbOf({ tokens }: Statement): string {
  const first = tokens[0]?.text ?? '';
  if (first !== 'WITH') return first;
  let depth = 0;
  for (const { text } of tokens) {
    if (text === '(') depth += 1;
    else if (text === ')') depth -= 1;
    else if (depth === 0 && MAIN.has(text)) return text;
  }
  return first;
}

const MAIN = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'VALUES']);
