import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { RunEvent } from '../../src/index.ts';
import { collect } from '../fixtures/collect.ts';
import { content, ended, World } from './cliWorld.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.remove());

const FOUR_STEPS = {
  workflow: 'four',
  steps: [
    { name: 'one', run: 'echo one >> done' },
    { name: 'two', run: 'echo two >> done', dependsOn: ['one'] },
    // The first time it would never end; it says which process it is.
    {
      name: 'three',
      run: 'if [ -e again ]; then echo three >> done; else echo $$ > pid; exec sleep 600; fi',
      dependsOn: ['two'],
    },
    { name: 'four', run: 'echo four >> done', dependsOn: ['three'] },
  ],
};

/** A real recorder that is killed while the third step runs; its child lives on. */
async function killedInTheThird(): Promise<number> {
  await world.write('plan.json', FOUR_STEPS);
  const recorder = world.start(['record', 'plan.json']);
  const pid = Number(await content(world.path('pid')));
  await content(world.path('done'));
  recorder.kill('SIGKILL');
  expect((await ended(recorder)).signal).toBe('SIGKILL');
  await world.write('again', 'yes');
  return pid;
}

describe('holdfast resume', () => {
  test('refuses while a process from before still runs, and starts nothing', async () => {
    const pid = await killedInTheThird();
    const { code, stderr } = await world.run(['resume', 'last']);
    expect(code).toBe(7);
    expect(stderr).toContain(`three (process ${pid})`);
    expect(stderr).toContain('--kill');
    expect(await world.read('done')).toBe('one\ntwo\n');
    process.kill(pid, 'SIGKILL');
  });

  test('until then ls and show call the run interrupted, and say how to go on', async () => {
    const pid = await killedInTheThird();
    const ls = await world.run(['ls']);
    expect(ls.stdout).toMatch(/^✂ interrupted  \S+ +four +\S+ \S+Z$/m);
    expect(ls.stderr).toMatch(/`holdfast resume \S+` goes on with it/);
    const show = await world.run(['show', 'last']);
    expect(show.stdout).toMatch(/^✂ four {2}interrupted\n[^]*took {6}at least [^]*✂ three/);
    expect(show.stderr).toMatch(/`holdfast resume \S+` goes on with it/);
    const machine = await world.run(['show', 'last', '--json']);
    expect(JSON.parse(machine.stdout)).toMatchObject({ status: 'running' });
    expect((await world.run(['events', 'last', '--follow'])).code).toBe(0);
    process.kill(pid, 'SIGKILL');
  });

  test('after a kill goes on with what had not succeeded, and repeats nothing [EM-3]', async () => {
    await killedInTheThird();
    const { code, stderr } = await world.run(['resume', 'last', '--kill']);
    expect(code).toBe(0);
    expect(stderr).toContain('one, two not repeated · three was interrupted');
    expect(await world.read('done')).toBe('one\ntwo\nthree\nfour\n');
    await world.look(async (store) => {
      const [run] = (await store.runs.list()).items;
      expect(run?.status).toBe('succeeded');
      const steps = await collect(store.steps.list(run?.id ?? ''));
      expect(steps.map(({ attempt }) => attempt)).toEqual([1, 1, 2, 1]);
      const [first, second] = steps[2]?.attempts ?? [];
      expect(first).toMatchObject({ status: 'failed', error: { code: 'INTERRUPTED' } });
      expect(second).toMatchObject({ attempt: 2, status: 'succeeded' });
      expect((await store.verify()).findings).toEqual([]);
    });
  });

  test('runs again what had failed, with what was skipped for it', async () => {
    await world.write('plan.json', {
      workflow: 'w',
      steps: [
        { name: 'fine', run: 'echo fine >> done' },
        { name: 'bad', run: 'test -e mended && echo bad >> done' },
        { name: 'after', run: 'echo after >> done', dependsOn: ['bad', 'fine'] },
      ],
    });
    expect((await world.run(['record', '--jobs', '1', 'plan.json'])).code).toBe(1);
    await world.write('mended', 'yes');
    expect((await world.run(['resume', 'last'])).code).toBe(0);
    expect(await world.read('done')).toBe('fine\nbad\nafter\n');
  });

  test('goes on in the folder in which the run began', async () => {
    await world.run(['record', '--name', 's', '--', 'sh', '-c', 'pwd >> where; test -e ok']);
    await world.write('ok', 'yes');
    const { tmpdir } = await import('node:os');
    expect((await world.run(['resume', 'last'], { cwd: tmpdir() })).code).toBe(0);
    const [first, second] = (await world.read('where')).trim().split('\n');
    expect(second).toBe(first);
  });

  test('has nothing to do for a run that has succeeded', async () => {
    await world.run(['record', '--', 'true']);
    const { code, stderr } = await world.run(['resume', 'last']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('nothing to resume'),
    });
  });

  test('the log of an attempt holds what this attempt wrote', async () => {
    const command = 'echo attempt >> n; wc -l < n; test $(wc -l < n) -gt 1';
    await world.run(['record', '--name', 's', '--', 'sh', '-c', command]);
    await world.run(['resume', 'last']);
    expect((await world.run(['cat', 'last', 's.log'])).stdout.trim()).toBe('2');
    expect((await world.run(['cat', 'last', 's.log@1'])).stdout.trim()).toBe('1');
    const started = ({ type }: RunEvent): boolean => type === 'process.started';
    const events = await world.look(async (store) => {
      const [run] = (await store.runs.list()).items;
      return collect(store.events.list(run?.id ?? ''));
    });
    expect(events.filter(started).map(({ payload }) => payload)).toMatchObject([
      { attempt: 1 },
      { attempt: 2 },
    ]);
  });
});
