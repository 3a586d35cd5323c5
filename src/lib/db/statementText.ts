/** Spaces and comments. Comments inside of comments, which PostgreSQL knows, are rare enough. */
const BLANK = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*[^]*?\*/)`;
const FIRST_WORD = new RegExp(`^(?:${BLANK}|[;(])*([a-z]+)`, 'i');
const NOTHING_MORE = new RegExp(`^(?:${BLANK}|;)*$`);
const ROLLBACK_TO = new RegExp(`^${BLANK}*ROLLBACK\\s+(?:(?:WORK|TRANSACTION)\\s+)?TO\\b`, 'i');
const QUOTED_OR_PARAMETER = new RegExp(
  String.raw`'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*[^]*?\*/|\$(\d+)`,
  'g',
);

const READS: ReadonlySet<string> = new Set(['SELECT', 'VALUES', 'TABLE', 'SHOW']);
const CHANGES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'MERGE']);
const CONTROLS: ReadonlySet<string> = new Set(['BEGIN', 'START', 'COMMIT', 'END', 'ABORT']);

/** Upper case; empty where there is none. */
function firstWord(sql: string): string {
  return FIRST_WORD.exec(sql)?.[1]?.toUpperCase() ?? '';
}

/** Whether it says by its first word that it only reads. A function that it calls may still write. */
export function onlyReads(sql: string): boolean {
  return READS.has(firstWord(sql));
}

/** Whether it has a plan that is worth keeping. */
export function hasPlan(sql: string): boolean {
  const word = firstWord(sql);
  return word === 'WITH' || READS.has(word) || CHANGES.has(word);
}

/** Whether it counts the rows that it changes; others leave SQLite's counter as it was. */
export function changesRows(sql: string): boolean {
  const word = firstWord(sql);
  return word === 'WITH' || CHANGES.has(word);
}

/** Whether it begins or ends a transaction, which is not for who was given one. */
export function controlsTransaction(sql: string): boolean {
  const word = firstWord(sql);
  return CONTROLS.has(word) || (word === 'ROLLBACK' && !rollsBackToSavepoint(sql));
}

/** Whether it is meant for the statements of later calls; several in one text may hold all of theirs. */
export function reachesFurther(sql: string): boolean {
  return (controlsTransaction(sql) || firstWord(sql) === 'SAVEPOINT') && !maybeSeveral(sql);
}

export function endsTransaction(sql: string): boolean {
  const word = firstWord(sql);
  return word === 'COMMIT' || word === 'END';
}

export function beginsTransaction(sql: string): boolean {
  return firstWord(sql) === 'BEGIN';
}

export function rollsBackToSavepoint(sql: string): boolean {
  return ROLLBACK_TO.test(sql);
}

/** Whether nothing is left to run. */
export function isBlank(sql: string): boolean {
  return NOTHING_MORE.test(sql);
}

/** A semicolon that is not at the end: it may be several statements. It may stand in a text, too. */
export function maybeSeveral(sql: string): boolean {
  const semicolon = sql.indexOf(';');
  return semicolon !== -1 && !isBlank(sql.slice(semicolon));
}

/** The highest `n` of its parameters `$n`; those in quotes and comments are none. */
export function parameterCount(sql: string): number {
  let highest = 0;
  for (const [, n] of sql.matchAll(QUOTED_OR_PARAMETER))
    highest = Math.max(highest, Number(n ?? 0));
  return highest;
}
