import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type OpenOptions, openStore, type Run, StoreError } from '../../src/index.ts';
import { collect } from '../fixtures/collect.ts';
import { content, World } from './cliWorld.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.remove());

const node = (code: string): string[] => [process.execPath, '-e', code];

async function onlyRun(): Promise<Run> {
  const [run] = await world.look((store) => collect(store.runs.list()));
  if (run === undefined) throw new Error('nothing was recorded');
  return run;
}

describe('holdfast record', () => {
  test('passes the output and the exit code of the command on', async () => {
    const command = node(
      'process.stdout.write("out"); process.stderr.write("err"); process.exit(3)',
    );
    const result = await world.run(['record', '--quiet', '--', ...command]);
    expect(result).toEqual({ code: 3, stdout: 'out', stderr: 'err' });
  });

  test('records output as events, and code, time and figures in the step [EM-1]', async () => {
    const command = node('console.log("héllo"); console.error("bad"); process.exit(2)');
    await world.run(['record', '--workflow', 'w', '--name', 'job', '--', ...command]);
    const run = await onlyRun();
    expect(run).toMatchObject({ workflow: 'w', status: 'failed' });
    expect(run.error).toMatchObject({ code: 'STEP_FAILED', message: 'job: exited with code 2' });
    await world.look(async (store) => {
      const [step] = await collect(store.steps.list(run.id));
      expect(step).toMatchObject({ id: 'job', status: 'failed', kind: 'command' });
      expect(step?.error).toMatchObject({ code: 'EXIT_CODE' });
      expect(step?.output).toMatchObject({
        exitCode: 2,
        signal: null,
        stdoutBytes: 7,
        stderrBytes: 4,
        durationMs: expect.any(Number),
      });
      const events = await collect(store.events.list(run.id));
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
      expect(events[0]).toMatchObject({ type: 'process.started', stepId: 'job' });
      const payloads = events.filter(({ type }) => type === 'output').map(({ payload }) => payload);
      expect(payloads).toContainEqual({ source: 'stdout', bytes: 7, text: 'héllo\n' });
      expect(payloads).toContainEqual({ source: 'stderr', bytes: 4, text: 'bad\n' });
    });
  });

  test('keeps every byte of a large output, in chunks of 16 KiB at most [EM-1]', async () => {
    const bytes = 3_000_001;
    const code = `process.stdout.write(Buffer.alloc(${bytes}, 'añ'))`;
    const { stdout } = await world.run(['record', '--name', 'big', '--', ...node(code)]);
    expect(Buffer.byteLength(stdout)).toBe(bytes);
    const { id } = await onlyRun();
    await world.look(async (store) => {
      const parts = await collect(store.artifacts.open(id, 'big.log'));
      expect(Buffer.concat(parts).equals(Buffer.alloc(bytes, 'añ'))).toBe(true);
      const events = await collect(store.events.list(id, { limit: 1_000 }));
      const sizes = events.flatMap(({ payload }) => (payload as { bytes?: number }).bytes ?? []);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(16 * 1024);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(bytes);
    });
  });

  test('keeps bytes that are no text exactly', async () => {
    const code = 'process.stdout.write(Buffer.from([0, 255, 254, 10, 128]))';
    await world.run(['record', '--name', 'raw', '--', ...node(code)]);
    const { id } = await onlyRun();
    await world.look(async (store) => {
      expect(Buffer.concat(await collect(store.artifacts.open(id, 'raw.log')))).toEqual(
        Buffer.from([0, 255, 254, 10, 128]),
      );
      const events = await collect(store.events.list(id));
      expect(events[1]?.payload).toEqual({ source: 'stdout', bytes: 5, base64: 'AP/+CoA=' });
    });
  });

  test('keeps the files that match, never those of the store, and tags the run', async () => {
    const code = `const fs = require('fs'); fs.mkdirSync('out/deep', { recursive: true });
      fs.writeFileSync('out/deep/a.json', '{}'); fs.writeFileSync('b.txt', 'b')`;
    const tags = ['--tag', 'team=search', '--tag', 'n=a=b'];
    const flags = [...tags, '--name', 'make', '--artifact', '**'];
    await world.run(['record', ...flags, '--', ...node(code)]);
    const run = await onlyRun();
    expect(run.tags).toEqual({ team: 'search', n: 'a=b' });
    const artifacts = await world.look((store) => collect(store.artifacts.list(run.id)));
    expect(artifacts.map(({ name }) => name)).toEqual(['b.txt', 'make.log', 'out/deep/a.json']);
    expect(artifacts[2]?.mediaType).toBe('application/json');
  });

  test('a file of the name of the log does not become a version of it', async () => {
    const code = "require('fs').writeFileSync('make.log', 'file'); console.log('log')";
    const flags = ['--name', 'make', '--artifact', '*.log'];
    await world.run(['record', ...flags, '--', ...node(code)]);
    expect((await world.run(['cat', 'last', 'make.log'])).stdout).toBe('log\n');
    expect((await world.run(['cat', 'last', './make.log'])).stdout).toBe('file');
  });

  test('says so when a glob finds nothing', async () => {
    const { stderr, code } = await world.run(['record', '--artifact', '*.zip', '--', 'true']);
    expect(code).toBe(0);
    expect(stderr).toContain('no file matches *.zip');
  });

  test('a command that is not there ends the run as failed, with code 127', async () => {
    const { code, stderr } = await world.run(['record', '--', 'no-such-program-here']);
    expect(code).toBe(127);
    expect(stderr).toContain('there is no such program');
    const run = await onlyRun();
    expect(run.status).toBe('failed');
    const [step] = await world.look((store) => collect(store.steps.list(run.id)));
    expect(step?.error?.code).toBe('NOT_STARTED');
  });

  test('a command that is killed gives 128 and the signal', async () => {
    const { code } = await world.run([
      'record',
      '--',
      ...node("process.kill(process.pid, 'SIGKILL')"),
    ]);
    expect(code).toBe(137);
    const run = await onlyRun();
    const [step] = await world.look((store) => collect(store.steps.list(run.id)));
    expect(step).toMatchObject({ status: 'failed', output: { exitCode: null, signal: 'SIGKILL' } });
  });

  test('Ctrl-C is recorded, sent on, and ends the run as cancelled', async () => {
    const code = `process.on('SIGINT', () => { console.log('bye'); process.exit(9) });
      require('fs').writeFileSync('ready', '1'); setInterval(() => {}, 1000)`;
    const recorded = world.run(['record', '--name', 'wait', '--', ...node(code)]);
    await content(world.path('ready'));
    world.signal('SIGINT');
    const result = await recorded;
    expect(result).toMatchObject({ code: 9, stdout: 'bye\n' });
    const run = await onlyRun();
    expect(run).toMatchObject({ status: 'cancelled', reason: 'SIGINT was received' });
    const events = await world.look((store) => collect(store.events.list(run.id)));
    const signal = events.find(({ type }) => type === 'signal');
    expect(signal?.payload).toEqual({ signal: 'SIGINT', forwarded: 1 });
  });

  test('a store that fails does not take the command with it', async () => {
    const opening = async (url: string, options?: OpenOptions) => {
      const store = await openStore(url, options);
      let events = 0;
      const append: typeof store.events.append = (...args) => {
        events += 1;
        if (events < 3) return store.events.append(...args);
        return Promise.reject(new StoreError('STORAGE_FULL', 'the disk is full'));
      };
      return new Proxy(store, {
        get(target, key) {
          if (key === 'events') return { ...target.events, append };
          const value: unknown = Reflect.get(target, key);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    };
    const code = `const w = (n) => { process.stdout.write(n + 'x'.repeat(20000));
      if (n < 9) setImmediate(w, n + 1); else process.exitCode = 5 }; w(1)`;
    const result = await world.run(['record', '--name', 's', '--', ...node(code)], {
      openStore: opening,
    });
    expect(result.code).toBe(5);
    expect(result.stdout).toHaveLength(9 * 20_001);
    expect(result.stderr.match(/^holdfast: recording stopped/gm)).toHaveLength(1);
    expect(result.stderr).toMatch(
      /command exited with code 5 in \S+, but recording stopped: [\d.]+ KiB of 175\.8 KiB of its output/,
    );
    expect((await world.run(['show', 'last'])).stdout).toContain(
      'its recorded output is incomplete: the disk is full',
    );
    expect(result.stderr).toContain('STORAGE_FULL: the disk is full) — Free space');
    const run = await onlyRun();
    const [step] = await world.look((store) => collect(store.steps.list(run.id)));
    expect(step).toMatchObject({ status: 'failed', output: { incomplete: 'the disk is full' } });
  });

  test('a store that cannot be closed leaves the exit code to the command', async () => {
    const opening = async (url: string, options?: OpenOptions) => {
      const store = await openStore(url, options);
      const closed = store.close.bind(store);
      const close = async () => {
        await closed();
        throw new StoreError('STORAGE_FAILED', 'the disk is gone');
      };
      return Object.assign(store, { close });
    };
    const result = await world.run(['record', '--quiet', '--', 'sh', '-c', 'exit 3'], {
      openStore: opening,
    });
    expect(result.code).toBe(3);
    expect(result.stderr).toMatch(
      /^holdfast: the command has ended, but STORAGE_FAILED: [^\n]+\n$/,
    );
  });

  test('a file that may not be executed is called so, with code 126', async () => {
    await world.write('data', 'x');
    const { code, stderr } = await world.run(['record', '--', world.path('data')]);
    expect(code).toBe(126);
    expect(stderr).toContain('could not be started: it is no program that may be executed');
  });

  test('takes --store and --json before the command as every verb does', async () => {
    const store = world.path('other');
    const result = await world.run(['record', '--json', '--store', store, '--', 'true']);
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ status: 'succeeded' });
    expect((await world.run(['ls', '--store', store])).stdout).toMatch(/^✔ succeeded/);
  });

  test('with --json standard output holds the run alone', async () => {
    const result = await world.run(['record', '--json', '--', ...node('console.log("hi")')]);
    expect(JSON.parse(result.stdout)).toMatchObject({ status: 'succeeded' });
    expect(result.stderr).toBe('hi\n');
  });
});
