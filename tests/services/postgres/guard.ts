import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('guardProcess.ts', import.meta.url));

/**
 * A small process that ends a server and removes its folder as soon as this process lets go of it:
 * by `release`, by ending, or by being killed.
 */
export class Guard {
  readonly #child: ChildProcess;
  readonly #pipe: Socket;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#pipe = child.stdin as Socket;
    // A guard that somebody has killed is noticed by `release`.
    this.#pipe.on('error', () => undefined);
    this.#leave();
  }

  static over(folder: string): Guard {
    // Detached: a Ctrl-C that ends the tests must not end it too.
    const child = spawn(process.execPath, [PROGRAM, folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    return new Guard(child);
  }

  /** The server is now the process `pid`; 0: it has ended. */
  watch(pid: number): void {
    if (this.#pipe.writable) this.#pipe.write(`${pid}\n`);
  }

  /** Resolves once the server and its folder are gone. May be called twice. */
  async release(): Promise<void> {
    const isRunning = this.#child.exitCode === null && this.#child.signalCode === null;
    if (isRunning) {
      this.#child.ref();
      this.#pipe.end();
      await once(this.#child, 'exit');
    }
    if (this.#child.exitCode !== 0) throw new Error('a test server could not be cleared away');
  }

  /** It must not keep this process alive. */
  #leave(): void {
    this.#child.unref();
    this.#pipe.unref();
  }
}
