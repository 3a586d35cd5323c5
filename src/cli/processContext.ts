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
    columns: stdout.columns ?? (Number(env['COLUMNS']) || COLUMNS_WITHOUT_TERMINAL),
    env,
    cwd: process.cwd(),
    onSignal,
    confirm,
  };
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
