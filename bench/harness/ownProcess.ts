import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Runs a file of `bench/processes` in a Node of its own, where memory is nobody else's, and gives
 * back the JSON that it prints.
 */
export async function ownProcess<T>(name: string, args: readonly string[]): Promise<T> {
  const file = join(import.meta.dirname, '..', 'processes', `${name}.ts`);
  const { stdout } = await run(
    process.execPath,
    ['--expose-gc', '--disable-warning=ExperimentalWarning', file, ...args],
    { maxBuffer: 1024 * 1024 },
  );
  return JSON.parse(stdout) as T;
}
