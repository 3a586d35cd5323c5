import { type ChildProcess, spawn } from 'node:child_process';
import * as fileSystem from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Readable, Writable } from 'node:stream';
import type { CommandContext } from '../../src/cli/context.ts';
import { runProgram } from '../../src/cli/program.ts';
import { Sink } from '../../src/cli/sink.ts';
import { openStore, repairStore, type Store, systemClock } from '../../src/index.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder of its own with a real store in it, and the command line around it. */
export class World {
  readonly folder: string;
  readonly url: string;
  readonly #processes: ChildProcess[] = [];
  #listeners: ((signal: NodeJS.Signals) => void)[] = [];

  constructor(folder: string) {
    this.folder = folder;
    this.url = `file:${join(folder, 'store')}`;
  }

  static async create(): Promise<World> {
    return new World(await fileSystem.mkdtemp(join(tmpdir(), 'holdfast-cli-')));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: unknown): Promise<void> {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    return fileSystem.writeFile(this.path(name), text);
  }

  read(name: string): Promise<string> {
    return fileSystem.readFile(this.path(name), 'utf8');
  }

  /** Runs `holdfast` in this process, over the real store and real commands. */
  async run(argv: readonly string[], changes: Partial<CommandContext> = {}): Promise<Result> {
    const [stdout, stderr] = [new Collected(), new Collected()];
    const code = await runProgram(argv, {
      openStore,
      repairStore,
      fileSystem,
      clock: systemClock,
      stdout: new Sink(stdout),
      stderr: new Sink(stderr),
      terminal: { stdin: false, stdout: false, stderr: false },
      columns: 80,
      env: { PATH: process.env['PATH'], HOLDFAST_STORE: this.url },
      cwd: this.folder,
      onSignal: (listener) => {
        this.#listeners.push(listener);
        return () => (this.#listeners = this.#listeners.filter((other) => other !== listener));
      },
      confirm: () => Promise.resolve(false),
      ...changes,
    });
    return { code, stdout: stdout.text(), stderr: stderr.text() };
  }

  /** What pressing Ctrl-C, or ending a session, does to a running `run`. */
  signal(signal: NodeJS.Signals): void {
    for (const listener of this.#listeners) listener(signal);
  }

  /** Starts the real program as a process of its own. */
  start(argv: readonly string[], flags: readonly string[] = []): ChildProcess {
    const child = spawn(process.execPath, [...flags, CLI, ...argv], {
      cwd: this.folder,
      env: { ...process.env, HOLDFAST_STORE: this.url, NO_COLOR: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#processes.push(child);
    return child;
  }

  /** Looks into the store like every other program. */
  async look<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const store = await openStore(this.url, { readOnly: true });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  async remove(): Promise<void> {
    for (const child of this.#processes) child.kill('SIGKILL');
    await fileSystem.rm(this.folder, { recursive: true, force: true });
  }
}

/** Waits for the end of a process, with all that it wrote. */
export async function ended(child: ChildProcess): Promise<Result & { signal: string | null }> {
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once('close', (code, signal) => resolve([code, signal])),
  );
  return { code: code ?? -1, signal, stdout: stdout(), stderr: stderr() };
}

/** All that comes until the end; nothing more once the reader has been closed. */
function collect(stream: Readable | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Asks again and again, without a fixed wait, until the answer is there. */
export async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The file's content once there is some. */
export function content(path: string): Promise<string> {
  return eventually(async () => {
    try {
      return (await fileSystem.readFile(path, 'utf8')) || undefined;
    } catch {
      return undefined; // it is not there yet
    }
  });
}

class Collected extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
