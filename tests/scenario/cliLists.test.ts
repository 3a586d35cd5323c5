import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/index.ts';
import { World } from './cliWorld.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
  const store = await openStore(world.url);
  for (const [id, workflow, team] of [
    ['alpha-run-1', 'build', 'search'],
    ['beta-run-2', 'test', 'search'],
    ['gamma-run-3', 'build', 'ads'],
  ] as const) {
    await store.runs.create({ id, workflow, tags: { team }, project: `p-${team}` });
  }
  await store.runs.update('beta-run-2', { status: 'running' });
  await store.runs.update('beta-run-2', { status: 'succeeded', output: new Uint8Array([1, 2, 3]) });
  for (const n of [1, 2, 3]) {
    await store.events.append('alpha-run-1', { type: n === 2 ? 'even' : 'odd', payload: { n } });
  }
  await store.artifacts.put('alpha-run-1', { name: 'a@home.txt', body: 'first' });
  await store.artifacts.put('alpha-run-1', { name: 'a@home.txt', body: 'second\u001b[2J' });
  await store.artifacts.put('alpha-run-1', { name: 'evil\u202etxt.exe', body: 'x' });
  await store.close();
});
afterEach(() => world.remove());

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const idsOf = (text: string): unknown[] =>
  lines(text).map((line) => (JSON.parse(line) as { id: unknown }).id);

describe('holdfast ls', () => {
  test.each<[string[], string[]]>([
    [[], ['gamma-run-3', 'beta-run-2', 'alpha-run-1']],
    [
      ['--workflow', 'build'],
      ['gamma-run-3', 'alpha-run-1'],
    ],
    [
      ['--tag', 'team=search'],
      ['beta-run-2', 'alpha-run-1'],
    ],
    [['--tag', 'team=search', '--workflow', 'build'], ['alpha-run-1']],
    [['--project', 'p-ads'], ['gamma-run-3']],
    [['--status', 'succeeded'], ['beta-run-2']],
    [
      ['--status', 'succeeded', '--status', 'queued'],
      ['gamma-run-3', 'beta-run-2', 'alpha-run-1'],
    ],
    [
      ['--limit', '2'],
      ['gamma-run-3', 'beta-run-2'],
    ],
    [
      ['--since', '1w'],
      ['gamma-run-3', 'beta-run-2', 'alpha-run-1'],
    ],
    [['--until', '1h'], []],
    [['--since', '2999-01-01'], []],
    [['--all'], ['gamma-run-3', 'beta-run-2', 'alpha-run-1']],
  ])('with %j lists %j [RM-1]', async (flags, ids) => {
    const { code, stdout } = await world.run(['ls', '--json', ...flags]);
    expect({ code, ids: idsOf(stdout) }).toEqual({ code: 0, ids });
  });

  test('shows one line a run, and says when there are more', async () => {
    const { stdout, stderr } = await world.run(['ls', '--limit', '2']);
    expect(lines(stdout)).toEqual([
      expect.stringMatching(/^○ queued {7}gamma-run-3 {3}build {11}\d.*Z {10}team=ads$/),
      expect.stringMatching(/^✔ succeeded {4}beta-run-2 {4}test .* team=search$/),
    ]);
    expect(stderr).toContain('and more');
  });

  test('finds the store by the path of its folder as well as by its URL', async () => {
    const { code, stdout } = await world.run(['ls', '--json', '--store', world.path('store')]);
    expect({ code, runs: lines(stdout).length }).toEqual({ code: 0, runs: 3 });
  });

  test('bytes stand in JSON as base64', async () => {
    const { stdout } = await world.run(['ls', '--json', '--status', 'succeeded']);
    expect(JSON.parse(stdout)).toMatchObject({ output: { $bytes: 'AQID' } });
  });

  test('takes the options of every verb before it too', async () => {
    const elsewhere = await world.run(['--store', 'file:./nowhere', '--json', 'ls']);
    expect(elsewhere).toMatchObject({ code: 3, stdout: '' });
    expect(JSON.parse(elsewhere.stderr)).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});

describe('a run is found', () => {
  test.each([['alpha-run-1'], ['alph'], ['un-1']])('by %s', async (given) => {
    const { stdout } = await world.run(['show', '--json', given]);
    expect(JSON.parse(stdout)).toMatchObject({ id: 'alpha-run-1' });
  });

  test('by `last`, which is the newest', async () => {
    const { stdout } = await world.run(['show', '--json', 'last']);
    expect(JSON.parse(stdout)).toMatchObject({ id: 'gamma-run-3' });
  });

  test('only by four characters or more', async () => {
    const { code, stderr } = await world.run(['show', 'alp']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^holdfast: no run has the id alp — give at least four characters/);
  });

  test('by an ending that two runs share: neither, and both are named', async () => {
    const store = await openStore(world.url);
    await store.runs.create({ id: 'delta-run-1', workflow: 'w' });
    await store.close();
    const { code, stderr } = await world.run(['show', 'run-1']);
    expect(code).toBe(2);
    expect(stderr).toContain('delta-run-1 and for alpha-run-1');
  });
});

describe('holdfast events, artifacts and cat', () => {
  test('events come in order, after a number, and of one type [EM-1]', async () => {
    const seqs = async (...flags: string[]): Promise<unknown[]> => {
      const { stdout } = await world.run(['events', 'alpha-run-1', '--json', ...flags]);
      return lines(stdout).map((line) => (JSON.parse(line) as { seq: number }).seq);
    };
    expect(await seqs()).toEqual([1, 2, 3]);
    expect(await seqs('--after', '1')).toEqual([2, 3]);
    expect(await seqs('--type', 'odd')).toEqual([1, 3]);
  });

  test('--follow gives what is there and goes on until Ctrl-C [EM-2]', async () => {
    const following = world.run(['events', 'alpha-run-1', '--follow', '--json'], {
      onSignal: (listener) => {
        // As soon as it follows, it is told to stop.
        setImmediate(() => listener('SIGINT'));
        return () => undefined;
      },
    });
    expect((await following).code).toBe(0);
  });

  test('--follow ends with the run, after all that was recorded of it [EM-2]', async () => {
    const store = await openStore(world.url);
    // The verb closes what it has opened; this one is needed once more.
    const shared = new Proxy(store, {
      get(target, key) {
        if (key === 'close') return () => Promise.resolve();
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    await store.runs.update('alpha-run-1', { status: 'running' });
    const openShared = () => Promise.resolve(shared);
    const follow = (id: string) =>
      world.run(['events', id, '--follow', '--json'], { openStore: openShared });
    const following = follow('alpha-run-1');
    await store.events.append('alpha-run-1', { type: 'late' });
    await store.runs.update('alpha-run-1', { status: 'succeeded' });
    const { code, stdout } = await following;
    expect({ code, events: lines(stdout).length }).toEqual({ code: 0, events: 4 });
    expect(await follow('beta-run-2')).toEqual({ code: 0, stdout: '', stderr: '' });
    await store.close();
  });

  test('events have their date, and output shows where it was cut', async () => {
    const store = await openStore(world.url);
    const output = (text: string) =>
      store.events.append('gamma-run-3', {
        type: 'output',
        occurredAt: new Date('2026-01-02T03:04:05Z'),
        payload: { source: 'stdout', bytes: text.length, text },
      });
    for (const text of ['whole\n', 'cut', 'one\ntwo\n']) await output(text);
    await store.close();
    const { stdout } = await world.run(['events', 'gamma-run-3']);
    expect(lines(stdout)[0]).toMatch(/^1 {7}2026-01-02 03:04:05Z /);
    expect(lines(stdout).map((line) => line.replace(/.* │ /, ''))).toEqual([
      'whole',
      'cut…',
      '… two',
    ]);
  });

  test('artifacts shows the newest versions, or all, and no trick in a name', async () => {
    const { stdout } = await world.run(['artifacts', 'alpha-run-1']);
    expect(lines(stdout)).toEqual([
      expect.stringMatching(/^a@home\.txt@2 +10 B +text\/plain +sha256:[0-9a-f]{12}$/),
      expect.stringMatching(/^evil\\u\{202e\}txt\.exe@1 /),
    ]);
    const every = await world.run(['artifacts', 'alpha-run-1', '--all-versions', '--json']);
    expect(lines(every.stdout)).toHaveLength(3);
  });

  test.each([
    ['a@home.txt', 'second\u001b[2J'],
    ['a@home.txt@1', 'first'],
  ])('cat gives the bytes of %s untouched', async (name, bytes) => {
    expect((await world.run(['cat', 'alpha-run-1', name])).stdout).toBe(bytes);
  });

  test.each([['a@home.txt@3'], ['nothing']])('cat %s is not found', async (name) => {
    expect(await world.run(['cat', 'alpha-run-1', name])).toMatchObject({ code: 3, stdout: '' });
  });
});

describe('holdfast stats and verify', () => {
  test('stats counts the runs by status', async () => {
    const { stdout } = await world.run(['stats']);
    expect(stdout).toContain('runs      3 (2 queued, 1 succeeded)');
    const machine = await world.run(['stats', '--json']);
    expect(JSON.parse(machine.stdout)).toMatchObject({ runs: { queued: 2 } });
  });

  test('verify shows how far it is, on a terminal only, and clears that line', async () => {
    const terminal = { stdin: true, stdout: true, stderr: true };
    const shown = await world.run(['verify', '--no-color'], { terminal });
    expect(shown.stderr).toContain('verifying ░░░');
    expect(shown.stderr.endsWith('\r\u001b[2K')).toBe(true);
    expect((await world.run(['verify'])).stderr).toBe('');
  });

  test('verify finds nothing in a store that is well', async () => {
    const { code, stdout } = await world.run(['verify']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^✔ all is well: \d+ commits, 3 runs, 3 events, 3 blobs, /);
  });
});
