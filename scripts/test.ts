// All checks and all tests. What was proven is said at the end, also when a test has failed: by then
// nobody finds it above. Without checks that pass nothing is tested.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { npmRun } from './npm.ts';

const RESULTS = join('coverage', 'results.json');
const root = join(import.meta.dirname, '..');

const isChecked = (await npmRun(['check'])) === 0;
process.exitCode = isChecked && (await testAll()) ? 0 : 1;

async function testAll(): Promise<boolean> {
  // What an earlier run has left proves nothing of this one.
  await rm(join(root, RESULTS), { force: true });
  const cleared = await npmRun(['proof', '--', '--clear']);
  const tests = await npmRun(['jest', '--', '--coverage', '--json', `--outputFile=${RESULTS}`]);
  const figures = await npmRun(['proof']);
  const scenarios = await npmRun(['scenarios']);
  return [cleared, tests, figures, scenarios].every((code) => code === 0);
}
