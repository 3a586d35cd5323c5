import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LIMITS, openStore } from '../../src/index.ts';
import { Page, ROOT } from './document.ts';
import { answersOf } from './storeScene.ts';

const page = new Page('README.md');
const [program = ''] = page.blocks('ts');
const commands = page.blocks('sh').join('\n');

const SURFACE = join(ROOT, 'src/index.ts');

/** Lets a program import `holdfast` as if it were installed. */
const MAPPING = `import { registerHooks } from 'node:module';
registerHooks({
  resolve: (name, context, next) =>
    name === 'holdfast'
      ? { url: ${JSON.stringify(pathToFileURL(SURFACE).href)}, shortCircuit: true }
      : next(name, context),
});`;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-readme-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function start(command: string, args: readonly string[]): { status: number | null; said: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { status, said: `${stdout}${stderr}` };
}

describe('the library, as the README shows it,', () => {
  test('has ten lines that run, and what they wrote is there afterwards [RM-1] [EM-1] [ST-1]', async () => {
    expect(program.trimEnd().split('\n')).toHaveLength(10);
    await writeFile(join(folder, 'program.ts'), program);
    await writeFile(join(folder, 'mapping.mjs'), MAPPING);
    const mapping = pathToFileURL(join(folder, 'mapping.mjs')).href;
    const result = start(process.execPath, ['--import', mapping, 'program.ts']);
    expect(result).toEqual({ status: 0, said: '' });

    await using store = await openStore(`file:${join(folder, 'data')}`);
    const [[runId = '', answer] = []] = await answersOf(store);
    expect(answer?.run).toMatchObject({ workflow: 'summarize', status: 'running' });
    expect(answer?.steps).toMatchObject([{ name: 'fetch', status: 'running' }]);
    expect(answer?.events).toMatchObject([{ seq: 1, payload: { status: 200 } }]);
    const body = await Array.fromAsync(store.artifacts.open(runId, 'page.html'));
    expect(Buffer.concat(body).toString()).toBe('<h1>Hello</h1>');
    expect((await store.stats()).recovery.clean).toBe(true);
  });

  test('compiles in a strict project, and a patch that makes no sense does not', async () => {
    const config = {
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { paths: { holdfast: [SURFACE] }, typeRoots: [typesFolder()] },
      include: ['*.ts'],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, 'program.ts'), program);
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    expect(start(process.execPath, [tsc, '-p', '.'])).toEqual({ status: 0, said: '' });
    const patch = `await store.runs.update(run.id, { status: 'running', output: 1 });\n`;
    await writeFile(join(folder, 'program.ts'), program + patch);
    expect(start(process.execPath, [tsc, '-p', '.'])).toMatchObject({
      said: expect.stringContaining('program.ts(11,'),
    });
  });
});

function typesFolder(): string {
  return join(ROOT, 'node_modules/@types');
}

describe('the README', () => {
  test('names only scripts and verbs that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const named = [...page.text.matchAll(/npm (?:run )?(start|test|build|bench|scenarios)\b/g)];
    expect(named.map(([, name]) => name).filter((name = '') => !(name in scripts))).toEqual([]);
    const verbs = [...commands.matchAll(/^holdfast (\w+)|&& holdfast (\w+)/gm)].map(
      ([, first, second]) => first ?? second ?? '',
    );
    expect(verbs.length).toBeGreaterThan(4);
    for (const verb of new Set(verbs)) {
      const cli = join(ROOT, 'src/cli.ts');
      expect(start(process.execPath, [cli, verb, '--help'])).toMatchObject({ status: 0 });
    }
  });

  test('states the limits that hold', () => {
    const MiB = 1024 ** 2;
    const { payloadBytesMax, commitBytesMax } = LIMITS;
    expect(page.text).toContain(`a single value larger than ${payloadBytesMax / MiB} MiB`);
    expect(page.text).toContain(`a commit larger than ${commitBytesMax / MiB} MiB`);
  });

  test.each(['README.md', 'docs/architecture.md', 'docs/format.md', 'docs/command-line.md'])(
    'and its pages link to what is there: %s',
    (path) => {
      const links = [...new Page(path).text.matchAll(/\]\((?!https?:)([^)#]+)/g)];
      const missing = links
        .map(([, target = '']) => target)
        .filter((target) => !existsSync(join(ROOT, dirname(path), target)));
      expect(missing).toEqual([]);
    },
  );
});
