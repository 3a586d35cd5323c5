import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isStoreError } from '../../src/lib/errors.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld } from './fileWorlds.ts';

let world: FileWorld;
afterEach(() => world.close());

describe('a lock between processes', () => {
  const children: ChildProcess[] = [];
  beforeEach(async () => void (world = await FILE_WORLDS[0].open()));
  afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));

  /** A process that holds the lock of `a` and has written half of a new one. */
  async function writer(): Promise<ChildProcess> {
    const script = fileURLToPath(new URL('./fileOperationChild.ts', import.meta.url));
    const child = spawn(process.execPath, [script, 'writeAndHang', world.folder]);
    children.push(child);
    child.stderr.pipe(process.stderr);
    const ended = once(child, 'close').then(() => ['nothing']);
    const [word] = (await Promise.race([once(child.stdout, 'data'), ended])) as unknown[];
    expect(String(word)).toBe('held\n');
    return child;
  }

  test('proves whose temporary files are left behind: of nobody who lives [FO-2] [FO-8]', async () => {
    const { files, at, folder, text } = world;
    await files.writeAtomic(at('a'), 'old');
    const cleanUp = (waitMs: number) =>
      files.withLock(at('a'), () => files.removeTemporaries(folder), { waitMs });
    const child = await writer();
    const unfinished = (await readdir(folder)).filter((name) => name.endsWith('.tmp'));
    expect(unfinished).toHaveLength(1);
    await expect(cleanUp(0)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    expect(await readdir(folder)).toEqual(expect.arrayContaining(unfinished));
    child.kill('SIGKILL');
    // The kernel lets go when the process ends, and not before.
    expect(await cleanUp(10_000)).toBe(1);
    expect(await files.list(folder)).toEqual(['.a.lock', 'a']);
    expect(await text('a')).toBe('old');
  });
});

describe.each(FILE_WORLDS)('temporary files on $disk', ({ open }) => {
  beforeEach(async () => void (world = await open()));

  test('that this service still writes are not cleaned up [FO-8]', async () => {
    const { files, at, folder, text } = world;
    const staged = await files.createStaged(at('a'));
    await staged.write('half, ');
    async function* cleaning() {
      yield Buffer.from('streamed');
      expect(await files.removeTemporaries(folder)).toBe(0);
    }
    await files.writeStream(at('b'), cleaning());
    expect(await files.removeTemporaries(folder, { recursive: true })).toBe(0);
    await staged.write('whole');
    await staged.commit();
    expect([await text('a'), await text('b')]).toEqual(['half, whole', 'streamed']);
    const abandoned = await files.createStaged(at('c'));
    await abandoned.discard();
    expect(await files.list(folder)).toEqual(['a', 'b']);
  });

  test('of several files, or of removals, stay at every moment until they are done [FO-8] [FO-1]', async () => {
    const { files, at, fs, folder, serviceOn, text } = world;
    const names = ['a', 'b'];
    for (const work of ['write', 'remove'] as const) {
      for (let moment = 1; ; moment++) {
        for (const name of names) await files.writeAtomic(at(name), 'old');
        let calls = 0;
        const cleaner: { clean?: () => Promise<unknown> } = {};
        const watched = faulty(fs, { nth: Infinity }).fs;
        const interrupt = async () => {
          if (++calls === moment) await cleaner.clean?.();
        };
        const service = serviceOn({
          ...watched,
          link: async (from, to) => (await watched.link(from, to), interrupt()),
          rename: async (from, to) => (await watched.rename(from, to), interrupt()),
          unlink: async (path) => (await watched.unlink(path), interrupt()),
        });
        cleaner.clean = async () => {
          await service.removeTemporaries(folder);
          await service.recover(folder);
        };
        if (work === 'remove') await service.removeAll(names.map(at));
        else await service.writeAtomicAll(names.map((name) => ({ path: at(name), data: 'new' })));
        const expected = work === 'remove' ? undefined : 'new';
        expect([await text('a'), await text('b')]).toEqual([expected, expected]);
        expect(await files.list(folder)).toEqual(work === 'remove' ? [] : names);
        if (calls < moment) break;
      }
    }
  });

  test('keep what a removal that fails has to bring back [FO-8] [FO-1]', async () => {
    const { files, at, fs, folder, serviceOn, text } = world;
    for (const name of ['a', 'b']) await files.writeAtomic(at(name), 'old');
    const failing = faulty(fs, { nth: 1, only: ['sync'] }).fs;
    const service = serviceOn({
      ...failing,
      rename: async (from, to) => {
        await failing.rename(from, to);
        await service.removeTemporaries(folder);
      },
    });
    const removal = service.removeAll([at('a'), at('b')]);
    await expect(removal).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect([await text('a'), await text('b')]).toEqual(['old', 'old']);
  });

  test('that another takes away too early fail the write, and nothing is half new [FO-8] [FO-1]', async () => {
    const { files, at, fs, folder, serviceOn, text } = world;
    const outcomes = new Set<string>();
    for (let moment = 1; ; moment++) {
      for (const name of ['a', 'b']) await files.writeAtomic(at(name), 'old');
      let calls = 0;
      const watched = faulty(fs, { nth: Infinity }).fs;
      const meddled = serviceOn({
        ...watched,
        rename: async (from, to) => {
          await watched.rename(from, to);
          // Another service, as in another process: what this one writes it does not know.
          if (++calls === moment) await files.removeTemporaries(folder);
        },
      });
      const entries = ['a', 'b'].map((name) => ({ path: at(name), data: 'new' }));
      const failure: unknown = await meddled
        .writeAtomicAll(entries)
        .catch((error: unknown) => error);
      if (calls < moment) break;
      const both = [await text('a'), await text('b')];
      if (failure === undefined) expect(both).toEqual(['new', 'new']);
      else if (!isStoreError(failure, 'OUTCOME_UNKNOWN')) expect(both).toEqual(['old', 'old']);
      outcomes.add(isStoreError(failure) ? failure.code : 'done');
      await files.removeTemporaries(folder);
    }
    expect(outcomes.has('done')).toBe(false);
  });
});
