import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ERROR_CODES, openStore, Registry, REGISTRY_LIMITS } from '../../src/index.ts';
import { World } from './cliWorld.ts';
import { Page, ROOT } from './document.ts';
import { runProgram } from './program.ts';

const page = new Page('docs/registry.md');
const [publishing = '', executing = '', moving = '', providing = ''] = page.blocks('ts');
const [commands = ''] = page.blocks('sh');

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-docs-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('docs/registry.md', () => {
  test('publishes, resolves, runs, moves tags and withdraws [RG-1] [RG-2] [RG-3] [RG-4]', async () => {
    const text = `${publishing}
      {${executing}}
      const warn = console.log;
      const told = [];
      console.log = (at, ...facts) => void told.push([at instanceof Date, ...facts]);
      ${moving}
      const latest = (await registry.resolve('summarize')).version;
      const { status } = await store.runs.get(run.id);
      await store.close();
      warn(JSON.stringify({ version, manifest, checksum, told, runs, active, latest, status }));`;
    const result = await runProgram({ folder, text });
    expect(result).toEqual({
      version: '1.1.0',
      manifest: { kind: 'agent', model: 'large', prompt: 'Sum up:' },
      checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      told: [
        [true, 'published', null, '1.0.0'],
        [true, 'tagged', 'latest', '1.0.0'],
        [true, 'published', null, '1.1.0'],
        [true, 'tagged', 'latest', '1.1.0'],
        [true, 'tagged', 'prod', '1.0.0'],
        [true, 'tagged', 'prod', '1.1.0'],
        [true, 'rolled-back', 'prod', '1.0.0'],
        [true, 'deprecated', null, '1.0.0'],
        [true, 'yanked', null, '1.1.0'],
        [true, 'tagged', 'latest', '1.0.0'],
      ],
      runs: 1,
      active: 0,
      latest: '1.0.0',
      status: 'succeeded',
    });
    await using store = await openStore(`file:${join(folder, 'data')}`);
    const { warnings } = await new Registry(store).resolve('summarize');
    expect(warnings).toEqual(['summarize@1.0.0 is deprecated: use 1.1']);
  });

  test('hands in the code of a schema [RG-4]', async () => {
    const text = `import { openStore, Registry } from 'holdfast';
      const validate = (value) =>
        typeof value === 'string' ? { value } : { issues: [{ message: 'must be a name' }] };
      const nameSchema = { '~standard': { version: 1, vendor: 'own', validate } };
      const store = await openStore('memory:');
      await new Registry(store).publish('greet', '1.0.0', {}, { input: nameSchema });
      const registry = new Registry(store);
      const codes = [];
      const tried = () => registry.createRun('greet', 5).catch(({ code }) => codes.push(code));
      await tried();
      ${providing}
      await tried();
      console.log(JSON.stringify(codes));`;
    expect(await runProgram({ folder, text })).toEqual(['VALIDATOR_MISSING', 'INVALID_INPUT']);
  });

  test('has commands that do what they say, in their order [RG-1] [RG-2] [RG-3]', async () => {
    const world = await World.create();
    try {
      const store = await openStore(world.url);
      const registry = new Registry(store);
      for (const version of ['1.0.0', '1.1.0']) {
        await registry.publish('summarize', version, { kind: 'agent' });
      }
      await registry.tag('summarize', 'prod', '1.1.0');
      await store.close();
      await world.write('manifest.json', { model: 'small' });
      await world.write('input.json', { type: 'object' });
      for (const line of commands.trimEnd().split('\n')) {
        const [command = ''] = line.split('#');
        const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, a, b]) => a ?? b ?? '');
        expect(await world.run(words.slice(1))).toMatchObject({ code: 0 });
      }
      const { stdout } = await world.run(['registry', 'show', 'summarize']);
      expect(stdout.split('\n')[0]).toBe('summarize  agent  latest=1.2.0 prod=1.1.0 canary=1.2.0');
      expect(stdout).toContain('deprecated: use 1.2');
      expect(stdout).not.toContain('yanked');
    } finally {
      await world.remove();
    }
  });

  test('states the limits that hold, and names only codes and links that exist', () => {
    const { definitionBytesMax, versionsMax, tagsMax, rollbacksMax } = REGISTRY_LIMITS;
    expect(page.text).toContain(`${definitionBytesMax / 1024 ** 2} MiB for a version`);
    expect(page.text).toContain(
      `${versionsMax.toLocaleString('en-US')} versions and ${tagsMax} tags`,
    );
    expect(page.text).toContain(`(${rollbacksMax} are kept)`);
    const codes = [...page.text.matchAll(/`([A-Z]+_[A-Z]+)`/g)].map(([, code = '']) => code);
    expect(codes.length).toBeGreaterThan(6);
    expect(codes.filter((code) => code !== 'REGISTRY_LIMITS' && !(code in ERROR_CODES))).toEqual(
      [],
    );
    const links = [...page.text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link);
    const pages = dirname(join(ROOT, 'docs/registry.md'));
    expect(links.filter((link) => !existsSync(join(pages, link)))).toEqual([]);
  });

  test('has no block of a program that is not run here', () => {
    expect(page.blocks('ts')).toHaveLength(4);
    expect(page.blocks('sh')).toHaveLength(1);
  });
});
