import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { FileSystem } from '../../src/index.ts';
import type { FileOperationService } from '../../src/files.ts';
import { SeededRandom, SimulatedDisk } from '../../src/testkit.ts';
import { fatesOf, imageOf } from '../../src/testkit/simulatedDisk.ts';
import { SEED } from '../fixtures/proof.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld } from './fileWorlds.ts';

const INVALID = { code: 'INVALID_ARGUMENT' };
const CONFLICT = { code: 'VERSION_CONFLICT' };

let world: FileWorld;
/** The root of the paths; what is in `outside`, beside it, is secret. */
let root: string;

async function open(opening: () => Promise<FileWorld>): Promise<void> {
  world = await opening();
  const { fs, files, at } = world;
  root = at('root');
  for (const folder of ['root', 'root/a', 'root/a/b', 'outside', 'outside/b'])
    await fs.mkdir(at(folder));
  await files.writeAtomic(at('root/a/b/file'), 'inside');
  await files.writeAtomic(at('outside/secret'), 'secret');
  for (const path of ['file', 'b/file']) await files.writeAtomic(at(`outside/${path}`), 'secret');
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** The service on a disk on which something else happens around the nth call of any kind. */
function meanwhile(
  nth: number,
  what: () => Promise<unknown>,
  after: () => Promise<unknown> = () => Promise.resolve(),
): FileOperationService {
  const { fs } = world;
  let calls = 0;
  const before = <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) => {
    return async (...args: Args): Promise<T> => {
      if (++calls !== nth) return call(...args);
      await what();
      try {
        return await call(...args);
      } finally {
        await after();
      }
    };
  };
  const spied: FileSystem = {
    open: before(async (path: string, flags?: string | number, mode?: number) => {
      const handle = await fs.open(path, flags, mode);
      return {
        write: before((...args: Parameters<typeof handle.write>) => handle.write(...args)),
        read: before((...args: Parameters<typeof handle.read>) => handle.read(...args)),
        stat: before(() => handle.stat()),
        truncate: (length: number) => handle.truncate(length),
        sync: before(() => handle.sync()),
        datasync: before(() => handle.datasync()),
        close: () => handle.close(),
      };
    }),
    mkdir: before((path: string, options) => fs.mkdir(path, options)),
    readdir: before((path: string) => fs.readdir(path)),
    rename: before((from: string, to: string) => fs.rename(from, to)),
    link: before((existing: string, path: string) => fs.link(existing, path)),
    unlink: before((path: string) => fs.unlink(path)),
    rmdir: before((path: string) => fs.rmdir(path)),
    stat: before((path: string) => fs.stat(path)),
    lstat: before((path: string) => fs.lstat(path)),
    chmod: before((path: string, mode: number) => fs.chmod(path, mode)),
    symlink: before((target: string, path: string) => fs.symlink(target, path)),
    readlink: before((path: string) => fs.readlink(path)),
    realpath: before((path: string) => fs.realpath(path)),
  };
  return world.serviceOn(spied);
}

describe.each(FILE_WORLDS)('links on $disk', ({ open: opening }) => {
  beforeEach(() => open(opening));
  afterEach(() => world.close());

  test('are made, read, and replaced as one [FO-6]', async () => {
    const { files, at } = world;
    const { links } = files;
    await links.create(root, 'latest', 'a');
    expect(await links.read(at('root/latest'))).toBe('a');
    const taken = { code: 'ALREADY_EXISTS' };
    await expect(links.create(root, 'latest', 'a/b')).rejects.toMatchObject(taken);
    await links.create(root, 'latest', 'a/b', { replace: true });
    expect(await links.read(at('root/latest'))).toBe('a/b');
    expect(text(await files.read(at('root/latest/file')))).toBe('inside');
    for (const path of ['a', 'a/b/file']) {
      const replaced = links.create(root, path, 'x', { replace: true });
      await expect(replaced).rejects.toMatchObject(taken);
    }
    await links.create(root, 'a/later', 'not/there/yet');
    await expect(links.read(at('root/a'))).rejects.toMatchObject(INVALID);
    await expect(links.read(at('root/no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(links.create(root, 'no/link', 'a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await files.list(root)).toEqual(['a', 'latest']);
  });

  test('that would lead out are not made [FO-6]', async () => {
    const { files, at } = world;
    const { links } = files;
    for (const target of ['..', '../outside', 'a/../..', at('outside'), '/', '', 'a\0b']) {
      await expect(links.create(root, 'link', target)).rejects.toMatchObject(INVALID);
    }
    await world.fs.symlink('../..', at('root/a/trap'));
    await expect(links.create(root, 'link', 'a/trap/outside')).rejects.toMatchObject(INVALID);
    await links.create(root, 'a/up', '../a/b');
    await links.create(root, 'far', at('root/a'));
    expect(await files.list(root)).toEqual(['a', 'far']);
  });

  test('are refused, kept, or followed as far as they stay inside [FO-6]', async () => {
    const { fs, files, at } = world;
    const { links } = files;
    const real = await fs.realpath(root);
    await fs.symlink('a/b', at('root/in'));
    await fs.symlink(at('root/a'), at('root/far'));
    await fs.symlink('../outside', at('root/out'));
    await fs.symlink('in/file', at('root/twice'));
    await fs.symlink('one', at('root/two'));
    await fs.symlink('two', at('root/one'));
    const ends = async (path: string, policy: 'refuse' | 'follow' | 'keep') =>
      links.resolve(root, path, { links: policy }).then(
        ({ path, type }) => [path.slice(real.length), type],
        (error: { code: string }) => error.code,
      );
    const table = [
      ['a/b/file', ['/a/b/file', 'file'], ['/a/b/file', 'file'], ['/a/b/file', 'file']],
      ['a/new', ['/a/new', undefined], ['/a/new', undefined], ['/a/new', undefined]],
      ['', ['', 'folder'], ['', 'folder'], ['', 'folder']],
      ['in', 'INVALID_ARGUMENT', ['/a/b', 'folder'], ['/in', 'link']],
      ['in/file', 'INVALID_ARGUMENT', ['/a/b/file', 'file'], 'INVALID_ARGUMENT'],
      ['far/b', 'INVALID_ARGUMENT', ['/a/b', 'folder'], 'INVALID_ARGUMENT'],
      ['twice', 'INVALID_ARGUMENT', ['/a/b/file', 'file'], ['/twice', 'link']],
      ['out', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', ['/out', 'link']],
      ['out/secret', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
      ['one', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', ['/one', 'link']],
      ['no/file', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'],
      ['a/b/file/x', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
      ['../outside/secret', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
      ['/etc', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
    ] as const;
    for (const [path, ...expected] of table) {
      const found = [];
      for (const policy of ['refuse', 'follow', 'keep'] as const)
        found.push(await ends(path, policy));
      expect([path, ...found]).toEqual([path, ...expected]);
    }
    await expect(links.resolve(at('no'), 'a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(links.resolve(at('outside/secret'), 'a')).rejects.toMatchObject(INVALID);
  });

  test('may lead to the root itself, and be its name [FO-6]', async () => {
    const { fs, files, at } = world;
    await fs.symlink('root', at('by another name'));
    await fs.symlink(join(at('by another name'), 'a'), at('root/far'));
    const other = at('by another name');
    expect(text(await files.links.readFile(other, 'a/b/file'))).toBe('inside');
    expect(text(await files.links.readFile(other, 'far/b/file', { links: 'follow' }))).toBe(
      'inside',
    );
    await files.links.writeFile(other, 'a/new', 'new');
    expect(await world.text('root/a/new')).toBe('new');
  });

  test('are read and written through as the policy says [FO-6]', async () => {
    const { fs, files, at } = world;
    const { links } = files;
    await fs.symlink('b/file', at('root/a/link'));
    await expect(links.readFile(root, 'a/link')).rejects.toMatchObject(INVALID);
    await expect(links.readFile(root, 'a/link', { links: 'keep' })).rejects.toMatchObject(INVALID);
    await expect(links.readFile(root, 'a/b')).rejects.toMatchObject(INVALID);
    await expect(links.readFile(root, 'a/no')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(text(await links.readFile(root, 'a/link', { links: 'follow' }))).toBe('inside');
    await expect(links.writeFile(root, 'a/link', 'x')).rejects.toMatchObject(INVALID);
    await links.writeFile(root, 'a/link', 'changed', { links: 'follow' });
    expect(await world.text('root/a/b/file')).toBe('changed');
    expect(await links.read(at('root/a/link'))).toBe('b/file');
    await links.writeFile(root, 'a/link', 'a file now', { links: 'keep' });
    expect(await world.text('root/a/b/file')).toBe('changed');
    expect(text(await links.readFile(root, 'a/link'))).toBe('a file now');
    expect(await files.list(at('root/a'))).toEqual(['b', 'link']);
  });

  const swaps = {
    'a folder above': 'root/a',
    'the folder': 'root/a/b',
    'the file': 'root/a/b/file',
  };

  /**
   * A swap at each call in turn, until there is none any more at which it could come. One that is put
   * back is seen by that call alone.
   */
  async function swapAtEachCall(
    victim: string,
    isPutBack: boolean,
    work: (files: FileOperationService) => Promise<void>,
  ): Promise<number> {
    const { fs, at } = world;
    const target = victim.endsWith('file') ? 'outside/secret' : 'outside';
    const putBack = async () => {
      if (!(await fs.lstat(at(victim)).catch(() => undefined))?.isSymbolicLink()) return;
      await fs.unlink(at(victim));
      await fs.rename(at('old'), at(victim));
    };
    for (let nth = 1; ; nth++) {
      let isOver = true;
      const swap = async () => {
        isOver = false;
        await fs.rename(at(victim), at('old'));
        await fs.symlink(at(target), at(victim));
      };
      await work(meanwhile(nth, swap, isPutBack ? putBack : undefined));
      if (isOver) return nth;
      await putBack();
    }
  }

  const swapped = Object.entries(swaps).flatMap(([what, victim]) => [
    [what, 'for good', victim, false] as const,
    [what, 'for a moment', victim, true] as const,
  ]);

  test.each(swapped)(
    'in the place of %s, %s, never give bytes from outside [FO-6]',
    async (_what, _how, victim, isPutBack) => {
      const calls = await swapAtEachCall(victim, isPutBack, async ({ links }) => {
        const read = await links.readFile(root, 'a/b/file').catch((error: unknown) => error);
        if (read instanceof Uint8Array) expect(text(read)).toBe('inside');
        else
          expect(['VERSION_CONFLICT', 'INVALID_ARGUMENT']).toContain(
            (read as { code: string }).code,
          );
      });
      expect(calls).toBeGreaterThan(12);
    },
  );

  test.each([swaps['a folder above'], swaps['the folder']])(
    'in the place of %s take no file outside [FO-6]',
    async (victim) => {
      const { files, at } = world;
      let conflicts = 0;
      await swapAtEachCall(victim, false, async ({ links }) => {
        const outcome = await links.writeFile(root, 'a/b/new', 'new').then(
          () => 'written',
          (error: { code: string }) => error.code,
        );
        if (outcome === 'VERSION_CONFLICT') conflicts++;
        else expect(['written', 'INVALID_ARGUMENT']).toContain(outcome);
        expect(await world.text('outside/new')).toBeUndefined();
        await files.remove(at('root/a/b/new'));
        expect(await world.text('outside/b/new')).toBeUndefined();
        await files.removeTemporaries(at('outside'), { recursive: true });
      });
      expect(conflicts).toBeGreaterThan(5);
      expect(await files.list(at('outside'))).toEqual(['b', 'file', 'secret']);
    },
  );

  test('are noticed by any work, before and after it and when it asks [FO-6]', async () => {
    const { fs, files, at } = world;
    const swap = async () => {
      await fs.rename(at('root/a'), at('old'));
      await fs.symlink(at('outside'), at('root/a'));
    };
    const putBack = async () => {
      await fs.unlink(at('root/a'));
      await fs.rename(at('old'), at('root/a'));
    };
    const { links } = files;
    expect(await links.inside(root, 'a/b', async (path) => files.list(path))).toEqual(['file']);
    await expect(links.inside(root, 'a/x', swap)).rejects.toMatchObject(CONFLICT);
    await putBack();
    const asked = links.inside(root, 'a/x', async (path, check) => {
      await swap();
      await check();
      throw new Error(`${path} was to be written`);
    });
    await expect(asked).rejects.toMatchObject(CONFLICT);
    await putBack();
    // What failed because of it says so, with its own reason.
    const failed = links.inside(root, 'a/x', async (path) => {
      await swap();
      return files.read(path);
    });
    await expect(failed).rejects.toMatchObject({ ...CONFLICT, cause: { code: 'NOT_FOUND' } });
    await putBack();
    const own = links.inside(root, 'a', () => Promise.reject(new RangeError('mine')));
    await expect(own).rejects.toThrow(new RangeError('mine'));
    // Another folder in its place is not the one that was asked for, whatever is in it.
    const moved = links.inside(root, 'a/x', async () => {
      await fs.rename(at('root/a'), at('old'));
      await fs.mkdir(at('root/a'));
    });
    await expect(moved).rejects.toMatchObject(CONFLICT);
  });

  test('leave no folder open, whatever fails [FO-6]', async () => {
    const { fs } = world;
    for (let nth = 1; ; nth++) {
      let handles = 0;
      const faults = faulty(fs, { nth });
      const counting = world.serviceOn({
        ...faults.fs,
        open: async (path, flags, mode) => {
          const handle = await faults.fs.open(path, flags, mode);
          handles++;
          const close = () => {
            handles--;
            return handle.close();
          };
          return { ...handle, close };
        },
      });
      const error: unknown = await counting.links.readFile(root, 'a/b/file').then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(handles).toBe(0);
      if (faults.fired === 0) break;
      // A folder that cannot be closed was only looked at.
      if (error !== undefined) expect(error).toMatchObject({ code: 'STORAGE_FAILED' });
    }
  });

  test('that a crash has left unfinished go with the other temporary files [FO-6] [FO-8]', async () => {
    const { fs, files } = world;
    const dying = faulty(fs, { nth: 1, only: ['rename', 'unlink'], persistent: true });
    const replaced = world.serviceOn(dying.fs).links.create(root, 'link', 'a', { replace: true });
    await expect(replaced).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await files.list(root)).toHaveLength(2);
    expect(await files.removeTemporaries(root)).toBe(1);
    expect(await files.list(root)).toEqual(['a']);
  });
});

describe('a link', () => {
  test('is durable when it was made, and the old or the new one while it is replaced [FO-6]', async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(SEED) });
    const { serviceOn } = await FILE_WORLDS[1].open();
    const { links } = serviceOn(disk.fileSystem);
    await disk.fileSystem.mkdir('/top');
    await serviceOn(disk.fileSystem).syncFolder('/');
    const targets = () => {
      const options = { random: new SeededRandom(SEED), stale: disk.stale, tearsMax: 0 };
      const images = [...fatesOf(disk.surface, options)].map((fate) => imageOf(disk.surface, fate));
      return new Set(images.map(({ links }) => links?.get('/top/link')));
    };
    await links.create('/top', 'link', 'old');
    expect(targets()).toEqual(new Set(['old']));
    const seen = new Set<string | undefined>();
    disk.onEvent = () => targets().forEach((target) => seen.add(target));
    await links.create('/top', 'link', 'new', { replace: true });
    expect(targets()).toEqual(new Set(['new']));
    expect(seen).toEqual(new Set(['old', 'new']));
    await disk.cutPower();
    expect(await disk.fileSystem.readlink('/top/link')).toBe('new');
    expect(dirname(await disk.fileSystem.realpath('/top'))).toBe('/');
  });

  test('is followed on the simulated disk, and what is written there is durable [FO-6]', async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(SEED) });
    const { serviceOn } = await FILE_WORLDS[1].open();
    const files = serviceOn(disk.fileSystem);
    await files.ensureFolder('/a/b');
    await files.links.create('/', 'link', 'a');
    await files.links.create('/', 'a/back', 'b/../b');
    await files.writeAtomic('/link/back/file', 'x');
    await disk.fileSystem.symlink('link/back/file', '/lost');
    const handle = await disk.fileSystem.open('/lost', 'r+');
    await handle.write(Buffer.from('y'), 0, 1, 0);
    await handle.sync();
    await handle.close();
    await files.rename('/link/back/file', '/link/file');
    await files.syncNames(['/link/file', '/a/b/file']);
    await files.syncFolder('/link/back');
    const image = await disk.image();
    expect(image.files.get('/a/file')?.toString()).toBe('y');
    const left = new Set<string | undefined>();
    for (let n = 0; n < 3; n++) {
      await disk.cutPower();
      const { files, links } = await disk.image();
      left.add(links?.get('/link'));
      expect(files.get('/a/file')?.toString()).toBe('y');
      expect(files.has('/a/b/file')).toBe(false);
    }
    expect(left).toEqual(new Set(['a']));
  });
});
