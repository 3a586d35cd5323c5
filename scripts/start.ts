// `npm start`: with arguments the command line, without them the demonstration.
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { demonstrate } from './demo/demonstrate.ts';

const args = process.argv.slice(2);

if (args.length === 0) await demonstrate();
else {
  const cli = join(import.meta.dirname, '..', 'src', 'cli.ts');
  const child = spawn(process.execPath, [cli, ...args], { stdio: 'inherit' });
  passSignalsOn(child);
  process.exitCode = await exitCodeOf(child);
}

function passSignalsOn(child: ChildProcess): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // A terminal sends Ctrl-C to both: then it only must not end this one first.
    const byTerminal = signal === 'SIGINT' && process.stdin.isTTY;
    process.on(signal, () => byTerminal || child.kill(signal));
  }
}

function exitCodeOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]),
    );
  });
}
