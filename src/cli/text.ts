import { stripVTControlCharacters } from 'node:util';

/** Everything that could move the cursor, change colours or reorder a line; joiners of emoji stay. */
const UNSAFE = /(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text from anywhere, made safe for a terminal and for one line: what is unsafe shows as an escape. */
export function plain(text: string): string {
  return text.replace(UNSAFE, (char) => NAMED[char] ?? escaped(char));
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/** Compact JSON. What a terminal could take for a command is escaped, as JSON allows everywhere. */
export function json(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) =>
    item instanceof Uint8Array ? { $bytes: Buffer.from(item).toString('base64') } : item,
  );
  return text.replace(UNSAFE, (char) =>
    Array.from({ length: char.length }, (_, i) => unicodeEscape(char.charCodeAt(i))).join(''),
  );
}

function unicodeEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}

/** The last lines of a program's output as they would stand on a terminal, without its commands. */
export function lastLines(output: string, count: number): readonly string[] {
  return stripVTControlCharacters(output)
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .map((line) => plain(line.slice(line.lastIndexOf('\r') + 1)).trimEnd())
    .filter((line) => line !== '')
    .slice(-count);
}

const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}]/u;
const NARROWLESS = /[\p{M}\u200d]/u;

/** Columns that the text takes on a terminal. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const char of text) columns += NARROWLESS.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return columns;
}

export function fit(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = '';
  for (const char of text) {
    if (columnsOf(kept + char) > columns - 1) break;
    kept += char;
  }
  return columns < 1 ? '' : `${kept}…`;
}

export function padTo(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)));
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = ms / 1_000;
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  if (whole < 3_600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3_600)}h${two(Math.floor((whole % 3_600) / 60))}m`;
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

export function bytes(count: number): string {
  let value = count;
  let unit = 'B';
  for (const next of UNITS) {
    if (value < 1_024) break;
    value /= 1_024;
    unit = next;
  }
  return `${unit === 'B' ? value : value.toFixed(1)} ${unit}`;
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en-US')} ${n === 1 ? one : many}`;
}

/** `2026-01-02 03:04:05Z`: the same on every machine. */
export function time(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-([0-9a-f]{12})$/;

/** The end of a UUIDv7 tells runs apart; its beginning is only the time. Other ids stay whole. */
export function shortId(id: string): string {
  return UUID.exec(id)?.[1] ?? plain(id);
}
