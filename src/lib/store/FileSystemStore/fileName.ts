import { createHash } from 'node:crypto';

/** Room for endings such as `.12.ndjson` below the 255 bytes that file systems allow. */
const NAME_BYTES_MAX = 180;

/** Windows takes these for devices, whatever follows their first dot. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)/;

/**
 * The name under which files of an id are kept. Different ids get different names, also where the
 * file system folds case or normalizes Unicode: `a`–`z`, digits, `.`, `_` and `-` stand for
 * themselves, every other byte of UTF-8 is `=` and two hexadecimal digits. A name never begins with
 * a dot or a dash, never ends with a dot, and is no device of Windows. Beyond 180 bytes it is `~`
 * and the SHA-256 of the id: the id inside the file is the truth. `id` is well-formed Unicode.
 */
export function encodeName(id: string): string {
  const name = [...Buffer.from(id)].map(encodeByte).join('');
  const safe = name
    .replace(RESERVED, (device) => escapeFirst(device))
    .replace(/^[.-]/, escapeFirst)
    .replace(/\.$/, escapeFirst);
  if (safe.length > NAME_BYTES_MAX) return `~${createHash('sha256').update(id).digest('hex')}`;
  return safe === '' ? '=' : safe;
}

/** The id whose name this is; `undefined` when the name is but a hash of it, or none of ours. */
export function decodeName(name: string): string | undefined {
  const bytes = name.replace(/=([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const id = Buffer.from(bytes, 'latin1').toString();
  return encodeName(id) === name ? id : undefined;
}

function encodeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[a-z0-9._-]/.test(character) ? character : escapeByte(byte);
}

function escapeByte(byte: number): string {
  return `=${byte.toString(16).padStart(2, '0')}`;
}

function escapeFirst(text: string): string {
  return escapeByte(text.charCodeAt(0)) + text.slice(1);
}
