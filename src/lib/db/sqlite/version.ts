import { StoreError } from '../../errors.ts';

/**
 * Before this version two connections that write or checkpoint at the same moment may reset the log
 * (WAL) under each other and damage the database, https://www.sqlite.org/wal.html#walresetbug.
 */
const SOUND_SINCE = [3, 51, 3] as const;

/** Files of this process and how many connections it has to each: the fault needs two. */
const connections = new Map<string, number>();

export function isSound(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (const [n, wanted] of SOUND_SINCE.entries()) {
    const part = parts[n] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}

/** Counts a connection to `path`; the returned function takes it back. `UNSUPPORTED` with an old SQLite. */
export function countConnection(
  path: string,
  version: string,
  warn: (message: string) => void,
): () => void {
  const others = connections.get(path) ?? 0;
  if (!isSound(version)) {
    const fault = `SQLite ${version} may damage a file that several connections write to at once`;
    const remedy = `use a Node.js with SQLite ${SOUND_SINCE.join('.')} or newer`;
    if (others > 0) throw new StoreError('UNSUPPORTED', `${fault}, and ${path} is open: ${remedy}`);
    warn(`${fault}: let no other process open ${path}, or ${remedy}`);
  }
  connections.set(path, others + 1);
  return () => {
    const left = (connections.get(path) ?? 1) - 1;
    if (left === 0) connections.delete(path);
    else connections.set(path, left);
  };
}
