// The proofs with the figures of docs/reliability.md for long runs: hours, and a seed of its own.
// Arguments choose some of them by their paths.
import { npmRun } from './npm.ts';

const patterns = process.argv.slice(2);
const proofs = ['tests/proof', 'tests/crash', 'tests/fault/real'];
const { HOLDFAST_SEED: seed = String(Date.now() % 2 ** 31) } = process.env;
const env = { ...process.env, HOLDFAST_SOAK: '1', HOLDFAST_SEED: seed };
console.log(`seed ${seed}: when stopped, HOLDFAST_SEED=${seed} goes on with the crash states`);

// Of one proof alone, the figures of the others stay.
if (patterns.length === 0) await npmRun(['proof', '--', '--clear'], env);
const tests = await npmRun(['jest', '--', ...(patterns.length > 0 ? patterns : proofs)], env);
const figures = await npmRun(['proof'], env);
process.exitCode = tests === 0 && (figures === 0 || patterns.length > 0) ? 0 : 1;
