import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** A database that one test has for itself. */
export interface TestDatabase {
  readonly url: string;
  /** Closes all connections to it and removes it; harmless when it is gone already. */
  readonly drop: () => Promise<void>;
}

/** What many databases hold from their beginning: filled once a server, and copied from then on. */
export interface Template {
  /** Other content has another name: the server may keep it. A plain small word. */
  readonly name: string;
  /** Fills the empty database of `url`, and leaves no connection to it. */
  readonly fill: (url: string) => Promise<void>;
}

const NO_SUCH_DATABASE = '3D000';
/** Found before the name was taken, or at the very moment. */
const TAKEN: ReadonlySet<unknown> = new Set(['42P04', '23505']);

/** Makes a database on the server of `url`: an empty one, or a copy of `template`. */
export async function createDatabaseAt(url: string, template?: Template): Promise<TestDatabase> {
  // What a foreign server has put into template1 is not wanted.
  if (template === undefined) return copyOf(url, 'template0');
  try {
    return await copyOf(url, template.name);
  } catch (error) {
    if (codeOf(error) !== NO_SUCH_DATABASE) throw error;
  }
  await publish(url, template);
  return copyOf(url, template.name);
}

/** Resolves once the server of `url` takes connections; rejects as the last attempt did. */
export async function untilItAnswers(url: string, withinMs: number): Promise<void> {
  for (const end = performance.now() + withinMs; ; await delay(50)) {
    try {
      return await runAt(url, 'SELECT 1');
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

async function copyOf(url: string, source: string): Promise<TestDatabase> {
  const name = `holdfast_${randomUUID().replaceAll('-', '')}`;
  await runAt(url, `CREATE DATABASE ${name} TEMPLATE ${source} ENCODING 'UTF8'`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return {
    url: own.href,
    drop: () => runAt(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

/** Several processes may come here at once: the first to rename has made it, the others let go. */
async function publish(url: string, { name, fill }: Template): Promise<void> {
  const draft = await createDatabaseAt(url);
  const draftName = new URL(draft.url).pathname.slice(1);
  try {
    await fill(draft.url);
    // Whoever is connected to a template keeps others from copying it.
    await runAt(url, `ALTER DATABASE ${draftName} ALLOW_CONNECTIONS false`);
    await runAt(url, `ALTER DATABASE ${draftName} RENAME TO ${name}`);
  } catch (error) {
    await draft.drop();
    if (!TAKEN.has(codeOf(error))) throw error;
  }
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown }).code;
}

async function runAt(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // A server that dies meanwhile fails the call; without a listener it would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
