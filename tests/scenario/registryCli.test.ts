import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Definition,
  type DefinitionOverview,
  openStore,
  Registry,
  type Usage,
} from '../../src/index.ts';
import { newDatabase } from '../fixtures/newDatabase.ts';
import { type Result, World } from './cliWorld.ts';

let world: World;

beforeEach(async () => {
  world = await World.create();
  await world.write('manifest.json', { kind: 'agent', model: 'small' });
  await world.write('other.json', { kind: 'agent', model: 'large' });
  await world.write('input.json', { type: 'object', required: ['url'] });
});
afterEach(() => world.remove());

function registry(...args: readonly string[]): Promise<Result> {
  return world.run(['registry', ...args]);
}

const publish = (version: string, file = 'manifest.json', ...more: readonly string[]) =>
  registry('publish', 'summarize', version, file, ...more);

const REF = /^summarize@(\S+)#sha256:[0-9a-f]{64}\n$/;

describe('holdfast registry', () => {
  test('publishes files, once, and resolves what the library does [RG-1] [RG-2] [RG-4]', async () => {
    const first = await publish('1.0.0', 'manifest.json', '--input', 'input.json', '--tag', 'prod');
    expect(first).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(REF) });
    expect(await publish('1.0.0', 'manifest.json', '--input', 'input.json')).toEqual(first);
    const other = await publish('1.0.0', 'other.json');
    expect(other).toMatchObject({ code: 7, stdout: '' });
    expect(other.stderr).toMatch(/^holdfast: summarize@1\.0\.0 is published .* — Publish it under/);
    await publish('1.1.0', 'other.json');
    expect((await registry('resolve', 'summarize@^1')).stdout).toMatch(/^summarize@1\.1\.0#/);
    expect((await registry('resolve', 'summarize@prod')).stdout).toBe(first.stdout);
    const { stdout } = await registry('resolve', 'summarize@1.0.0', '--json');
    const shown = JSON.parse(stdout) as Definition;
    await world.look(async (store) => {
      const found = await new Registry(store).resolve('summarize@prod');
      expect(shown).toEqual(JSON.parse(JSON.stringify(found)));
      expect(found.input?.jsonSchema).toEqual({ type: 'object', required: ['url'] });
    });
    expect(await registry('resolve', 'summarize@^2')).toMatchObject({ code: 3, stdout: '' });
  });

  test('shows versions with their tags and marks, and what was done [RG-2] [RG-3]', async () => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await publish(version);
    await registry('tag', 'summarize', 'prod', '1.1.0');
    await registry('tag', 'summarize', 'prod', '1.2.0');
    expect((await registry('rollback', 'summarize', 'prod')).stdout).toMatch(/^summarize@1\.1\.0#/);
    const yanked = await registry('yank', 'summarize', '1.2.0', 'loses data');
    expect(yanked.stderr).toBe('holdfast: summarize@1.2.0 is yanked: loses data\n');
    await registry('deprecate', 'summarize', '1.0.0', 'too old');
    const show = await registry('show', 'summarize');
    const line = (version: string, rest: string) =>
      new RegExp(`^ {2}${version} +\\d{4}-.*Z {2}sha256:[0-9a-f]{12}${rest}$`);
    expect(show.stdout.split('\n')).toEqual([
      'summarize  agent  latest=1.1.0 prod=1.1.0',
      expect.stringMatching(line('1.2.0', ' {2}yanked: loses data')),
      expect.stringMatching(line('1.1.0', ' {2}latest prod')),
      expect.stringMatching(line('1.0.0', ' {2}deprecated: too old')),
      '',
    ]);
    expect((await registry('untag', 'summarize', 'prod')).stdout).toBe(
      'summarize has no tag prod any more\n',
    );
    await registry('yank', 'summarize', '1.2.0', '--undo');
    const history = (await registry('history', 'summarize')).stdout.trimEnd().split('\n');
    expect(history.map((text) => text.replace(/^(\d+) +\S+ \S+Z +/, '$1 '))).toEqual([
      '1 published    1.0.0',
      '2 tagged       latest: none → 1.0.0',
      '3 published    1.1.0',
      '4 tagged       latest: 1.0.0 → 1.1.0',
      '5 published    1.2.0',
      '6 tagged       latest: 1.1.0 → 1.2.0',
      '7 tagged       prod: none → 1.1.0',
      '8 tagged       prod: 1.1.0 → 1.2.0',
      '9 rolled-back  prod: 1.2.0 → 1.1.0',
      '10 yanked       1.2.0  loses data',
      '11 tagged       latest: 1.2.0 → 1.1.0',
      '12 deprecated   1.0.0  too old',
      '13 untagged     prod: 1.1.0 → none',
      '14 yanked       1.2.0  taken back',
    ]);
    const json = JSON.parse((await registry('show', 'summarize', '--json')).stdout) as unknown;
    expect(json).toMatchObject({ tags: { latest: '1.1.0' } } satisfies Partial<DefinitionOverview>);
  });

  test('lists by kind, and counts the runs of each version [RG-2] [RG-4]', async () => {
    await publish('1.0.0');
    await registry('publish', 'fetch', '0.1.0', 'manifest.json', '--kind', 'tool');
    const opened = await registry('list');
    expect(opened.stdout.split('\n').map((text) => text.split(/ {2,}/))).toEqual([
      ['fetch', 'tool', '1 version', 'latest=0.1.0'],
      ['summarize', 'agent', '1 version', 'latest=1.0.0'],
      [''],
    ]);
    expect(await registry('list', '--kind', 'none')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no definition matches\n',
    });
    const { stdout } = await registry('list', '--kind', 'tool', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ name: 'fetch', versionCount: 1 });
    const store = await openStore(world.url);
    await new Registry(store).createRun('summarize');
    await store.close();
    const usage = await registry('usage', 'summarize');
    expect(usage.stdout).toMatch(
      /^summarize {2}1 run, 1 active {2}last \S+ \S+Z\n {2}1\.0\.0 +1 run, 1 active {2}last .*Z\n$/,
    );
    const counted = JSON.parse((await registry('usage', 'summarize@^2', '--json')).stdout) as Usage;
    expect(counted).toEqual({
      name: 'summarize',
      runs: 0,
      active: 0,
      lastRunAt: null,
      versions: [],
    });
    const history = await registry('history', 'fetch', '--json');
    expect(JSON.parse(history.stdout.split('\n')[0] ?? '')).toMatchObject({ action: 'published' });
    expect(JSON.parse((await registry('untag', 'fetch', 'latest', '--json')).stdout)).toEqual({
      name: 'fetch',
      tag: 'latest',
    });
  });

  const wrong: readonly (readonly [string, readonly string[], number, string])[] = [
    ['an action that is none', ['publisch'], 2, 'publish, resolve'],
    [
      'too few arguments',
      ['tag', 'a', 'b'],
      2,
      'use: holdfast registry tag <name> <tag> <version>',
    ],
    ['too many arguments', ['list', 'a'], 2, 'use: holdfast registry list\n'],
    ['an option of another action', ['show', 'a', '--kind', 'tool'], 2, 'show takes no --kind'],
    ['a yank without a reason', ['yank', 'a', '1.0.0'], 2, 'yank takes a reason, or --undo'],
    ['a reason to undo', ['yank', 'a', '1.0.0', 'why', '--undo'], 2, 'give one of them'],
    [
      'a file that is not there',
      ['publish', 'a', '1.0.0', 'no.json'],
      3,
      'there is no file no.json',
    ],
    ['a folder for a file', ['publish', 'a', '1.0.0', '.'], 2, 'cannot be read: EISDIR'],
    ['a file that is no JSON', ['publish', 'a', '1.0.0', 'broken.json'], 2, 'is not JSON'],
    ['a file that is a list', ['publish', 'a', '1.0.0', 'list.json'], 2, 'holds no JSON object'],
    ['a store that is not there', ['yank', 'a', '1.0.0', 'why'], 3, 'store'],
  ];
  test.each(wrong)(
    'says what is wrong with %s, and makes no store',
    async (_name, args, code, said) => {
      await world.write('broken.json', '{');
      await world.write('list.json', '[]');
      const result = await registry(...args);
      expect(result).toMatchObject({ code, stdout: '' });
      expect(result.stderr).toContain(said);
      await expect(world.look(async () => undefined)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    },
  );

  test.each(['sqlite', 'postgres'] as const)('works on %s too [RG-1] [RG-2]', async (dialect) => {
    const { url, drop } = await newDatabase(dialect);
    try {
      const args = ['registry', 'publish', 'a', '1.0.0', 'manifest.json', '--store', url];
      expect(await world.run(args)).toMatchObject({ code: 0, stderr: '' });
      const resolved = await world.run(['registry', 'resolve', 'a@1', '--store', url]);
      expect(resolved.stdout).toMatch(/^a@1\.0\.0#sha256:/);
    } finally {
      await drop();
    }
  });
});
