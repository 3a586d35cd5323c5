import { createHash } from 'node:crypto';
import { StoreError } from '../errors.ts';
import type { ArtifactRow } from './entities.ts';
import type { JsonValue } from './payload.ts';

/** What can be asked of an artifact besides its own fields: `m.` and a path, `t.` and a tag, `a`. */
export interface ArtifactFacts {
  readonly texts: readonly (readonly [path: string, text: string])[];
  readonly numbers: readonly (readonly [path: string, value: number])[];
}

/** A value that metadata can be asked for. */
export type MetadataValue = string | number | boolean | null;

const FACTS_MAX = 1_000;
const TEXT_UNITS_MAX = 256;

export const ALIAS = 'a';
export const metadataPath = (path: string): string => `m.${plain(path)}`;
export const tagPath = (key: string): string => `t.${plain(key)}`;

/** A value as the index compares it: no text is like a truth or null. */
export function factText(value: string | boolean | null): string {
  return typeof value === 'string' ? plain(value) : `j${value}`;
}

/** With an `s` before it; what is long, or no database could hold, as its digest. */
function plain(text: string): string {
  if (text.length <= TEXT_UNITS_MAX && !text.includes('\0') && text.isWellFormed()) {
    return `s${text}`;
  }
  return `h${createHash('sha256').update(JSON.stringify(text)).digest('hex')}`;
}

/** Of objects in metadata the paths are joined by dots; of a list each item counts. */
export function factsOf({ tags, metadata, aliases }: ArtifactRow): ArtifactFacts {
  const texts = new Map<string, readonly [string, string]>();
  const numbers = new Map<string, readonly [string, number]>();
  const addText = (path: string, text: string) => texts.set(`${path}\0${text}`, [path, text]);
  const visit = (path: string, value: JsonValue | undefined): void => {
    if (typeof value === 'number') numbers.set(`${path}\0${value}`, [metadataPath(path), value]);
    else if (typeof value !== 'object' || value === null) {
      if (value !== undefined) addText(metadataPath(path), factText(value));
    } else if (Array.isArray(value)) for (const item of value) visit(path, item as JsonValue);
    else
      for (const [key, item] of Object.entries(value)) visit(path ? `${path}.${key}` : key, item);
  };
  visit('', JSON.parse(metadata) as JsonValue);
  for (const [key, value] of Object.entries(tags)) addText(tagPath(key), factText(value));
  for (const alias of aliases) addText(ALIAS, factText(alias));
  return { texts: [...texts.values()], numbers: [...numbers.values()] };
}

/** `LIMIT_EXCEEDED` for metadata of more values than can be found again. */
export function checkFacts(row: ArtifactRow): void {
  const { texts, numbers } = factsOf(row);
  const count = texts.length + numbers.length;
  if (count <= FACTS_MAX) return;
  const message = `tags and metadata have ${count} values; ${FACTS_MAX} at most, which can be asked for`;
  throw new StoreError('LIMIT_EXCEEDED', `${message}: keep larger ones in the artifact itself`);
}
