import { type ChildProcess as NodeChild, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { systemCode } from '../errorFacts.ts';
import type { OutputSource } from './outputChunker.ts';

export interface ChildCommand {
  /** A command line for the shell, or a program and its arguments, which no shell sees. */
  readonly run: string | readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: 'inherit' | 'ignore';
  /** Lead a process group of its own, so that all that it starts can be signalled together. */
  readonly ownGroup: boolean;
}

export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From start to end, by a clock that nobody sets. Milliseconds. */
  readonly durationMs: number;
  /** Set when the command could not be started at all. */
  readonly failure: Error | null;
}

/** A real command that runs. Its output waits in the pipe until it is read: see `read`. */
export class ChildProcess {
  readonly #child: NodeChild | undefined;
  readonly #ownGroup: boolean;
  /** Settles once it has ended and its output was read to the end. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Its number, or the reason why it did not start. */
  readonly started: Promise<number | Error>;

  constructor(command: ChildCommand) {
    const startedAt = performance.now();
    const child = launch(command);
    this.#ownGroup = command.ownGroup && process.platform !== 'win32';
    this.#child = child instanceof Error ? undefined : child;
    this.started = child instanceof Error ? Promise.resolve(child) : startOf(child);
    this.ended = this.started
      .then((start) => endOf(child, start))
      .then((end) => ({ ...end, durationMs: Math.round(performance.now() - startedAt) }));
  }

  /** Hands all that comes from `source` to `consume`, and reads on only once that has settled. */
  async read(source: OutputSource, consume: (data: Buffer) => Promise<void>): Promise<void> {
    const stream: Readable | null | undefined = this.#child?.[source];
    if (stream === null || stream === undefined) return;
    for await (const data of stream) await consume(data as Buffer);
  }

  /** To the whole group where there is one. Whether there was somebody to hear it. */
  kill(signal: NodeJS.Signals): boolean {
    const child = this.#child;
    if (child?.pid === undefined) return false;
    return this.#ownGroup ? killGroup(child.pid, signal) : child.kill(signal);
  }
}

/** Signals all processes of a group. Whether there was one. */
export function killGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/** As a shell says it: 128 and the number of the signal. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

export function exitCodeOfEnd(end: ProcessEnd): number {
  if (end.signal !== null) return signalExitCode(end.signal);
  return end.exitCode ?? 1;
}

/** As a shell says it: 127 when there is no such program, 126 when it cannot be executed. */
function notStartedCode(error: Error): number {
  return systemCode(error) === 'ENOENT' ? 127 : 126;
}

/** Some failures to start are thrown, arguments that are too long are; others come as an event. */
function launch(command: ChildCommand): NodeChild | Error {
  try {
    return spawnCommand(command);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function startOf(child: NodeChild): Promise<number | Error> {
  return new Promise((resolve) => {
    child.once('spawn', () => resolve(child.pid ?? new Error('it has no process number')));
    child.once('error', resolve);
  });
}

type End = Omit<ProcessEnd, 'durationMs'>;

async function endOf(child: NodeChild | Error, start: number | Error): Promise<End> {
  if (child instanceof Error) return neverStarted(child);
  if (typeof start !== 'number') return neverStarted(start);
  return new Promise((resolve) => {
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, failure: null }));
  });
}

function neverStarted(failure: Error): End {
  return { exitCode: notStartedCode(failure), signal: null, failure };
}

function spawnCommand(command: ChildCommand): NodeChild {
  const { run, cwd, env, stdin } = command;
  const [program, args] = typeof run === 'string' ? [run, []] : [run[0] ?? '', run.slice(1)];
  return spawn(program, args, {
    cwd,
    env: { ...env },
    shell: typeof run === 'string',
    stdio: [stdin, 'pipe', 'pipe'],
    detached: command.ownGroup,
    windowsHide: true,
  });
}
