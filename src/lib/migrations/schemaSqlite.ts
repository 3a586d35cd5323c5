import type { Queryable } from '../db.ts';
import type { SchemaPart } from './schemaSnapshot.ts';
import { type Token, tokensOf } from './sqlTokens.ts';

interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly tableName: string;
  readonly sql: string;
}

/** What belongs to a constraint has no SQL of its own, and the tables of SQLite itself are left out. */
const SCHEMA = `SELECT type, name, tbl_name AS "tableName", sql FROM sqlite_schema
  WHERE sql IS NOT NULL AND tbl_name <> $1 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`;

export async function sqliteParts(
  connection: Queryable,
  versionTable: string,
): Promise<{ readonly engine: string; readonly parts: readonly SchemaPart[] }> {
  const { rows } = await connection.query<SchemaRow>(SCHEMA, [versionTable]);
  return { engine: 'sqlite 3', parts: rows.flatMap(partsOf) };
}

function partsOf({ type, name, tableName, sql }: SchemaRow): readonly SchemaPart[] {
  const tokens = tokensOf(sql, 'sqlite').filter(({ kind }) => kind !== 'comment');
  if (type === 'table') return tableParts(`table ${name}`, tokens, sql);
  if (type === 'view')
    return [{ object: `view ${name}`, part: '', definition: words(tokens, sql) }];
  return [
    { object: `table ${tableName}`, part: `${type} ${name}`, definition: words(tokens, sql) },
  ];
}

const CONSTRAINT = new Set(['CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN']);

/**
 * SQLite keeps the text of `CREATE TABLE`, with the columns of later `ALTER TABLE`s put in. Cut at its
 * commas it has no order, so that a column which went and came back is no difference.
 */
function tableParts(object: string, tokens: readonly Token[], sql: string): readonly SchemaPart[] {
  const open = tokens.findIndex(({ text }) => text === '(');
  let depth = 0;
  let close = tokens.length;
  const items: Token[][] = [[]];
  for (const [n, token] of tokens.entries()) {
    if (n < open) continue;
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (depth === 0) {
      close = n;
      break;
    }
    if (token.text === ',' && depth === 1) items.push([]);
    else if (n > open) items.at(-1)?.push(token);
  }
  // `AS SELECT` aside, which SQLite rewrites, what is left says `TEMP`, `STRICT` and the like.
  const kind = words([...tokens.slice(1, 2), ...tokens.slice(close + 1)], sql);
  return [
    { object, part: '', definition: kind },
    ...items.map((item) => itemPart(object, item, sql)),
  ];
}

function itemPart(object: string, item: readonly Token[], sql: string): SchemaPart {
  const [first] = item;
  if (first === undefined || CONSTRAINT.has(first.text)) {
    return { object, part: words(item, sql), definition: 'constraint' };
  }
  return { object, part: `column ${words([first], sql)}`, definition: words(item.slice(1), sql) };
}

const PLAIN = /^["`[]([A-Za-z_]\w*)["`\]]$/;

/** One spelling for all: small words, one space, and quotes only where they are needed. */
function words(tokens: readonly Token[], sql: string): string {
  return tokens
    .map(({ kind, start, end }) => {
      const text = sql.slice(start, end);
      if (kind === 'word') return text.toLowerCase();
      return kind === 'quoted' ? (PLAIN.exec(text)?.[1]?.toLowerCase() ?? text) : text;
    })
    .join(' ');
}
