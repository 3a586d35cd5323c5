import * as fileSystem from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { executePlan } from '../../src/cli/recording/executePlan.ts';
import { checkPlan, inOrder } from '../../src/cli/recording/plan.ts';
import { startPlan } from '../../src/cli/recording/startPlan.ts';
import { type Clock, openStore, type Step, systemClock } from '../../src/index.ts';
import { collect } from '../fixtures/collect.ts';
import { content, World } from './cliWorld.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.remove());

async function steps(): Promise<Record<string, Step>> {
  return world.look(async (store) => {
    const [run] = (await store.runs.list({ limit: 1 })).items;
    const found = await collect(store.steps.list(run?.id ?? ''));
    return Object.fromEntries(found.map((step) => [step.name, step]));
  });
}

describe('holdfast record plan.json', () => {
  test('runs steps in the order of their dependencies, whatever the order in the file [SM-3]', async () => {
    await world.write('plan.json', {
      workflow: 'ci',
      steps: [
        { name: 'last', run: 'echo last >> order', dependsOn: ['middle', 'first'] },
        { name: 'middle', run: ['sh', '-c', 'echo middle >> order'], dependsOn: ['first'] },
        { name: 'first', run: 'echo first >> order' },
      ],
    });
    const { code, stderr } = await world.run(['record', 'plan.json']);
    expect(code).toBe(0);
    expect(await world.read('order')).toBe('first\nmiddle\nlast\n');
    expect(stderr).toMatch(/✔ first.*\n✔ middle.*\n✔ last.*\n● run \S+ succeeded/);
    expect((await steps())['last']).toMatchObject({ idempotencyKey: 'last', status: 'succeeded' });
  });

  test('independent steps run at the same time', async () => {
    // Each waits for a file of the other: alone, neither would ever end.
    const meet = (mine: string, other: string): string =>
      `touch ${mine}; while [ ! -e ${other} ]; do sleep 0.01; done`;
    await world.write('plan.json', {
      workflow: 'meet',
      steps: [
        { name: 'a', run: meet('a', 'b') },
        { name: 'b', run: meet('b', 'a') },
      ],
    });
    expect((await world.run(['record', '--jobs', '2', 'plan.json'])).code).toBe(0);
  });

  test('--jobs 1, also after the plan, runs one step at a time', async () => {
    const alone = 'mkdir busy && sleep 0.02 && rmdir busy';
    const names = ['a', 'b', 'c'];
    const plan = { workflow: 'w', steps: names.map((name) => ({ name, run: alone })) };
    await world.write('plan.json', plan);
    const after = ['record', 'plan.json', '--jobs', '1', '--tag', 'k=v', '--json'];
    const { code, stdout } = await world.run(after);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'succeeded', tags: { k: 'v' } });
  });

  test('a failed step skips what depends on it, and nothing else [SM-3]', async () => {
    await world.write('plan.json', {
      workflow: 'w',
      steps: [
        { name: 'bad', run: 'echo oh no >&2; exit 4' },
        { name: 'after', run: 'touch never', dependsOn: ['bad'] },
        { name: 'other', run: 'true' },
      ],
    });
    const { code, stderr } = await world.run(['record', 'plan.json']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/✖ bad exited with code 4.*\n {2}│ oh no\n/);
    const found = await steps();
    expect(found['after']).toMatchObject({ status: 'skipped', skippedBy: 'bad' });
    expect(found['other']?.status).toBe('succeeded');
  });

  test('a step that cannot be started for its long arguments fails, and the others run on', async () => {
    await world.write('plan.json', {
      workflow: 'w',
      steps: [
        { name: 'long', run: 'sleep 0.05; touch done' },
        { name: 'bad', run: ['echo', 'x'.repeat(3_000_000)] },
        { name: 'after', run: 'true', dependsOn: ['bad'] },
      ],
    });
    const { code, stderr } = await world.run(['record', '--jobs', '2', 'plan.json']);
    expect(code).toBe(1);
    expect(stderr).toContain('✖ bad could not be started');
    expect(await world.read('done')).toBe('');
    const found = await steps();
    expect(found['long']?.status).toBe('succeeded');
    expect(found['bad']?.status).toBe('failed');
    expect(found['after']?.status).toBe('skipped');
  });

  test('an error of the recorder itself is told once the commands that run have ended', async () => {
    await using store = await openStore('memory:');
    const plan = {
      workflow: 'w',
      steps: [
        { name: 'slow', run: 'sleep 0.2; touch done' },
        { name: 'odd', run: 'true' },
      ],
    };
    const { id } = await startPlan(store, plan, { cwd: world.folder });
    const executed = executePlan(store, id, plan, {
      cwd: world.folder,
      env: process.env,
      fileSystem,
      clock: systemClock,
      jobs: 2,
      onStepStart({ name }) {
        if (name === 'odd') throw new Error('a defect');
      },
    });
    await expect(executed).rejects.toThrow('a defect');
    expect(await world.read('done')).toBe('');
    expect((await store.steps.get(id, 'slow')).status).toBe('succeeded');
  });

  test('a step that takes too long is ended with all that it has started', async () => {
    const timers: { ms: number; task: () => void }[] = [];
    const clock: Clock = {
      now: () => Date.now(),
      after(ms, task) {
        const timer = { ms, task };
        timers.push(timer);
        return () => timers.splice(timers.indexOf(timer), 1);
      },
    };
    await world.write('plan.json', {
      workflow: 'w',
      steps: [{ name: 'slow', run: 'sleep 600 & echo $! > pid; wait', timeoutMs: 777 }],
    });
    const recorded = world.run(['record', 'plan.json'], { clock });
    const pid = Number(await content(world.path('pid')));
    timers.find(({ ms }) => ms === 777)?.task();
    expect((await recorded).code).toBe(1);
    expect((await steps())['slow']).toMatchObject({ status: 'timed_out' });
    expect(await isRunning(pid)).toBe(false);
  });

  test('the plan is stored whole before its first command starts [ST-1]', async () => {
    await world.write('plan.json', { workflow: 'w', steps: [{ name: 'a', run: 'true' }] });
    await world.run(['record', '--tag', 'k=v', '--project', 'p', 'plan.json']);
    await world.look(async (store) => {
      const [run] = (await store.runs.list()).items;
      expect(run).toMatchObject({ project: 'p', tags: { k: 'v' } });
      expect(run?.input).toEqual({ workflow: 'w', steps: [{ name: 'a', run: 'true' }] });
    });
  });
});

async function isRunning(pid: number): Promise<boolean> {
  const { readFile } = await import('node:fs/promises');
  try {
    return !/^\d+ \(.*\) [ZX]/.test(await readFile(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // it is gone, with its entry
  }
}

describe('a plan that is wrong is refused with the path of what is wrong', () => {
  const step = { name: 'a', run: 'x' };
  test.each([
    ['plan must be an object', []],
    ['plan.step is not known here', { workflow: 'w', step: [] }],
    ['plan.workflow must be a string', { steps: [step] }],
    ['plan.steps must have at least one step', { workflow: 'w', steps: [] }],
    ['plan.steps[1].name is "a", as plan.steps[0].name is', { workflow: 'w', steps: [step, step] }],
    ['plan.steps[0].run must be a command line', { workflow: 'w', steps: [{ name: 'a', run: 7 }] }],
    ['plan.steps[0].run must name a program', { workflow: 'w', steps: [{ name: 'a', run: [] }] }],
    [
      'plan.steps[0].run[1] must be a string',
      { workflow: 'w', steps: [{ name: 'a', run: ['x', 1] }] },
    ],
    [
      'plan.steps[0].timeoutMs must be a whole',
      { workflow: 'w', steps: [{ ...step, timeoutMs: 0 }] },
    ],
    ['plan.steps[0].needs is not known', { workflow: 'w', steps: [{ ...step, needs: [] }] }],
    [
      'plan.steps[0].dependsOn[0] names "b", which is no step',
      { workflow: 'w', steps: [{ ...step, dependsOn: ['b'] }] },
    ],
    [
      'plan.steps[0].dependsOn closes a cycle: a → a',
      { workflow: 'w', steps: [{ ...step, dependsOn: ['a'] }] },
    ],
  ])('%s', (message, plan) => {
    expect(() => checkPlan(plan)).toThrow(message);
  });

  test('a long cycle is named whole', () => {
    const links = { a: 'b', b: 'c', c: 'b', d: 'a' };
    const steps = Object.entries(links).map(([name, on]) => ({ name, run: 'x', dependsOn: [on] }));
    expect(() => checkPlan({ workflow: 'w', steps })).toThrow('closes a cycle: b → c → b');
  });

  test('every step comes after those it depends on', () => {
    const steps = Array.from({ length: 50 }, (_, i) => ({
      name: `s${i}`,
      run: 'x',
      dependsOn: i === 49 ? [] : [`s${i + 1}`],
    }));
    const names = inOrder(steps).map(({ name }) => name);
    expect(names).toEqual(steps.map(({ name }) => name).toReversed());
  });

  test('and nothing is stored', async () => {
    await world.write('plan.json', '{ "workflow": ');
    const { code, stderr } = await world.run(['record', 'plan.json']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^holdfast: the plan plan\.json is not JSON: .* — .*\n$/);
    expect((await world.run(['record', 'absent.json'])).code).toBe(3);
  });
});
