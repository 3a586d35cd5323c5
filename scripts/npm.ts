import { spawn } from 'node:child_process';

/** Runs a script of package.json, at this terminal. Resolves with its exit code, 1 for a signal. */
export function npmRun(args: readonly string[], env = process.env): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', ['run', '-s', ...args], { stdio: 'inherit', env });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}
