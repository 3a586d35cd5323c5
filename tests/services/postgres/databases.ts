import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** A database that one test has for itself. */
export interface TestDatabase {
  readonly url: string;
  /** Closes all connections to it and removes it; harmless when it is gone already. */
  drop(): Promise<void>;
}

/** Makes an empty database on the server of `url`. */
export async function createDatabaseAt(url: string): Promise<TestDatabase> {
  const name = `holdfast_${randomUUID().replaceAll('-', '')}`;
  // What a foreign server has put into template1 is not wanted.
  await runAt(url, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return {
    url: own.href,
    drop: () => runAt(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
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
