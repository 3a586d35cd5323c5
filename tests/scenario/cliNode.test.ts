import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { refusalOf, withoutSqliteWarning } from '../../src/cli/nodeVersion.ts';
import { columnsOf } from '../../src/cli/processContext.ts';
import { ended, World } from './cliWorld.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.remove());

/** Makes this Node look like one from before `node:sqlite`. */
const OLD = `import { registerHooks } from 'node:module';
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.14.0' } });
registerHooks({
  resolve(name, context, next) {
    if (name === 'node:sqlite') throw new Error('there is no node:sqlite');
    return next(name, context);
  },
});`;

describe('the program', () => {
  test('under a Node that is too old says so in one sentence', async () => {
    await world.write('old.mjs', OLD);
    const child = world.start(['ls'], ['--import', world.path('old.mjs')]);
    expect(await ended(child)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'holdfast: needs Node >= 22.16, found v22.14.0 — use a newer Node\n',
    });
  });

  test.each([
    ['20.20.2', false],
    ['22.14.9', false],
    ['22.16.0', true],
    ['23.0.0', true],
    ['24.1.0', true],
  ])('needs a Node with node:sqlite: %s', (version, fine) => {
    expect(refusalOf(version) === undefined).toBe(fine);
  });

  test('keeps back the warning about SQLite, and no other', () => {
    const heard: unknown[] = [];
    const emit = withoutSqliteWarning((...args: unknown[]) => void heard.push(args[0]));
    emit('SQLite is an experimental feature and might change at any time', 'ExperimentalWarning');
    emit('Something else is experimental', 'ExperimentalWarning');
    emit('SQLite', 'DeprecationWarning');
    expect(heard).toEqual(['Something else is experimental', 'SQLite']);
  });

  test('takes a terminal of no columns for one of 80', () => {
    expect(columnsOf(0, undefined)).toBe(80);
    expect(columnsOf(undefined, '100')).toBe(100);
    expect(columnsOf(132, '100')).toBe(132);
  });
});
