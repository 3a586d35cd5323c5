import { createHash } from 'node:crypto';
import { join, parse, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Dialect } from '../db.ts';
import { type FileSystem, OPEN } from '../ports/fileSystem.ts';
import { dangersOf } from './dangers.ts';
import { invalid } from './invalid.ts';
import type { LoadedMigration, Migration, MigrationPart, Script } from './migration.ts';
import { partOf, takeModule } from './module.ts';
import { ordered } from './order.ts';
import { refuseUnfit } from './fit.ts';
import { parseSqlFile } from './sqlFile.ts';
import { type Statement, statementsIn } from './statements.ts';

export interface MigrationSource {
  readonly directory: string;
  /** In place of the directory. */
  readonly migrations: readonly Migration[] | undefined;
  readonly fileSystem: FileSystem;
  readonly dialect: Dialect;
  /** The names of those that were applied: they may be required though they are not there any more. */
  readonly applied?: Iterable<string> | undefined;
}

/** All migrations in the order in which they are applied. `MIGRATION_INVALID` names the file. */
export async function loadMigrations(source: MigrationSource): Promise<readonly LoadedMigration[]> {
  const { migrations, dialect, applied } = source;
  const loaded =
    migrations === undefined
      ? await loadDirectory(source)
      : migrations.map((migration, n) =>
          fromObject(migration, { source: placeOf(migration, n), dialect, checksum: undefined }),
        );
  for (const { name, source } of loaded) {
    if (/^\S{1,200}$/u.test(name)) continue;
    throw invalid(source, 'a name is 1 to 200 characters without spaces');
  }
  return ordered(loaded, applied);
}

/** For messages; callers without types may list anything. */
function placeOf(migration: Partial<Migration> | null, n: number): string {
  return `migrations[${n}] (${String(migration?.name)})`;
}

const CODE = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

async function loadDirectory(source: MigrationSource): Promise<readonly LoadedMigration[]> {
  const folder = resolve(source.directory);
  const files = (await namesIn(folder, source.fileSystem)).filter(isMigration);
  return Promise.all(files.map((file) => loadFile(join(folder, file), source)));
}

/** Hidden files, declarations, source maps and notes may lie beside migrations. */
function isMigration(file: string): boolean {
  if (file.startsWith('.') || /\.d\.[cm]?ts$/i.test(file)) return false;
  const extension = parse(file).ext.toLowerCase();
  return extension === '.sql' || CODE.has(extension);
}

async function namesIn(folder: string, fileSystem: FileSystem): Promise<readonly string[]> {
  try {
    return (await fileSystem.readdir(folder)).toSorted();
  } catch (error) {
    throw invalid(folder, 'migrations cannot be read from this folder', error);
  }
}

async function loadFile(path: string, source: MigrationSource): Promise<LoadedMigration> {
  const { name, ext } = parse(path);
  const text = await readText(path, source.fileSystem);
  const checksum = checksumOf(text);
  if (ext.toLowerCase() === '.sql') return fromSql(text, { name, path, checksum }, source.dialect);
  const migration = await importModule(path, checksum);
  return fromObject({ ...migration, name }, { source: path, dialect: source.dialect, checksum });
}

async function readText(path: string, fileSystem: FileSystem): Promise<string> {
  try {
    const handle = await fileSystem.open(path, OPEN.read);
    try {
      const bytes = Buffer.alloc((await handle.stat()).size);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      const decoder = new TextDecoder('utf-8', { fatal: true });
      return decoder.decode(bytes.subarray(0, filled)).replaceAll('\r\n', '\n');
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw invalid(path, 'it cannot be read as UTF-8 text', error);
  }
}

function checksumOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** With its checksum behind it a file that was changed is another module, and is loaded anew. */
async function importModule(path: string, checksum: string): Promise<Omit<Migration, 'name'>> {
  const url = `${pathToFileURL(path).href}?${checksum.slice('sha256:'.length)}`;
  let exported: unknown;
  try {
    exported = await import(url);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw invalid(path, `it cannot be loaded: ${message}`, error);
  }
  return takeModule(exported, path);
}

function fromSql(
  text: string,
  file: { readonly name: string; readonly path: string; readonly checksum: string },
  dialect: Dialect,
): LoadedMigration {
  const { name, path: source, checksum } = file;
  const { requires, transactional, up, down } = parseSqlFile(text, source, dialect);
  for (const script of [up, down ?? []]) refuseUnfit(script, source, transactional);
  const warnings = dangersOf(up, source, dialect);
  const loaded = { name, source, checksum, requires, transactional, warnings };
  return { ...loaded, up: linesOf(up), down: down && linesOf(down), verify: undefined };
}

function linesOf(statements: readonly Statement[]): Script {
  return statements.map(({ text, line }) => ({ text, line }));
}

interface Where {
  readonly source: string;
  readonly dialect: Dialect;
  /** Of the file; without one, that of what the migration consists of. */
  readonly checksum: string | undefined;
}

function fromObject(given: Migration, where: Where): LoadedMigration {
  const { source, dialect } = where;
  const migration = takeModule(given, source);
  const { transactional = true, verify } = migration;
  const requires = [migration.requires ?? []].flat();
  const name = typeof given.name === 'string' ? given.name : '';
  const [up, down] = [partOf(migration.up, dialect), partOf(migration.down, dialect)];
  if (up === undefined) throw invalid(source, 'it has no `up`');
  const read = (part: MigrationPart | undefined): readonly Statement[] => {
    const statements = typeof part === 'string' ? statementsIn(part, dialect) : [];
    refuseUnfit(statements, source, transactional);
    return statements;
  };
  const [ups, downs] = [read(up), read(down)];
  if (typeof up === 'string' && ups.length === 0) throw invalid(source, 'its `up` is empty');
  const parts = [up, down ?? '', verify ?? '', requires.join(), String(transactional)];
  return {
    name,
    source,
    checksum: given.checksum ?? where.checksum ?? checksumOf(parts.map(String).join('\0')),
    requires,
    transactional,
    up: typeof up === 'string' ? linesOf(ups) : up,
    down: typeof down === 'string' ? (downs.length > 0 ? linesOf(downs) : undefined) : down,
    verify,
    warnings: dangersOf(ups, source, dialect),
  };
}
