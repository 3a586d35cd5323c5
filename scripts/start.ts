// `npm start`: with arguments the command line, without them the demonstration.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { demonstrate } from './demo/demonstrate.ts';

const args = process.argv.slice(2);

if (args.length === 0) await demonstrate();
else {
  const cli = join(import.meta.dirname, '..', 'src', 'cli.ts');
  const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
