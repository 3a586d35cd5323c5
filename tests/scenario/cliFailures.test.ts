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

describe('the advice on a failure of a database', () => {
  const by = (code: string) => Object.assign(new Error('refused'), { code });
  test.each<[ErrorCode, string, string | undefined, string]>([
    ['QUERY_FAILED', 'PostgreSQL: password', '28P01', ' — check the user and the password'],
    ['QUERY_FAILED', 'PostgreSQL: SASL: no password', undefined, ' — check the user and the pass'],
    ['QUERY_FAILED', 'PostgreSQL: denied', '42501', ' — ask its owner for the rights'],
    ['QUERY_FAILED', 'PostgreSQL: syntax', '42601', ' — Look at the cause, and correct the state'],
    [
      'STORAGE_FAILED',
      'postgres://h/x did not answer',
      undefined,
      ' — check that the database ser',
    ],
    ['STORAGE_FAILED', 'PostgreSQL: it shuts down', '57P01', ' — check that the database server'],
    ['STORAGE_FAILED', 'EIO: i/o error', 'EIO', ' — Look at the cause; mend the disk'],
    ['STORAGE_FAILED', 'SQLite: unable to open database file', undefined, ' — check that the fold'],
    ['UNSUPPORTED', 'it needs pg: run `npm install pg`', undefined, '\n'],
  ])('%s, %s (%s), fits it', (code, message, cause, advice) => {
    const details = cause === undefined ? {} : { cause: by(cause) };
    const line = describeFailure(new StoreError(code, message, details), {
      json: false,
      debug: false,
    });
    expect(line.startsWith(`holdfast: ${message}${advice}`)).toBe(true);
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
    [['ls', '--since', '2'], "option '--since <time>' argument '2' is invalid"],
    [['ls', '--until', '2026-13-01'], "option '--until <time>' argument"],
    [['ls', '--wait', 'soon'], "option '--wait <duration>' argument"],
    [['ls', 'extra'], 'too many arguments'],
    [['lss'], "unknown command 'lss' (Did you mean ls?)"],
    [
      ['ls', '--store', 'file://tmp/x'],
      'file://tmp/x names a folder of another machine — write file:/tmp/x',
    ],
    [['ls', '--store', 'memory:'], 'memory: is empty in a new process'],
    [['ls', '--store', ''], 'the store has no name'],
    [['record', '--name', '', '--', 'true'], "option '--name <step>' argument"],
    [['record', 'plan.yaml'], 'plan.yaml is no plan: plans are JSON'],
    [['record', 'plan.json', 'more'], 'a plan takes no arguments: more'],
    [['record', 'plan.json', '--jbos', '1'], "unknown option '--jbos'"],
    [['show'], "missing required argument 'run'"],
    [['show', 'a', 'b'], 'too many arguments'],
    [['record'], "missing required argument 'command'"],
    [['record', '--name', 'x', 'plan.json'], '--name and --artifact are for a single command'],
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

  test('where nothing was recorded yet, says how to', async () => {
    const { code, stderr } = await world.run(['ls'], { env: {} });
    expect(code).toBe(3);
    expect(stderr).toMatch(/^holdfast: nothing is recorded here yet — `holdfast record -- .*\n$/);
  });

  test('a plan that is not there is named, with what to do', async () => {
    const { code, stderr } = await world.run(['record', 'absent.json']);
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/^holdfast: there is no plan absent\.json — check the path/),
    });
  });

  test('a store whose store.json is damaged is not sent in a circle', async () => {
    await world.run(['record', '--', 'true']);
    await world.write('store/store.json', '{');
    const { code, stderr } = await world.run(['verify']);
    expect(code).toBe(5);
    expect(stderr).toMatch(/store\.json is damaged: restore it from a backup — [^\n]+\n$/);
    expect(stderr).not.toContain('holdfast verify');
  });

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(
      await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'),
    ) as { version: string };
    expect(await world.run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('help names every verb', async () => {
    const { code, stdout } = await world.run(['--help']);
    expect(code).toBe(0);
    const verbs = 'record resume ls show events artifacts cat verify repair stats'.split(' ');
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
    expect((await world.run([])).stdout).toBe(stdout);
  });
});
