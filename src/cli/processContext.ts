import { createInterface } from 'node:readline/promises';
import { openStore, realFileSystem, repairStore, systemClock } from '../index.ts';
import type { CommandContext } from './context.ts';
import { Sink } from './sink.ts';

const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const COLUMNS_WITHOUT_TERMINAL = 80;

/** The real world: this process, its streams, its signals. */
export function processContext(): CommandContext {
  const { stdin, stdout, stderr, env } = process;
  return {
    openStore,
    repairStore,
    fileSystem: realFileSystem,
    clock: systemClock,
    stdout: new Sink(stdout),
    stderr: new Sink(stderr),
    terminal: { stdin: stdin.isTTY, stdout: stdout.isTTY, stderr: stderr.isTTY },
    columns: columnsOf(stdout.columns, env['COLUMNS']),
    env,
    cwd: process.cwd(),
    onSignal,
    confirm,
  };
}

/** Some terminals say that they have no columns at all: that is not known, like no terminal. */
export function columnsOf(terminal: number | undefined, variable: string | undefined): number {
  return terminal || Number(variable) || COLUMNS_WITHOUT_TERMINAL;
}

function onSignal(listener: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of ENDING) process.on(signal, listener);
  return () => {
    for (const signal of ENDING) process.off(signal, listener);
  };
}

async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}
