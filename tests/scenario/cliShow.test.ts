import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Clock, openStore, type Store } from '../../src/index.ts';
import { columnsOf } from '../../src/cli/text.ts';
import { World } from './cliWorld.ts';

const RUN = '01890a5d-ac96-774b-bcce-b302099a8057';
const START = Date.parse('2026-01-02T03:04:05Z');

/** A clock that stands still unless it is moved: what is shown is the same everywhere. */
class StillClock implements Clock {
  #now = START;
  now(): number {
    return this.#now;
  }
  after(): () => void {
    return () => undefined;
  }
  move(ms: number): void {
    this.#now += ms;
  }
}

/** Five steps: one done, one that was tried twice, one that runs, one skipped, one that waits. */
async function fill(store: Store, clock: StillClock): Promise<void> {
  const { runs, steps, events } = store;
  const input = { workflow: 'nightly', steps: [] };
  const tags = { team: 'search', evil: 'a\u001b[31mb\u202ec\r\nd' };
  await runs.create({ id: RUN, workflow: 'nightly', project: 'index', input, tags });
  for (const [name, dependsOn] of Object.entries({
    scan: [],
    'hash all of the files of the tree': ['scan'],
    pack: ['hash all of the files of the tree'],
    audit: ['scan'],
    upload: ['audit'],
    report: ['pack'],
  })) {
    await steps.create(RUN, { id: name, idempotencyKey: name, name, dependsOn });
  }
  const hash = 'hash all of the files of the tree';
  const start = (id: string) => steps.update(RUN, id, { status: 'running' });
  const failed = (message: string) => ({ name: 'CommandError', code: 'EXIT_CODE', message });
  await runs.update(RUN, { status: 'running' });
  await start('scan');
  clock.move(400);
  const tail = 'found 12 files\nfound \u001b[32m1,204\u001b[0m files\r\n';
  await steps.update(RUN, 'scan', { status: 'succeeded', output: { exitCode: 0, tail } });
  await start(hash);
  await start('audit');
  clock.move(800);
  await steps.update(RUN, hash, { status: 'failed', error: failed('exited with code 2') });
  await steps.update(RUN, 'audit', {
    status: 'failed',
    error: failed('exited with code 1'),
    output: { exitCode: 1, tail: 'advisory \u202ereversed\n3 problems\n' },
  });
  await steps.retry(RUN, hash);
  await start(hash);
  clock.move(1_100);
  await steps.update(RUN, hash, { status: 'succeeded', output: { exitCode: 0, tail: '' } });
  await start('pack');
  const payload = { source: 'stdout', bytes: 21, text: 'packing…\r 31%\r 62%\n' };
  await events.append(RUN, { type: 'output', stepId: 'pack', payload });
  clock.move(1_500);
}

let world: World;
let store: Store;
let clock: StillClock;
beforeEach(async () => {
  clock = new StillClock();
  world = await World.create();
  store = await openStore(world.url, { clock });
  await fill(store, clock);
});
afterEach(async () => {
  await store.close();
  await world.remove();
});

/** The verb closes the store that it has opened; this one is needed once more. */
const kept = (): Store =>
  new Proxy(store, {
    get: (target, key): unknown =>
      key === 'close' ? () => Promise.resolve() : Reflect.get(target, key),
  });

const opened = { openStore: () => Promise.resolve(kept()) };

const golden = (name: string): Promise<string> =>
  readFile(join(import.meta.dirname, '../fixtures/cli', name), 'utf8');

describe('holdfast show', () => {
  test.each([80, 120])('draws the run within %d columns', async (columns) => {
    const context = { ...opened, clock, columns };
    const { stdout, code } = await world.run(['show', RUN], context);
    expect(code).toBe(0);
    expect(stdout).toBe(await golden(`show-${columns}.txt`));
    for (const line of stdout.split('\n')) expect(columnsOf(line)).toBeLessThanOrEqual(columns);
  });

  test('shows no control and no bidirectional character of what it shows', async () => {
    const { stdout } = await world.run(['show', 'last'], {
      ...opened,
      terminal: { stdin: true, stdout: true, stderr: false },
    });
    // Its own colours are whole sequences of one kind; nothing else of the sort is left.
    const own = stdout.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '');
    expect(own.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(own).toContain('evil=a\\x1b[31mb\\u{202e}c\\r\\nd');
  });

  test('colours only on a terminal, and never with NO_COLOR or --no-color', async () => {
    const terminal = { stdin: true, stdout: true, stderr: true };
    const escape = String.fromCharCode(27);
    const show = async (flags: string[], env: Record<string, string>, tty: boolean) =>
      (
        await world.run([...flags, 'show', RUN], {
          ...opened,
          env: { HOLDFAST_STORE: world.url, ...env },
          ...(tty && { terminal }),
        })
      ).stdout;
    expect(await show([], {}, true)).toContain(escape);
    expect(await show([], {}, false)).not.toContain(escape);
    expect(await show([], { NO_COLOR: '1' }, true)).not.toContain(escape);
    expect(await show(['--no-color'], {}, true)).not.toContain(escape);
  });

  test('--json gives the run with its steps as one object', async () => {
    const { stdout } = await world.run(['show', '--json', RUN.slice(-8)], {
      ...opened,
    });
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const run = JSON.parse(stdout) as { id: string; steps: unknown[] };
    expect(run.id).toBe(RUN);
    expect(run.steps).toHaveLength(6);
    expect(stdout.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});
