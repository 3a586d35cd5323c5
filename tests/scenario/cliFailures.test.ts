import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CommandError, describeFailure, EXIT_OF_CODE, exitCodeOf } from '../../src/cli/failure.ts';
import { ERROR_CODES, type ErrorCode, StoreError } from '../../src/index.ts';
import { World } from './cliWorld.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.remove());

const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const short = { json: false, debug: false };

describe('a failure', () => {
  test.each(codes)('%s is one line with what to do, and an exit code that is not 0', (code) => {
    const error = new StoreError(code, 'it went\nwrong \u001b[31mhere');
    const line = describeFailure(error, short);
    expect(line).toBe(`holdfast: it went\\nwrong \\x1b[31mhere — ${ERROR_CODES[code].remedy}\n`);
    expect(exitCodeOf(error)).toBeGreaterThan(0);
  });

  test('that nobody expected is one line as well', () => {
    const line = describeFailure(new TypeError('x is not a function'), short);
    expect(line).toMatch(/^holdfast: x is not a function — .*--debug.*\n$/);
  });

  test('shows its stack and its cause only with --debug', () => {
    const error = new StoreError('STORAGE_FAILED', 'no', { cause: new Error('EIO') });
    expect(describeFailure(error, short).split('\n')).toHaveLength(2);
    const debugged = describeFailure(error, { json: false, debug: true });
    expect(debugged).toMatch(/\n {4}at /);
    expect(debugged).toContain('caused by Error: EIO');
  });

  test('the exit codes are those of docs/command-line.md', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/command-line.md'), 'utf8');
    const documented = [...page.matchAll(/^\| (\d) +\|.*\|$/gm)].flatMap(([row, exit]) =>
      [...row.matchAll(/`([A-Z_]{6,})`/g)].map(([, code]) => [code, Number(exit)]),
    );
    expect(Object.fromEntries(documented)).toEqual(EXIT_OF_CODE);
  });

  test('of the command line itself says what to do instead', () => {
    const error = new CommandError('there is nobody to ask', 'give --yes', 2);
    expect(describeFailure(error, short)).toBe('holdfast: there is nobody to ask — give --yes\n');
  });
});

describe('wrong use', () => {
  test.each<[string[], string]>([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['ls', '--colour'], "unknown option '--colour'"],
    [['ls', '--limit', 'many'], 'It must be a whole number'],
    [['ls', '--status', 'happy'], 'It is one of queued, running'],
    [['ls', '--tag', 'novalue'], 'A tag is written key=value'],
    [['ls', '--since', 'yesterday'], 'It is a date'],
    [['show'], "missing required argument 'run'"],
    [['show', 'a', 'b'], 'too many arguments'],
    [['record'], "missing required argument 'command'"],
    [['record', '--name', 'x', 'plan.json'], '--name and --artifact are for a single command'],
    [['repair'], 'there is nobody to ask'],
  ])('%j is refused with one line and code 2', async (argv, message) => {
    const { code, stdout, stderr } = await world.run(argv);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^holdfast: [^\n]+ — [^\n]+\n$/);
  });

  test('looking at a store that is not there makes none', async () => {
    expect((await world.run(['ls'])).code).toBe(3);
    expect((await world.run(['stats'])).code).toBe(3);
  });

  test('help names every verb', async () => {
    const { code, stdout } = await world.run(['--help']);
    expect(code).toBe(0);
    const verbs = 'record resume ls show events artifacts cat verify repair stats'.split(' ');
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
    expect((await world.run([])).stdout).toBe(stdout);
  });
});
