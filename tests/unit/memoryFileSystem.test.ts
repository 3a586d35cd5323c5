import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type FileHandle,
  type FileSystem,
  OPEN,
  realFileSystem,
} from '../../src/lib/ports/fileSystem.ts';
import { createMemoryFileSystem } from '../../src/lib/ports/memoryFileSystem.ts';

type Step = (fs: FileSystem, at: (name: string) => string) => Promise<unknown>;

let root: string;
let count = 0;
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-memory-')));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

async function put(fs: FileSystem, path: string, data: string): Promise<void> {
  const handle = await fs.open(path, 'w');
  await handle.write(Buffer.from(data), 0, Buffer.byteLength(data), 0);
  await handle.close();
}

async function get(fs: FileSystem, path: string): Promise<string> {
  const handle = await fs.open(path);
  const bytes = Buffer.alloc((await handle.stat()).size);
  await handle.read(bytes, 0, bytes.length, 0);
  await handle.close();
  return text(bytes);
}

async function look(fs: FileSystem, path: string) {
  const stat = await fs.stat(path);
  const size = stat.isFile() ? stat.size : 0;
  return [stat.isFile(), stat.isDirectory(), stat.isSymbolicLink(), stat.mode & 0o777, size];
}

async function using<T>(opening: Promise<FileHandle>, work: (handle: FileHandle) => Promise<T>) {
  const handle = await opening;
  try {
    return await work(handle);
  } finally {
    await handle.close();
  }
}

/** What each step answers: its value, or what can be seen of its error. */
async function play(fs: FileSystem, folder: string, steps: readonly Step[]): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const step of steps) {
    try {
      seen.push(await step(fs, (name) => join(folder, name)));
    } catch (error) {
      const { message, code, errno, syscall, path, dest } = error as NodeJS.ErrnoException & {
        dest?: string;
      };
      // Node words a wrong argument in many ways; its code is what counts.
      if (code === 'ERR_INVALID_ARG_VALUE') seen.push({ code });
      else seen.push({ message, code, errno, syscall, path, dest });
    }
  }
  return seen;
}

const names: Step = async (fs, at) => (await fs.readdir(at('.'))).toSorted();

const scripts: Record<string, readonly Step[]> = {
  'a file is created, written, read and measured': [
    (fs, at) => put(fs, at('a'), 'hello'),
    (fs, at) => get(fs, at('a')),
    (fs, at) => put(fs, at('a'), 'hi'),
    (fs, at) => get(fs, at('a')),
    async (fs, at) => {
      const handle = await fs.open(at('b'), 'wx+', 0o600);
      const written = await handle.write(Buffer.from('__abc'), 2, 3, 4);
      const into = Buffer.alloc(12, 'x');
      const read = await handle.read(into, 1, 10, 2);
      const end = await handle.read(into, 0, 5, 100);
      await handle.truncate(6);
      await handle.truncate(9);
      await handle.sync();
      await handle.datasync();
      const { size } = await handle.stat();
      await handle.close();
      await handle.close();
      const counts = [written.bytesWritten, read.bytesRead, end.bytesRead];
      return [counts, text(into), size, await get(fs, at('b'))];
    },
    (fs, at) => look(fs, at('b')),
    (fs, at) => fs.lstat(at('b')).then((stat) => stat.isFile()),
    (fs, at) => fs.chmod(at('b'), 0o640),
    (fs, at) => look(fs, at('b')),
    names,
  ],
  'bytes that were cut off do not come back': [
    async (fs, at) => {
      const handle = await fs.open(at('a'), 'w+');
      await handle.write(Buffer.from('secret'), 0, 6, 0);
      await handle.truncate(2);
      await handle.write(Buffer.from('z'), 0, 1, 5);
      await handle.truncate(-1);
      await handle.truncate(3);
      await handle.close();
      return get(fs, at('a'));
    },
  ],
  'flags decide what may be done': [
    (fs, at) => fs.open(at('a')),
    (fs, at) => fs.open(at('a'), 'r+'),
    (fs, at) => fs.open(at('a'), 'sideways'),
    (fs, at) => put(fs, at('a'), 'one'),
    (fs, at) => fs.open(at('a'), 'wx'),
    (fs, at) => fs.open(at('a'), OPEN.createNew),
    (fs, at) => fs.open(at('a'), OPEN.folder),
    (fs, at) => fs.open(at('a/b')),
    (fs, at) => using(fs.open(at('a')), (handle) => handle.write(Buffer.from('x'), 0, 1, 0)),
    (fs, at) => using(fs.open(at('a')), (handle) => handle.truncate(0)),
    (fs, at) => using(fs.open(at('a'), 'a'), (handle) => handle.read(Buffer.alloc(1), 0, 1, 0)),
    async (fs, at) => {
      const handle = await fs.open(at('a'), 'a');
      await handle.write(Buffer.from('+two'), 0, 4, 0);
      await handle.close();
      return get(fs, at('a'));
    },
    async (fs, at) => {
      const handle = await fs.open(at('a'), OPEN.durableWrite);
      await handle.write(Buffer.from('O'), 0, 1, 0);
      await handle.close();
      return get(fs, at('a'));
    },
    async (fs, at) => {
      const handle = await fs.open(at('new'), OPEN.createNew, 0o600);
      await handle.write(Buffer.from('N'), 0, 1, 0);
      await handle.close();
      return [await get(fs, at('new')), await look(fs, at('new'))];
    },
  ],
  'a closed handle refuses everything': (
    ['write', 'read', 'stat', 'truncate', 'sync', 'datasync'] as const
  ).map((method): Step => async (fs, at) => {
    const handle = await fs.open(at('a'), 'w+');
    await handle.close();
    if (method === 'truncate') return handle.truncate(0);
    if (method !== 'write' && method !== 'read') return handle[method]();
    return handle[method](Buffer.alloc(1), 0, 1, 0);
  }),
  'folders are made, listed, synced and removed': [
    (fs, at) => fs.mkdir(at('f'), { mode: 0o700 }),
    (fs, at) => look(fs, at('f')),
    (fs, at) => fs.mkdir(at('f')),
    (fs, at) => fs.mkdir(at('no/f')),
    (fs, at) => fs.mkdir(at('x/y/z'), { recursive: true, mode: 0o700 }),
    (fs, at) => fs.mkdir(at('x/y/z'), { recursive: true }),
    (fs, at) => put(fs, at('file'), ''),
    (fs, at) => fs.mkdir(at('file')),
    (fs, at) => fs.mkdir(at('file'), { recursive: true }),
    (fs, at) => fs.mkdir(at('file/f')),
    (fs, at) => fs.mkdir(at('file/f/g'), { recursive: true }),
    names,
    (fs, at) => fs.readdir(at('x')),
    (fs, at) => fs.readdir(at('file')),
    (fs, at) => fs.readdir(at('no')),
    async (fs, at) => {
      const handle = await fs.open(at('f'), OPEN.folder);
      await handle.sync();
      const isFolder = (await handle.stat()).isDirectory();
      await handle.close();
      return isFolder;
    },
    (fs, at) => fs.open(at('f'), 'r+'),
    (fs, at) => fs.open(at('f'), 'w'),
    (fs, at) => fs.open(at('f'), 'a'),
    (fs, at) => fs.open(at('f'), 'wx'),
    (fs, at) => using(fs.open(at('f')), (handle) => handle.read(Buffer.alloc(1), 0, 1, 0)),
    (fs, at) => fs.rmdir(at('x')),
    (fs, at) => fs.rmdir(at('file')),
    (fs, at) => fs.rmdir(at('no')),
    (fs, at) => fs.rmdir(at('f')),
    names,
  ],
  'names are moved, shared and taken away': [
    (fs, at) => put(fs, at('a'), 'A'),
    (fs, at) => put(fs, at('b'), 'B'),
    (fs, at) => fs.rename(at('a'), at('b')),
    (fs, at) => get(fs, at('b')),
    (fs, at) => fs.rename(at('a'), at('c')),
    (fs, at) => fs.rename(at('b'), at('no/c')),
    (fs, at) => fs.link(at('b'), at('c')),
    (fs, at) => fs.link(at('b'), at('c')),
    (fs, at) => fs.link(at('no'), at('d')),
    (fs, at) => fs.rename(at('b'), at('c')),
    names,
    (fs, at) => fs.unlink(at('b')),
    (fs, at) => get(fs, at('c')),
    (fs, at) => fs.unlink(at('b')),
    (fs, at) => fs.mkdir(at('full/inner'), { recursive: true }),
    (fs, at) => fs.mkdir(at('empty')),
    (fs, at) => fs.unlink(at('empty')),
    (fs, at) => fs.link(at('empty'), at('d')),
    (fs, at) => fs.rename(at('c'), at('empty')),
    (fs, at) => fs.rename(at('empty'), at('c')),
    (fs, at) => fs.rename(at('empty'), at('full')),
    (fs, at) => fs.rename(at('full'), at('full/inner/deeper')),
    (fs, at) => fs.rename(at('full'), at('empty')),
    (fs, at) => fs.readdir(at('empty')),
    (fs, at) => fs.stat(at('full')),
    (fs, at) => fs.lstat(at('full')),
    (fs, at) => fs.chmod(at('full'), 0o600),
    names,
  ],
  'links are made, read, followed and kept': [
    (fs, at) => fs.mkdir(at('f/inner'), { recursive: true, mode: 0o700 }),
    (fs, at) => put(fs, at('f/a'), 'A'),
    (fs, at) => fs.symlink('f', at('link')),
    (fs, at) => fs.symlink('', at('empty')),
    (fs, at) => fs.symlink('f', at('link')),
    (fs, at) => fs.symlink('f', at('no/link')),
    (fs, at) => fs.readlink(at('link')),
    (fs, at) => fs.readlink(at('f')),
    (fs, at) => fs.readlink(at('no')),
    (fs, at) => look(fs, at('link')),
    async (fs, at) => {
      const stat = await fs.lstat(at('link'));
      return [stat.isSymbolicLink(), stat.isDirectory(), stat.size, stat.mode & 0o777];
    },
    (fs, at) => get(fs, at('link/a')),
    (fs, at) => fs.readdir(at('link')).then((all) => all.toSorted()),
    (fs, at) => fs.mkdir(at('link/made')),
    (fs, at) => fs.mkdir(at('link/x/y'), { recursive: true }),
    (fs, at) => fs.mkdir(at('link')),
    (fs, at) => fs.mkdir(at('link/a/b'), { recursive: true }),
    (fs, at) => fs.rmdir(at('link')),
    (fs, at) => fs.symlink('../../f/a', at('f/inner/up')),
    (fs, at) => get(fs, at('link/inner/up')),
    (fs, at) => fs.chmod(at('f/inner/up'), 0o640),
    (fs, at) => look(fs, at('f/a')),
    (fs, at) => fs.symlink(at('f/inner'), at('far')),
    (fs, at) => get(fs, at('far/up')),
    async (fs, at) => (await fs.realpath(at('far/up'))).endsWith('/f/a'),
    async (fs, at) => (await fs.realpath(at('far'))) === at('f/inner'),
    (fs, at) => fs.realpath(at('no')),
    (fs, at) => fs.symlink('nowhere', at('dangling')),
    (fs, at) => fs.realpath(at('dangling')),
    (fs, at) => fs.stat(at('dangling')),
    (fs, at) => fs.open(at('dangling')),
    (fs, at) => fs.open(at('dangling'), 'wx'),
    (fs, at) => fs.open(at('dangling'), OPEN.createNew),
    (fs, at) => fs.open(at('link'), OPEN.realFolder),
    (fs, at) => using(fs.open(at('link'), OPEN.folder), (handle) => handle.sync()),
    (fs, at) => fs.open(at('far/up'), OPEN.durableWrite),
    (fs, at) => put(fs, at('dangling'), 'N'),
    (fs, at) => get(fs, at('nowhere')),
    (fs, at) => fs.symlink('two', at('one')),
    (fs, at) => fs.symlink('one', at('two')),
    (fs, at) => fs.stat(at('one')),
    (fs, at) => fs.open(at('one/a'), 'w'),
    (fs, at) => fs.link(at('link'), at('second')),
    (fs, at) => fs.readlink(at('second')),
    (fs, at) => fs.rename(at('second'), at('third')),
    (fs, at) => fs.rename(at('third'), at('f')),
    (fs, at) => fs.rename(at('f'), at('third')),
    (fs, at) => fs.rename(at('third'), at('f/a')),
    (fs, at) => fs.readlink(at('f/a')),
    (fs, at) => fs.unlink(at('link')),
    (fs, at) => fs.symlink('f/..', at('back')),
    (fs, at) => fs.readdir(at('back')).then((all) => all.toSorted()),
    names,
  ],
  'every file has a number of its own, and a time that changes with it': [
    async (fs, at) => {
      await put(fs, at('a'), 'A');
      const first = await fs.stat(at('a'));
      await fs.rename(at('a'), at('b'));
      await fs.symlink('b', at('link'));
      const [renamed, link] = [await fs.stat(at('b')), await fs.lstat(at('link'))];
      await put(fs, at('a'), 'A');
      const other = await fs.stat(at('a'));
      const followed = await using(fs.open(at('link')), (handle) => handle.stat());
      return [renamed, other, link, followed].map(
        ({ dev, ino }) => dev === first.dev && ino === first.ino,
      );
    },
  ],
  'an open file goes on when its name is gone': [
    async (fs, at) => {
      await put(fs, at('a'), 'kept');
      const handle = await fs.open(at('a'), 'r+');
      await fs.unlink(at('a'));
      await put(fs, at('a'), 'new');
      await handle.write(Buffer.from('K'), 0, 1, 0);
      const into = Buffer.alloc(4);
      await handle.read(into, 0, 4, 0);
      await handle.close();
      return [text(into), await get(fs, at('a'))];
    },
  ],
};

describe('the file system in memory answers as the real one', () => {
  test.each(Object.entries(scripts))('%s', async (_title, steps) => {
    const folder = join(root, `script-${count++}`);
    await realFileSystem.mkdir(folder);
    const memory = createMemoryFileSystem();
    expect(await memory.mkdir(folder, { recursive: true })).toBe(`/${folder.split('/')[1]}`);
    const real = await play(realFileSystem, folder, steps);
    expect(await play(memory, folder, steps)).toEqual(real);
  });

  test('a file of 16 MB that is filled piece by piece costs few copies', async () => {
    const fs = createMemoryFileSystem();
    const handle = await fs.open('/segment', OPEN.createNew);
    const piece = Buffer.alloc(4096, 10);
    const size = 16 * 1024 * 1024;
    const started = performance.now();
    for (let at = 0; at < size; at += piece.length) await handle.write(piece, 0, 4096, at);
    // A copy at each of the 4,096 writes would move 32 GB.
    expect(performance.now() - started).toBeLessThan(2_000);
    expect((await handle.stat()).size).toBe(size);
  });

  test('two of them share nothing', async () => {
    const [one, two] = [createMemoryFileSystem(), createMemoryFileSystem()];
    await put(one, '/a', 'A');
    await expect(two.stat('/a')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
