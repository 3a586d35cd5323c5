import { createHash } from 'node:crypto';
import { StoreError } from '../../../errors.ts';

/** One name, in UTF-8: what ext4, XFS and APFS take; NTFS takes as many, of two bytes. */
const NAME_BYTES_MAX = 255;
/** A relative path: the shortest limit of a system, macOS, which is 1,024 with the end of the string. */
const PATH_BYTES_MAX = 1_023;

/** What Windows forbids, and control characters. */
const FORBIDDEN = /[<>:"/\\|?*\p{Cc}]/u;
/** Windows drops them from the end of a name: two names would be one. */
const DROPPED = /[. ]$/;
/**
 * Devices of Windows, in every folder, with every extension: "Naming Files, Paths, and Namespaces" of
 * its documentation. It takes the superscript digits for digits.
 */
const RESERVED =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\.|$)/i;
/** How a name ends that was too long. */
const CUT = /~(?=[0-9a-f]{32}$)/;
const CUT_BYTES = 33;

/**
 * A relative path in NFC, its parts divided by one `/`. `INVALID_ARGUMENT` for whatever could lead out
 * of the folder it is relative to, on any system: `..`, `/` or a drive in front, `\`, a zero byte.
 */
export function normalizePath(path: string): string {
  if (!path.isWellFormed()) throw refusal(path, 'is not Unicode: it has half of a character');
  const text = path.normalize('NFC');
  if (text.includes('\0')) throw refusal(path, 'has a zero byte');
  if (text.includes('\\')) throw refusal(path, 'has a backslash: parts are divided by /');
  if (text.startsWith('/')) throw refusal(path, 'is absolute');
  if (/^[a-z]:/i.test(text)) throw refusal(path, 'begins with a drive');
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refusal(path, 'leads upwards by ..');
  return parts.join('/');
}

/** As `normalizePath`; and each part is a name that every system takes. */
export function checkPath(path: string): string {
  const normal = normalizePath(path);
  if (normal === '') throw refusal(path, 'names nothing');
  for (const name of normal.split('/')) {
    const fault = faultOf(name);
    if (fault !== undefined) throw refusal(path, `${fault}: ${JSON.stringify(name)}`);
    limit(path, 'a name', Buffer.byteLength(name), NAME_BYTES_MAX);
  }
  limit(path, 'the path', Buffer.byteLength(normal), PATH_BYTES_MAX);
  return normal;
}

function faultOf(name: string): string | undefined {
  const [found] = FORBIDDEN.exec(name) ?? [];
  if (found !== undefined) return `has ${JSON.stringify(found)}, which Windows forbids, in a name`;
  if (DROPPED.test(name)) return 'has a name that ends with a dot or a space, which Windows drops';
  if (RESERVED.test(name)) return 'has a name that is a device on Windows';
  return undefined;
}

function limit(path: string, what: string, bytes: number, bytesMax: number): void {
  if (bytes <= bytesMax) return;
  const message = `path: ${what} has ${bytes} bytes, more than ${bytesMax}: ${path.slice(0, 80)}…`;
  throw new StoreError('LIMIT_EXCEEDED', message);
}

function refusal(path: string, why: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `path: ${JSON.stringify(path.slice(0, 200))} ${why}`);
}

/**
 * Any text as one name that every system takes, and different texts (in NFC) as different names: what is
 * not allowed becomes `%` and its bytes in hex, as in a URL. One that is too long is cut, and ends
 * with `~` and 128 bits of its SHA-256.
 */
export function portableName(text: string): string {
  // What was not cut does not look as if.
  const name = encode(text.normalize('NFC')).replace(CUT, '%7E');
  if (Buffer.byteLength(name) <= NAME_BYTES_MAX) return name;
  const digest = createHash('sha256')
    .update(name)
    .digest('hex')
    .slice(0, CUT_BYTES - 1);
  return `${cut(name, NAME_BYTES_MAX - CUT_BYTES)}~${digest}`;
}

function encode(text: string): string {
  if (text === '') return '%';
  const escaped = Array.from(text, (char) => (isPlain(char) ? char : percent(char))).join('');
  const named = RESERVED.test(escaped) ? percent(escaped.charAt(0)) + escaped.slice(1) : escaped;
  return named.replace(DROPPED, percent);
}

function isPlain(char: string): boolean {
  return char !== '%' && char.isWellFormed() && !FORBIDDEN.test(char);
}

/** Half of a character has no bytes in UTF-8: it shows its number. */
function percent(char: string): string {
  if (!char.isWellFormed()) return `%u${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return [...Buffer.from(char)].map((byte) => `%${hex(byte)}`).join('');
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

/** Whole characters, and no half of an escape. */
function cut(name: string, bytesMax: number): string {
  let kept = '';
  let bytes = 0;
  for (const [part] of name.matchAll(/%u[0-9A-F]{4}|%[0-9A-F]{2}|./gsu)) {
    bytes += Buffer.byteLength(part);
    if (bytes > bytesMax) break;
    kept += part;
  }
  return kept;
}
