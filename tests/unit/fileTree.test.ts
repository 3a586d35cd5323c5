import * as nodeFs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import picomatch from 'picomatch';
import { createMemoryFileSystem, type FileSystem } from '../../src/index.ts';
import {
  FileOperationService,
  type GlobOptions,
  type TreeEntry,
  type WalkOptions,
} from '../../src/files.ts';
import { SEED } from '../fixtures/proof.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld } from './fileWorlds.ts';

let world: FileWorld;

/** Folders end with `/`, links have ` -> ` in them, anything else is a file of as many bytes as its name. */
async function plant(fs: FileSystem, root: string, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const [at = '', target] = path.split(' -> ');
    const parts = at.split('/').filter(Boolean);
    const folders = path.endsWith('/') ? parts : parts.slice(0, -1);
    for (let n = 1; n <= folders.length; n++) {
      await fs.mkdir(join(root, ...folders.slice(0, n))).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
    }
    if (target !== undefined) await fs.symlink(target, join(root, at));
    else if (!path.endsWith('/')) {
      const bytes = Buffer.from(path);
      const handle = await fs.open(join(root, at), 'w');
      await handle.write(bytes, 0, bytes.length, 0);
      await handle.close();
    }
  }
}

async function collect(entries: AsyncIterable<TreeEntry>): Promise<TreeEntry[]> {
  const found: TreeEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

const walked = async (options?: WalkOptions, files = world.files) =>
  (await collect(files.tree.walk(world.folder, options))).map(({ path }) => path);

const globbed = async (patterns: string | readonly string[], options?: GlobOptions) =>
  (await collect(world.files.tree.glob(world.folder, patterns, options))).map(({ path }) => path);

/** The service on a disk on which something else happens before the nth call of this kind. */
function meanwhile(
  op: 'readdir' | 'lstat' | 'realpath',
  nth: number,
  what: () => Promise<unknown>,
): FileOperationService {
  let calls = 0;
  const { fs } = world;
  const inner = faulty(fs, { nth: Infinity }).fs;
  const then = async <T>(call: () => Promise<T>) => {
    if (++calls === nth) await what();
    return call();
  };
  return world.serviceOn({ ...inner, [op]: (path: string) => then(async () => fs[op](path)) });
}

/** The service on a disk that tells the names of the folders that are listed. */
function listing(): { readonly files: FileOperationService; readonly listed: string[] } {
  const { fs } = world;
  const listed: string[] = [];
  const files = world.serviceOn({
    ...faulty(fs, { nth: Infinity }).fs,
    readdir: (path) => {
      listed.push(basename(path));
      return fs.readdir(path);
    },
  });
  return { files, listed };
}

describe.each(FILE_WORLDS)('a walk on $disk', ({ open }) => {
  beforeEach(async () => void (world = await open()));
  afterEach(() => world.close());

  test('gives what is there, a folder before what is in it [FO-5]', async () => {
    const { fs, folder, files } = world;
    await plant(fs, folder, 'b/c/deep', 'a', 'b/x', 'empty/', '.hidden', 'link -> a');
    expect(await collect(files.tree.walk(folder))).toEqual([
      { path: '.hidden', type: 'file', size: 7, depth: 1 },
      { path: 'a', type: 'file', size: 1, depth: 1 },
      { path: 'b', type: 'folder', depth: 1 },
      { path: 'b/c', type: 'folder', depth: 2 },
      { path: 'b/c/deep', type: 'file', size: 8, depth: 3 },
      { path: 'b/x', type: 'file', size: 3, depth: 2 },
      { path: 'empty', type: 'folder', depth: 1 },
      { path: 'link', type: 'link', depth: 1 },
    ]);
  });

  test('has an order that does not depend on the disk [FO-5]', async () => {
    const { fs, folder } = world;
    const names = ['z', 'a', 'B', 'ab', 'a.b', 'é', '10', '9', '\uffee', '🎉', '日'];
    await plant(fs, folder, ...names);
    const backwards: FileSystem = {
      ...faulty(fs, { nth: Infinity }).fs,
      readdir: async (path) => (await fs.readdir(path)).toReversed(),
    };
    // As UTF-8 sorts, and not as UTF-16 does: there 🎉 comes before U+FFEE.
    const inOrder = ['10', '9', 'B', 'a', 'a.b', 'ab', 'z', 'é', '日', '\uffee', '🎉'];
    expect(await walked()).toEqual(inOrder);
    expect(await walked({}, world.serviceOn(backwards))).toEqual(inOrder);
  });

  test('goes through folders of any size, in the memory of their names [FO-5]', async () => {
    const { fs, folder, files } = world;
    const many = Array.from({ length: 150 }, (_, n) => `many/${String(n).padStart(3, '0')}`);
    await plant(fs, folder, ...many, 'z');
    expect(await walked()).toEqual(['many', ...many, 'z']);
    const looks = faulty(fs, { nth: Infinity, only: ['lstat'] });
    const walk = world.serviceOn(looks.fs).tree.walk(folder);
    await walk.next();
    await walk.next();
    expect(looks.operations).toBeLessThan(50);
    await walk.return();
    expect(await collect(files.tree.walk(folder))).toHaveLength(152);
  });

  test('ends at its limits, and looks no deeper than it is told [FO-5]', async () => {
    const { fs, folder } = world;
    await plant(fs, folder, 'a/b/c/d', 'e');
    const limit = { code: 'LIMIT_EXCEEDED' };
    expect(await walked({ depthMax: 4, entriesMax: 5 })).toHaveLength(5);
    await expect(walked({ depthMax: 3 })).rejects.toMatchObject(limit);
    await expect(walked({ entriesMax: 4 })).rejects.toMatchObject(limit);
    expect(await walked({ levels: 1 })).toEqual(['a', 'e']);
    expect(await walked({ levels: 2, depthMax: 2 })).toEqual(['a', 'a/b', 'e']);
    const deep = Array.from({ length: 101 }, (_, n) => `${n}`).join('/');
    await plant(fs, folder, `x/${deep}/y`);
    await expect(walked()).rejects.toMatchObject(limit);
  });

  test('stops where its caller stops, or says so by a signal [FO-5]', async () => {
    const { fs, folder, files } = world;
    await plant(fs, folder, 'a', 'b', 'c');
    const stop = new AbortController();
    const seen: string[] = [];
    const all = (async () => {
      for await (const { path } of files.tree.walk(folder, { signal: stop.signal })) {
        seen.push(path);
        if (path === 'b') stop.abort(new Error('enough'));
      }
    })();
    await expect(all).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } });
    expect(seen).toEqual(['a', 'b']);
    for await (const { path } of files.tree.walk(folder)) {
      expect(path).toBe('a');
      break;
    }
  });

  test('passes over what is ignored, and never looks into it [FO-5]', async () => {
    const { fs, folder } = world;
    await plant(fs, folder, '.git/x', 'a/node_modules/p/x', 'node_modules/p/x', 'a/b.log', 'a/c');
    const ignore = ['.git', '**/node_modules', '**/*.log'];
    const { files, listed } = listing();
    expect(await walked({ ignore }, files)).toEqual(['a', 'a/c']);
    expect(listed).toEqual([basename(folder), 'a']);
    expect(await walked({ ignore: 'a/**' })).not.toContain('a');
  });

  test('does not see the unfinished files of this service [FO-5] [FO-8]', async () => {
    const { files, at } = world;
    await using staged = await files.createStaged(at('new'));
    await staged.write('x');
    expect(await walked()).toEqual([]);
    await staged.commit();
    expect(await walked()).toEqual(['new']);
  });

  test('refuses links, keeps them, or follows them as long as they stay inside [FO-5] [FO-6]', async () => {
    const { fs, folder } = world;
    await plant(
      fs,
      folder,
      'a/file',
      'b/to a -> ../a',
      'b/to file -> ../a/file',
      'b/to nothing -> no',
    );
    const kept = ['a', 'a/file', 'b', 'b/to a', 'b/to file', 'b/to nothing'];
    expect(await walked()).toEqual(kept);
    const invalid = { code: 'INVALID_ARGUMENT' };
    await expect(walked({ links: 'refuse' })).rejects.toMatchObject(invalid);
    const followed = await collect(world.files.tree.walk(folder, { links: 'follow' }));
    expect(followed.slice(3)).toEqual([
      { path: 'b/to a', type: 'folder', depth: 2 },
      { path: 'b/to a/file', type: 'file', size: 6, depth: 3 },
      { path: 'b/to file', type: 'file', size: 6, depth: 2 },
      { path: 'b/to nothing', type: 'link', depth: 2 },
    ]);
    await plant(fs, folder, 'c/out -> ../..');
    await expect(walked({ links: 'follow' })).rejects.toMatchObject(invalid);
    expect(await walked({ links: 'follow', ignore: 'c/out' })).toContain('c');
  });

  test('that follows links comes to an end, whatever circles there are [FO-5]', async () => {
    const { fs, folder } = world;
    await plant(
      fs,
      folder,
      'a/up -> ..',
      'a/self -> .',
      'a/b/c/top -> ../../../a',
      'x -> y',
      'y -> x',
    );
    await plant(fs, folder, 'one/other -> ../two', 'two/other -> ../one');
    expect(await walked({ links: 'follow' })).toEqual([
      'a',
      'a/b',
      'a/b/c',
      'a/b/c/top',
      'a/self',
      'a/up',
      'one',
      'one/other',
      'one/other/other',
      'two',
      'two/other',
      'two/other/other',
      'x',
      'y',
    ]);
  });

  test('goes on without what goes away meanwhile, tells of it, or ends [FO-5]', async () => {
    const { fs, folder, at } = world;
    const gone = async () => {
      await fs.unlink(at('b/x'));
      await fs.rmdir(at('b'));
    };
    const plants = () => plant(fs, folder, 'a/x', 'b/x', 'c');
    // The folder itself is the first that is listed.
    const others = ['a', 'a/x', 'c'];
    const withB = ['a', 'a/x', 'b', 'c'];
    await plants();
    expect(await walked({}, meanwhile('readdir', 3, gone))).toEqual(withB);
    await plants();
    expect(await walked({}, meanwhile('lstat', 2, gone))).toEqual(others);
    await plants();
    const told: string[] = [];
    const vanished = (path: string) => void told.push(path);
    expect(await walked({ vanished }, meanwhile('readdir', 3, gone))).toEqual(withB);
    expect(told).toEqual(['b']);
    await plants();
    const failing = walked({ vanished: 'fail' }, meanwhile('readdir', 3, gone));
    await expect(failing).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await plants();
    const mine = new RangeError('not for me');
    const refuse = () => {
      throw mine;
    };
    await expect(walked({ vanished: refuse }, meanwhile('readdir', 3, gone))).rejects.toBe(mine);
  });

  test('takes a folder that was replaced by another for one that has gone [FO-5]', async () => {
    const { fs, folder, at } = world;
    await plant(fs, folder, 'a/x', 'other/y');
    const replace = async () => {
      await fs.rename(at('a'), at('old'));
      await fs.rename(at('other'), at('a'));
    };
    const told: string[] = [];
    const vanished = (path: string) => void told.push(path);
    expect(await walked({ vanished }, meanwhile('readdir', 2, replace))).toEqual(['a', 'other']);
    expect(told).toEqual(['a', 'other']);
  });

  test('gives nothing from behind a link that was put in the place of a folder [FO-5] [FO-6]', async () => {
    const { fs, folder, at } = world;
    await plant(fs, folder, 'outside/secret', 'root/a/b/x');
    const root = at('root');
    // At every call of the walk: of the folder itself, and of the one above it.
    for (const op of ['readdir', 'lstat', 'realpath'] as const) {
      for (const victim of ['root/a', 'root/a/b']) {
        let conflicts = 0;
        for (let nth = 1, isOver = false; !isOver; nth++) {
          isOver = true;
          const files = meanwhile(op, nth, async () => {
            isOver = false;
            await fs.rename(at(victim), at('old'));
            await fs.symlink(at('outside'), at(victim));
          });
          const seen: string[] = [];
          const error = await (async () => {
            for await (const { path } of files.tree.walk(root)) seen.push(path);
          })().catch((thrown: unknown) => thrown);
          if (error !== undefined) expect(error).toMatchObject({ code: 'VERSION_CONFLICT' });
          if (error !== undefined) conflicts++;
          expect(seen.join()).not.toContain('secret');
          if (isOver) break;
          await fs.unlink(at(victim));
          await fs.rename(at('old'), at(victim));
        }
        expect(conflicts).toBeGreaterThan(0);
      }
    }
  });

  test('says what is wrong with its root, and with the disk [FO-5]', async () => {
    const { fs, folder, files, at } = world;
    await plant(fs, folder, 'a', 'b/c');
    const wrong = (root: string, it = files) => collect(it.tree.walk(root));
    await expect(wrong(at('no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(wrong(at('a'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    for (let nth = 1; ; nth++) {
      const faults = faulty(fs, { nth, code: 'EACCES' });
      const result = await wrong(folder, world.serviceOn(faults.fs)).catch(
        (error: unknown) => error,
      );
      if (faults.fired === 0) {
        expect(result).toHaveLength(3);
        expect(nth).toBeGreaterThan(8);
        break;
      }
      expect(result).toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'EACCES' } });
    }
  });
});

describe.each(FILE_WORLDS)('a glob on $disk', ({ open }) => {
  beforeEach(async () => {
    world = await open();
    await plant(world.fs, world.folder, 'src/a.ts', 'src/lib/b.ts', 'src/lib/c.js', 'tests/d.ts');
    await plant(world.fs, world.folder, '.github/ci.yml', '.env', 'readme.md', 'src/[x].ts');
  });
  afterEach(() => world.close());

  test.each([
    ['**/*.ts', ['src/[x].ts', 'src/a.ts', 'src/lib/b.ts', 'tests/d.ts']],
    ['src/*', ['src/[x].ts', 'src/a.ts', 'src/lib']],
    ['{src,tests}/**/{b,d}.*', ['src/lib/b.ts', 'tests/d.ts']],
    ['readme.md', ['readme.md']],
    ['*', ['readme.md', 'src', 'tests']],
    ['.*', ['.env', '.github']],
    ['.github/**', ['.github', '.github/ci.yml']],
    ['src/\\[x\\].ts', ['src/[x].ts']],
    ['!(src)', ['readme.md', 'tests']],
    ['src/lib/[a-b].ts', ['src/lib/b.ts']],
    ['./src/a.?s', ['src/a.ts']],
    ['nothing/**', []],
  ])('finds %s [FO-5]', async (pattern, expected) => {
    expect(await globbed(pattern)).toEqual(expected);
  });

  test('takes several patterns, leaves out some, and sees dots on demand [FO-5]', async () => {
    expect(await globbed(['*.md', 'tests/*'])).toEqual(['readme.md', 'tests/d.ts']);
    expect(await globbed('**/*.ts', { ignore: ['src/lib', '**/[[]*'] })).toEqual([
      'src/a.ts',
      'tests/d.ts',
    ]);
    expect(await globbed('*', { dot: true })).toEqual([
      '.env',
      '.github',
      'readme.md',
      'src',
      'tests',
    ]);
    expect(await globbed([])).toEqual([]);
  });

  test('takes an escaped name of a folder by its letters [FO-5]', async () => {
    await plant(world.fs, world.folder, '[d]/e', 'd/e');
    expect(await globbed('\\[d\\]/*')).toEqual(['[d]/e']);
  });

  test('reads only folders in which something can match [FO-5]', async () => {
    const reads = async (pattern: string) => {
      const { files, listed } = listing();
      await collect(files.tree.glob(world.folder, pattern));
      return listed.slice(1);
    };
    expect(await reads('src/lib/*')).toEqual(['src', 'lib']);
    expect(await reads('**')).toEqual(['src', 'lib', 'tests']);
    expect(await reads('tests/d.ts')).toEqual(['tests']);
    expect(await reads('{.github,tests}/*')).toEqual(['.github', 'src', 'lib', 'tests']);
  });

  test.each(['', '/etc/*', '../*', 'a/../b', '!src', 'x'.repeat(70_000)])(
    'refuses a pattern that can match nothing [FO-5]',
    async (pattern) => {
      await expect(globbed(pattern)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(globbed('*', { ignore: pattern })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    },
  );
});

test('a glob finds exactly what matches among all that a walk gives [FO-5]', async () => {
  const name = fc.constantFrom('a', 'b', '.c', 'ab', 'a.ts', 'é');
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const part = fc.constantFrom(
    '*',
    '**',
    'a',
    'a*',
    '.c',
    '?',
    '*.ts',
    '{a,b}',
    '[ab]',
    '.*',
    '@(a|b)',
  );
  const pattern = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  await fc.assert(
    fc.asyncProperty(
      fc.array(path, { maxLength: 8 }),
      fc.array(pattern, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (paths, patterns, dot) => {
        const fs = createMemoryFileSystem();
        await fs.mkdir('/root');
        for (const path of paths) await plant(fs, '/root', `${path}/`);
        const { tree } = new FileOperationService(fs);
        const all = await collect(tree.walk('/root'));
        const expected = all.filter(({ path }) => picomatch.isMatch(path, patterns, { dot }));
        expect(await collect(tree.glob('/root', patterns, { dot }))).toEqual(expected);
      },
    ),
    { seed: SEED, numRuns: 300 },
  );
});

test('a name that is not UTF-8 is reported, not passed over [FO-5]', async () => {
  world = await FILE_WORLDS[0].open();
  try {
    const bytes = Buffer.concat([Buffer.from(world.at('caf')), Buffer.from([0xe9])]);
    // macOS takes no such name.
    const isTaken = await nodeFs.writeFile(bytes, '').then(
      () => true,
      () => false,
    );
    if (isTaken) await expect(walked()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    else expect(await walked()).toEqual([]);
  } finally {
    await world.close();
  }
});
