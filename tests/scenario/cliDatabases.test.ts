import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ownWorker } from '../../src/cli/recording/recorderIdentity.ts';
import { type Dialect, openStore, realFileSystem, type Run } from '../../src/index.ts';
import { content, ended, eventually, type Result, World } from './cliWorld.ts';
import { MigrateWorld } from './migrateWorld.ts';

let world: MigrateWorld;
let cli: World;

beforeEach(async () => {
  cli = await World.create();
});
afterEach(async () => {
  await cli.remove();
  await world.remove();
});

async function make(dialect: Dialect): Promise<void> {
  world = await MigrateWorld.create(dialect);
  expect((await holdfast('migrate', 'up', '--own')).code).toBe(0);
}

function holdfast(...args: readonly string[]): Promise<Result> {
  return cli.run([...args, '--store', world.url]);
}

const PLAN = {
  workflow: 'two',
  steps: [
    { name: 'one', run: 'echo one >> done' },
    // Each start of it is told, and it ends when it is let go.
    {
      name: 'two',
      run: 'echo $$ > pid; echo two >> done; until [ -e go ]; do sleep 0.01; done',
      dependsOn: ['one'],
    },
  ],
};

/** A real recorder, at work in its second step. */
async function recorder(): Promise<{ readonly end: () => Promise<number>; readonly pid: number }> {
  await cli.write('plan.json', PLAN);
  const child = cli.start(['record', '--store', world.url, 'plan.json']);
  const over = ended(child);
  await content(cli.path('pid'));
  await runThat(({ status }) => status === 'running');
  return {
    pid: child.pid ?? 0,
    end: async () => {
      child.kill('SIGKILL');
      expect((await over).signal).toBe('SIGKILL');
      return Number(await content(cli.path('pid')));
    },
  };
}

async function runThat(fits: (run: Run) => boolean): Promise<Run> {
  await using store = await openStore(world.url);
  return await eventually(async () => (await store.runs.list()).items.find(fits));
}

/** Makes it look as if `worker` had begun the run. */
async function sign(worker: string): Promise<void> {
  await using store = await openStore(world.url);
  const [run] = (await store.runs.list()).items;
  await store.runs.update(run?.id ?? '', { status: 'queued' });
  await store.runs.update(run?.id ?? '', { status: 'running', worker });
}

describe.each<Dialect>(['sqlite', 'postgres'])('a run that is recorded in %s', (dialect) => {
  beforeEach(() => make(dialect));

  test('is shown as running, is followed to its end, and is not resumed meanwhile', async () => {
    const { pid } = await recorder();
    const ls = await holdfast('ls');
    expect(ls).toMatchObject({ stdout: expect.stringMatching(/^● running /), stderr: '' });
    expect((await holdfast('show', 'last')).stdout).toMatch(/● two {2}running[^]*● two .*running/);
    for (const flags of [[], ['--kill'], ['--force', '--kill']]) {
      const { code, stderr } = await holdfast('resume', 'last', ...flags);
      expect({ code, stderr }).toEqual({
        code: 7,
        stderr: expect.stringMatching(`is being recorded by process ${pid} on .* --follow`),
      });
    }
    const follower = cli.start(['events', 'last', '--follow', '--json', '--store', world.url]);
    const followed = ended(follower);
    await new Promise((resolve) => follower.stdout?.once('data', resolve));
    await cli.write('go', 'yes');
    await runThat(({ status }) => status === 'succeeded');
    const { code, stdout } = await followed;
    expect(code).toBe(0);
    expect(stdout.match(/"type":"process.started"/g)).toHaveLength(2);
    expect(await cli.read('done')).toBe('one\ntwo\n');
  });

  test('is interrupted once its recorder was killed, and one of several resumes it [DB-9] [EM-3]', async () => {
    const command = await (await recorder()).end();
    const ls = await holdfast('ls');
    expect(ls.stdout).toMatch(/^✂ interrupted /);
    expect(ls.stderr).toContain('is gone: `holdfast resume');
    expect((await holdfast('resume', 'last')).stderr).toContain(`two (process ${command})`);
    await cli.write('go', 'yes');
    const all = await Promise.all([0, 1, 2].map(() => holdfast('resume', 'last', '--kill')));
    expect(all.map(({ code }) => code)).toContain(0);
    const done = (await cli.read('done')).trim().split('\n');
    expect(done).toEqual(['one', 'two', 'two']);
    const run = await runThat(({ status }) => status === 'succeeded');
    expect(run.attempts.at(-1)?.worker).toBe(await ownWorker(realFileSystem));
  });

  test('says what --kill kills', async () => {
    const command = await (await recorder()).end();
    const resumed = holdfast('resume', 'last', '--kill');
    // The first is gone when the second says which it is.
    await eventually(async () => Number(await content(cli.path('pid'))) !== command || undefined);
    await cli.write('go', 'yes');
    const { code, stderr } = await resumed;
    expect({ code, stderr }).toEqual({
      code: 0,
      // The shell may have a command of its own under way.
      stderr: expect.stringMatching(
        `--kill ends two \\(process ${command}\\).*, with all that they`,
      ),
    });
  });

  test('by one of whom nothing is known here is resumed by --force only', async () => {
    const command = await (await recorder()).end();
    process.kill(command, 'SIGKILL');
    const own = await ownWorker(realFileSystem);
    await cli.write('go', 'yes');
    const others = [
      'process 4194000',
      'process 4194000 on elsewhere',
      'somebody else',
      own.replace(/ on [\w.-]+/, ' on elsewhere').replace(/\d+/, '4194000'),
      own.replace(/boot [\w-]+/, 'boot another-one').replace(/\d+/, '4194000'),
      own.replace(/namespace \d+/, 'namespace 987654321').replace(/\d+/, '4194000'),
    ];
    for (const other of others) {
      await sign(other);
      expect((await holdfast('ls')).stdout).toMatch(/^● running /);
      const { code, stderr } = await holdfast('resume', 'last');
      expect(code).toBe(7);
      expect(stderr).toMatch(
        / by (process 4194000|somebody).* cannot be told from here — .*you know.*--force/,
      );
    }
    expect(await cli.read('done')).toBe('one\ntwo\n');
    const forced = await holdfast('resume', 'last', '--force');
    expect({ code: forced.code, done: await cli.read('done') }).toEqual({
      code: 0,
      done: 'one\ntwo\ntwo\n',
    });
  });

  test('whose recorder is gone, though its number is used again, is interrupted', async () => {
    process.kill(await (await recorder()).end(), 'SIGKILL');
    // This process has that number, and began at another time.
    await sign((await ownWorker(realFileSystem)).replace(/start \d+/, 'start 1'));
    expect((await holdfast('ls')).stdout).toMatch(/^✂ interrupted /);
    await sign(await ownWorker(realFileSystem));
    expect((await holdfast('ls')).stdout).toMatch(/^● running /);
  });
});
