import type { Dialect } from '../db.ts';
import { invalid } from './invalid.ts';
import { type Token, tokensOf } from './sqlTokens.ts';
import { type Statement, statementsOf } from './statements.ts';

/** What a `.sql` file says. */
export interface SqlFile {
  readonly requires: readonly string[];
  readonly transactional: boolean;
  readonly up: readonly Statement[];
  readonly down: readonly Statement[] | undefined;
}

type Section = 'top' | 'up' | 'down';

const MARK = /^--\s*(up|down)\s*$/i;
/** Marks of other tools and slips of the pen: taken for comments, a `down` would run with the `up`. */
const NEARLY = /^--\s*[+@]?\s*(migrat\w*\s*[:.]?\s*)?(up|down)\b(?!['’])/i;
const OPTION = /^--\s*(requires|transactional)\s*:\s*(.*?)\s*$/i;

/** Reads `-- requires: …`, `-- transactional: false`, and the parts behind `-- up` and `-- down`. */
export function parseSqlFile(sql: string, source: string, dialect: Dialect): SqlFile {
  const parts = new Map<Section, Token[]>([['top', []]]);
  const options = { requires: [] as string[], transactional: true };
  let section: Section = 'top';
  let lineBefore = 0;
  for (const token of tokensOf(sql, dialect)) {
    const at = `${source}, line ${token.line}`;
    if (token.open) throw invalid(at, 'what begins here has no end');
    const isFirst = token.line > lineBefore;
    lineBefore = token.line + token.text.split('\n').length - 1;
    const mark = isFirst && token.kind === 'comment' ? markOf(token.text, at) : undefined;
    if (mark === undefined) {
      parts.get(section)?.push(token);
      if (isFirst && token.kind === 'comment') takeOption(token.text, at, section, options);
      continue;
    }
    if (parts.has(mark)) throw invalid(at, `there is a second \`-- ${mark}\``);
    if (mark === 'down' && section === 'top') throw invalid(at, '`-- up` stands before `-- down`');
    parts.set((section = mark), []);
  }
  const statements = (name: Section) => statementsOf(parts.get(name) ?? [], sql);
  return { ...options, ...checked(statements, parts, source) };
}

function markOf(comment: string, at: string): 'up' | 'down' | undefined {
  const mark = MARK.exec(comment)?.[1]?.toLowerCase();
  if (mark === 'up' || mark === 'down') return mark;
  const near = NEARLY.exec(comment)?.[2]?.toLowerCase();
  if (near === undefined) return undefined;
  throw invalid(at, `\`${comment}\` is nearly a mark: write \`-- ${near}\` alone, or reword it`);
}

function takeOption(
  comment: string,
  at: string,
  section: Section,
  options: { requires: string[]; transactional: boolean },
): void {
  const [, name, value = ''] = OPTION.exec(comment) ?? [];
  if (name === undefined) return;
  if (section !== 'top') throw invalid(at, `\`${name}\` belongs above \`-- up\``);
  if (name.toLowerCase() === 'requires') {
    options.requires.push(...value.split(/[\s,]+/).filter((word) => word !== ''));
  } else if (/^(true|false)$/i.test(value)) options.transactional = value.toLowerCase() === 'true';
  else throw invalid(at, '`transactional` is `true` or `false`');
}

function checked(
  statements: (name: Section) => readonly Statement[],
  parts: ReadonlyMap<Section, unknown>,
  source: string,
): Pick<SqlFile, 'up' | 'down'> {
  if (!parts.has('up')) throw invalid(source, 'a line `-- up` has to stand above its statements');
  const [stray] = statements('top');
  if (stray !== undefined) {
    throw invalid(`${source}, line ${stray.line}`, 'a statement stands above `-- up`');
  }
  const [up, down] = [statements('up'), statements('down')];
  if (up.length === 0) throw invalid(source, 'there is no statement behind `-- up`');
  // A mark with nothing behind it is how templates begin, and no way back.
  return { up, down: down.length === 0 ? undefined : down };
}
