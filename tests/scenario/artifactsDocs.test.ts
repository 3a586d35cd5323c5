import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openStore } from '../../src/index.ts';
import { Page } from './document.ts';
import { runProgram } from './program.ts';

const [program = ''] = new Page('docs/artifacts.md').blocks('ts');

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-docs-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('docs/artifacts.md does what it says [AR-1] [AR-2] [AR-3] [AR-4]', async () => {
  const said = [...program.matchAll(/; \/\/ (\[.*\]|\d.*)$/gm)].map(([, comment]) => comment);
  expect(said).toHaveLength(3);
  const quiet = program
    .replace('process.stdout.write(chunk);', 'told.push(Buffer.from(chunk).toString().trim());')
    .replaceAll('console.log(', 'told.push(');
  const text = `const told: unknown[] = [];\n${quiet}\nconsole.log(JSON.stringify(told));`;
  const told = (await runProgram({ folder, text })) as readonly unknown[];
  const shown = told.map((one) =>
    typeof one === 'string' ? one : `[ '${(one as string[]).join("', '")}' ]`,
  );
  expect(shown).toEqual(said);
  await using store = await openStore(`file:${join(folder, 'data')}`);
  const { items } = await store.artifacts.query({ name: 'model.bin' });
  expect(items).toMatchObject([{ hold: 'in the audit of 2026', revision: 2 }]);
});
