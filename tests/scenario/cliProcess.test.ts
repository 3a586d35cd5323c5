import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/index.ts';
import { collect } from '../fixtures/collect.ts';
import { content, ended, eventually, World } from './cliWorld.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.remove());

const MiB = 1024 * 1024;

describe('the real program', () => {
  test('passes standard input to the command', async () => {
    const child = world.start(['record', '--quiet', '--', 'cat']);
    child.stdin?.end('from outside');
    expect(await ended(child)).toMatchObject({ code: 0, stdout: 'from outside', stderr: '' });
  });

  test('SIGTERM is sent on, and the exit code is that of the command', async () => {
    const command =
      'trap "echo cleaned up; exit 6" TERM; echo x > ready; while :; do sleep 0.01; done';
    const child = world.start(['record', '--quiet', '--', 'sh', '-c', command]);
    await content(world.path('ready'));
    child.kill('SIGTERM');
    expect(await ended(child)).toMatchObject({ code: 6, stdout: 'cleaned up\n' });
    const [run] = await world.look((store) => collect(store.runs.list()));
    expect(run).toMatchObject({ status: 'cancelled', reason: 'SIGTERM was received' });
  });

  test('a command that is killed by the signal gives 128 and its number', async () => {
    const child = world.start([
      'record',
      '--quiet',
      '--',
      'sh',
      '-c',
      'echo x > ready; exec sleep 600',
    ]);
    await content(world.path('ready'));
    child.kill('SIGINT');
    expect(await ended(child)).toMatchObject({ code: 130, signal: null });
  });

  test('when nobody reads any more the command hears of it, as without us', async () => {
    const child = world.start(['record', '--quiet', '--', 'yes']);
    await once(child.stdout ?? child, 'readable');
    child.stdout?.destroy();
    // A pipe answers with SIGPIPE, a socket with an error that `yes` reports itself.
    expect([1, 141]).toContain((await ended(child)).code);
    const [run] = await world.look((store) => collect(store.runs.list()));
    expect(run?.error?.message).toMatch(/^yes: (was killed by SIGPIPE|exited with code 1)$/);
  });

  test('a list that is cut by its reader is no failure', async () => {
    const store = await openStore(world.url);
    const run = await store.runs.create({ workflow: 'w' });
    const payload = 'x'.repeat(100_000);
    for (let n = 0; n < 20; n++) await store.events.append(run.id, { type: 't', payload });
    await store.close();
    const child = world.start(['events', 'last', '--json']);
    await once(child.stdout ?? child, 'readable');
    child.stdout?.destroy();
    expect(await ended(child)).toMatchObject({ code: 0, stderr: '' });
  });

  test('a store that is busy is named with its owner, on one line and with code 4', async () => {
    const store = await openStore(world.url);
    try {
      const { code, stderr } = await world.run(['ls', '--wait', '0']);
      expect(code).toBe(4);
      expect(stderr).toContain(`${process.pid}`);
      expect(stderr).toMatch(/^holdfast: [^\n]+ — `--wait 5m` waits longer\n$/);
    } finally {
      await store.close();
    }
  });

  test('a busy store is waited for as long as --wait says, and one line says so', async () => {
    const store = await openStore(world.url);
    await store.runs.create({ id: 'the-run', workflow: 'w' });
    // Gives the store up as soon as somebody is about to wait for it.
    const waits: (number | undefined)[] = [];
    const opening: typeof openStore = async (url, options) => {
      waits.push(options?.lockWaitMs);
      if (waits.length === 2) await store.close();
      return openStore(url, options);
    };
    const patient = await world.run(['ls', '--json', '--wait', '3m'], { openStore: opening });
    expect({ code: patient.code, waits }).toEqual({ code: 0, waits: [0, 180_000] });
    const owner = await openStore(world.url);
    const { code, stderr } = await world.run(['ls', '--wait', '1ms']);
    await owner.close();
    expect(code).toBe(4);
    expect(stderr).toMatch(/^holdfast: [^\n]+ is in use: waiting[^\n]+\nholdfast: [^\n]+\n$/);
    expect(stderr.match(/wait for it to end|close that store/g)).toHaveLength(1);
  });

  test('an output of any size passes with bounded memory', async () => {
    const peak = async (megabytes: number): Promise<number> => {
      const code = `const line = Buffer.alloc(65536, 'a line of output\\n'); let left = ${megabytes * 16};
        const next = () => {
          while (left-- > 0) if (!process.stdout.write(line)) return process.stdout.once('drain', next);
        };
        next()`;
      const child = world.start(['record', '--quiet', '--', process.execPath, '-e', code]);
      let highest = 0;
      let bytes = 0;
      child.stdout?.on('data', (data: Buffer) => (bytes += data.length));
      const done = once(child, 'close');
      const over = done.then(() => true);
      await eventually(async () => {
        highest = Math.max(highest, await rss(child.pid ?? 0));
        return (await Promise.race([over, tick()])) || undefined;
      });
      expect(bytes).toBe(megabytes * MiB);
      return highest;
    };
    const [small, large] = [await peak(48), await peak(288)];
    // V8 widens its heap by what it finds free. Where there is no /proc both are 0.
    expect(large - small).toBeLessThan(160 * MiB);
  }, 60_000);
});

function tick(): Promise<false> {
  return new Promise((resolve) => setImmediate(resolve, false));
}

/** The memory of a process. Bytes; 0 when it cannot be known. */
async function rss(pid: number): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it has ended, or there is no /proc
  }
}
