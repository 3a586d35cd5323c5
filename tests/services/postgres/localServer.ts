import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresServer, StopSignal } from '../postgres.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { createDatabaseAt, type Template, type TestDatabase } from './databases.ts';
import { fillDataFolder, USER } from './dataFolder.ts';
import { reachablePrograms } from './reachable.ts';
import { makeServerFolder } from './serverFolder.ts';
import { Guard } from './guard.ts';
import { giveTo, type OsUser, serverUser } from './osUser.ts';
import { killServer, readPostmaster } from './postmaster.ts';
import { signalAll, signalTo } from './processes.ts';

type Settings = Readonly<Record<string, string>>;

interface LocalOptions {
  readonly settings: Settings;
  readonly isOnDisk: boolean;
}

const START_MS = 60_000;
const PORT_TRIES = 20;
/** Below what systems take for outgoing connections, so that a port is free again for a restart. */
const PORTS = [20_000, 32_000] as const;

const SETTINGS: Settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  // The folder may be in memory.
  max_wal_size: '256MB',
  // In the folder, where a killed server leaves nothing behind.
  dynamic_shared_memory_type: 'mmap',
};

/** A server of this machine's binaries in a folder of its own. */
export class LocalServer implements PostgresServer {
  #binaries: Binaries;
  readonly #user: OsUser;
  readonly #folder: string;
  readonly #guard: Guard;
  readonly #settings: Settings;
  #child: ChildProcess | undefined;
  #port = 0;
  #password = '';

  private constructor(binaries: Binaries, user: OsUser, { isOnDisk, settings }: LocalOptions) {
    this.#binaries = binaries;
    this.#user = user;
    this.#settings = { ...SETTINGS, ...settings };
    this.#folder = makeServerFolder(isOnDisk);
    this.#guard = Guard.over(this.#folder);
  }

  static async start(options: LocalOptions): Promise<LocalServer> {
    const [binaries, user] = await Promise.all([findBinaries(), serverUser()]);
    if (binaries === undefined) {
      throw new Error(
        'there is no PostgreSQL for the tests: run `npm run setup -- --tests`, or install one',
      );
    }
    const server = new LocalServer(binaries, user, options);
    try {
      await giveTo(user, server.#folder);
      const programs = await reachablePrograms(binaries.folder, user, server.#folder);
      server.#binaries = { ...binaries, folder: programs };
      server.#password = await fillDataFolder(server.#binaries, user, server.#folder);
      await server.#startAnywhere();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `postgres://${USER}:${this.#password}@127.0.0.1:${this.#port}/postgres`;
  }

  createDatabase(template?: Template): Promise<TestDatabase> {
    return createDatabaseAt(this.url, template);
  }

  async kill(signal: StopSignal): Promise<void> {
    const child = this.#running();
    if (signal === 'SIGSTOP' || signal === 'SIGCONT')
      return void (await signalAll(child.pid, signal));
    const ended = once(child, 'exit');
    child.ref();
    if (signal === 'SIGKILL') await killServer(child.pid);
    else signalTo(child.pid, signal);
    await ended;
  }

  async restart(): Promise<void> {
    if (this.#child !== undefined) {
      await this.kill('SIGCONT');
      await this.kill('SIGINT');
    }
    for (let tries = 1; !(await this.#start(this.#port)); tries++) {
      if (tries >= PORT_TRIES) throw await this.#failure(`port ${this.#port} is taken`);
      await delay(100);
    }
  }

  async stop(): Promise<void> {
    await this.#guard.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #startAnywhere(): Promise<void> {
    for (let tries = 1; ; tries++) {
      this.#port = randomInt(...PORTS);
      if (await this.#start(this.#port)) return;
      if (tries >= PORT_TRIES) throw await this.#failure('no port is free');
    }
  }

  /** Resolves once it answers; `false` when the port is taken. */
  async #start(port: number): Promise<boolean> {
    const child = this.#spawn(port);
    const end = performance.now() + START_MS;
    while (this.#child === child) {
      const postmaster = await readPostmaster(this.#folder);
      // A killed server has left its own file, which says 'ready' for ever.
      if (postmaster?.pid === child.pid && postmaster?.isReady) {
        child.unref();
        return true;
      }
      if (performance.now() > end) throw await this.#failure('it does not get ready');
      await delay(5);
    }
    if ((await this.#log()).includes('could not create any TCP/IP sockets')) return false;
    throw await this.#failure('it ended');
  }

  #spawn(port: number): ChildProcess {
    const settings = Object.entries({ ...this.#settings, port: String(port) });
    const args = ['-D', join(this.#folder, 'data')];
    for (const [name, value] of settings) args.push('-c', `${name}=${value}`);
    // A file, not a pipe: the server must not wait for a test that does not read. Each start its own.
    const log = openSync(this.#logFile, 'w', 0o600);
    const child = spawn(join(this.#binaries.folder, 'postgres'), args, {
      ...this.#user,
      cwd: this.#folder,
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    if (child.pid !== undefined) this.#guard.watch(child.pid);
    this.#child = child;
    child.once('error', (error) => {
      appendFileSync(this.#logFile, error.message);
      this.#ended(child);
    });
    child.once('exit', () => this.#ended(child));
    return child;
  }

  #ended(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#guard.watch(0);
  }

  #running(): ChildProcess & { readonly pid: number } {
    const child = this.#child;
    if (child?.pid === undefined) throw new Error('the test server is not running');
    return Object.assign(child, { pid: child.pid });
  }

  get #logFile(): string {
    return join(this.#folder, 'log');
  }

  #log(): Promise<string> {
    return readFile(this.#logFile, 'utf8');
  }

  async #failure(what: string): Promise<Error> {
    const { version } = this.#binaries;
    const log = (await this.#log()).trim().split('\n').slice(-30).join('\n');
    return new Error(`the test server (${version}) has not started: ${what}\n${log}`);
  }
}
