// Which scenarios of the specification are proven: its ids beside the titles of Jest's last run.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Results {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

const root = join(import.meta.dirname, '..');
const results = await readFile(join(root, 'coverage', 'results.json'), 'utf8').catch(() => {
  console.error('scenarios: there are no results yet; run `npm test` first');
  process.exit(1);
});
const specification = await readFile(join(root, 'docs', 'specification.md'), 'utf8');
const { testResults } = JSON.parse(results) as Results;

const idsIn = (text: string): string[] => text.match(/\b[A-Z]{2}-\d+\b/g) ?? [];
const ids = [...new Set((specification.match(/\*\*[A-Z]{2}-\d+\*\*/g) ?? []).flatMap(idsIn))];
const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
const named = (status: string): Set<string> =>
  new Set(tests.filter((test) => test.status === status).flatMap((test) => idsIn(test.fullName)));

const [failed, passed] = [named('failed'), named('passed')];
const failing = ids.filter((id) => failed.has(id));
const proven = ids.filter((id) => passed.has(id) && !failed.has(id));
const open = ids.filter((id) => !passed.has(id) && !failed.has(id));
const unknown = [...passed.union(failed)].filter((id) => !ids.includes(id));

console.log(`proven: ${proven.join(' ')}\nwithout a test yet: ${open.join(' ')}`);
if (failing.length > 0) console.log(`failing: ${failing.join(' ')}`);
if (unknown.length > 0) console.log(`not in the specification: ${unknown.join(' ')}`);
console.log(`scenarios: ${proven.length} of ${ids.length} proven`);
process.exitCode = failing.length + unknown.length > 0 ? 1 : 0;
