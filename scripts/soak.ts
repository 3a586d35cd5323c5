// The proofs with the figures of docs/reliability.md for long runs: hours, and a seed of its own.
import { spawn } from 'node:child_process';

const patterns = process.argv.slice(2);
const proofs = ['tests/proof', 'tests/crash', 'tests/fault/real'];
const run = (args: readonly string[]): Promise<number> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, HOLDFAST_SOAK: '1' };
    const child = spawn('npm', ['run', '-s', ...args], { stdio: 'inherit', env });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });

await run(['proof', '--', '--clear']);
const tests = await run(['jest', '--', ...(patterns.length > 0 ? patterns : proofs)]);
const figures = await run(['proof']);
process.exitCode = tests === 0 && (figures === 0 || patterns.length > 0) ? 0 : 1;
