import { crc32 } from 'node:zlib';

export type Value = string | number | null;

/** CRC-32 of a row's values, in the order of their columns. */
export function rowChecksum(values: readonly Value[]): number {
  return crc32(values.join('\0'));
}

/** The bytes that `rowChecksum` is taken of, as SQL. */
export function rowBytes(columns: readonly string[]): string {
  const texts = columns.map((column) => `coalesce(${column}, '')`);
  return `CAST(${texts.join(' || char(0) || ')} AS BLOB)`;
}

/** `rowChecksum` for what SQLite has made of `rowBytes`. */
export function bytesChecksum(bytes: unknown): number | null {
  return bytes instanceof Uint8Array ? crc32(bytes) : null;
}
