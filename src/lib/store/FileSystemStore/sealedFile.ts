import { openLine, sealLine } from './frame.ts';

/** The text of a small file that is one line, as in journal and run files: JSON with its checksum. */
export function sealedText(value: object): string {
  return sealLine(JSON.stringify(value).slice(0, -1));
}

/** The object in such a file; `undefined` when its bytes are not those that were written. */
export function openSealed(content: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  const bytes = Buffer.from(content);
  const end = bytes.at(-1) === NEWLINE ? bytes.length - 1 : bytes.length;
  return openLine(bytes, 0, end);
}

const NEWLINE = 0x0a;
