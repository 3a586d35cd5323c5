import { basename } from 'node:path';

const SUFFIX = '.sha256';
/** A line of GNU `sha256sum`: digest, blank, blank or `*`, name; `\` first: the name is escaped. */
const LINE = /^(\\?)([0-9a-fA-F]{64}) [ *](.+?)\r?$/s;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };
const UNESCAPES = new Map(Object.entries(ESCAPES).map(([plain, escaped]) => [escaped, plain]));

/** Where the digest of a file is kept: beside it, so that both are moved together. */
export function sidecarOf(path: string): string {
  return path + SUFFIX;
}

/** The file of which this would be the sidecar; `undefined` for any other name. */
export function subjectOf(path: string): string | undefined {
  const isSidecar = path.endsWith(SUFFIX) && basename(path).length > SUFFIX.length;
  return isSidecar ? path.slice(0, -SUFFIX.length) : undefined;
}

/** What `sha256sum <name>` prints in the folder of `path`. `digest`: `sha256:…`. */
export function sidecarText(path: string, digest: string): string {
  const name = basename(path);
  const escaped = name.replaceAll(/[\\\n\r]/g, (char) => ESCAPES[char] ?? char);
  const mark = escaped === name ? '' : '\\';
  return `${mark}${digest.slice('sha256:'.length)}  ${escaped}\n`;
}

/** `sha256:…` that a sidecar, or any list of `sha256sum`, has for `path`; `undefined`: none. */
export function digestIn(text: string, path: string): string | undefined {
  const name = basename(path);
  for (const line of text.split('\n')) {
    const [, mark, hex = '', written = ''] = LINE.exec(line) ?? [];
    if (mark === undefined) continue;
    const named =
      mark === ''
        ? written
        : written.replaceAll(/\\[\\nr]/g, (pair) => UNESCAPES.get(pair) ?? pair);
    if (named === name) return `sha256:${hex.toLowerCase()}`;
  }
  return undefined;
}
