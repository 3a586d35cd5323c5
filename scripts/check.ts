// Every static check, as many at a time as there are processors. `npm run check` starts it, and so
// the tools are found on the path.
import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

interface Check {
  readonly name: string;
  readonly command: string;
  readonly cwd?: string;
}

const emit = join('.cache', 'js');
const root = join(import.meta.dirname, '..');

const checks: readonly (readonly Check[])[] = [
  [
    {
      name: 'types',
      command: `tsc --noEmit false --rewriteRelativeImportExtensions --rootDir . --outDir ${emit}`,
    },
    {
      name: 'imports',
      command: 'depcruise --config ../../.dependency-cruiser.mjs src scripts',
      cwd: emit,
    },
  ],
  [
    { name: 'build', command: 'npm run --silent build' },
    { name: 'package', command: 'npm run --silent package' },
  ],
  [{ name: 'lint', command: 'oxlint' }],
  [{ name: 'format', command: 'prettier --check --log-level=warn --cache .' }],
  [{ name: 'unused', command: 'knip' }],
];

function run({ command, cwd = '.' }: Check): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, {
      cwd: join(root, cwd),
      shell: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer): void => void (output += chunk.toString());
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('close', (code) => resolve({ ok: code === 0, output }));
  });
}

async function perform(check: Check): Promise<boolean> {
  const started = performance.now();
  const { ok, output } = await run(check);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(ok ? `✔ ${check.name} ${seconds}s` : `✖ ${check.name}: ${check.command}\n${output}`);
  return ok;
}

await rm(join(root, emit), { recursive: true, force: true });
await mkdir(join(root, emit), { recursive: true });

// A chain stops at its first failure; the other chains go on, so that one run shows everything.
const queue = [...checks];
let failed = false;
async function work(): Promise<void> {
  for (let chain = queue.shift(); chain !== undefined; chain = queue.shift()) {
    for (const check of chain) {
      if (await perform(check)) continue;
      failed = true;
      break;
    }
  }
}
await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work));
process.exitCode = failed ? 1 : 0;
