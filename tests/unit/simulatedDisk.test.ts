import { constants } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { FileSystem } from '../../src/index.ts';
import { SeededRandom, SimulatedDisk } from '../../src/testkit.ts';
import { type DiskImage, fatesOf, imageOf, keyOf } from '../../src/testkit/simulatedDisk.ts';

const DURABLE = constants.O_RDWR | constants.O_DSYNC;

function newDisk(seed = 1): SimulatedDisk {
  return new SimulatedDisk({ random: new SeededRandom(seed) });
}

async function writeFile(fs: FileSystem, path: string, text: string, flags: string | number = 'w') {
  const handle = await fs.open(path, flags);
  const bytes = Buffer.from(text);
  await handle.write(bytes, 0, bytes.length, 0);
  return handle;
}

async function syncFolder(fs: FileSystem, path: string): Promise<void> {
  const handle = await fs.open(path, 'r');
  await handle.sync();
  await handle.close();
}

/** A file that is durable with its name. */
async function writeDurably(fs: FileSystem, path: string, text: string): Promise<void> {
  const handle = await writeFile(fs, path, text);
  await handle.sync();
  await handle.close();
  await syncFolder(fs, '/');
}

/** Every image that a power cut can leave at this moment. */
function images(disk: SimulatedDisk): DiskImage[] {
  const options = { random: new SeededRandom(7), stale: disk.stale, tearsMax: Infinity };
  const all = [...fatesOf(disk.surface, options)].map((fate) => imageOf(disk.surface, fate));
  return [...new Map(all.map((image) => [keyOf(image), image])).values()];
}

/** What can be in a file after a power cut; `null` where it is not there. */
function contents(disk: SimulatedDisk, path: string): (string | null)[] {
  const found = images(disk).map(({ files }) => files.get(path)?.toString('latin1') ?? null);
  return [...new Set(found)];
}

describe('a power cut on the simulated disk', () => {
  test('leaves nothing for certain of a file whose folder was not synced', async () => {
    const disk = newDisk();
    await (await writeFile(disk.fileSystem, '/a', 'text')).sync();
    expect(new Set(contents(disk, '/a'))).toEqual(new Set([null, 'text']));
  });

  test('leaves a name without its bytes where only the folder was synced', async () => {
    const disk = newDisk();
    await writeFile(disk.fileSystem, '/a', 'text');
    await syncFolder(disk.fileSystem, '/');
    expect(contents(disk, '/a')).toEqual(expect.arrayContaining(['', 'text']));
    expect(contents(disk, '/a')).not.toContain(null);
  });

  test('takes nothing from a file that was synced, and its folder too', async () => {
    const disk = newDisk();
    await writeDurably(disk.fileSystem, '/a', 'text');
    expect(contents(disk, '/a')).toEqual(['text']);
  });

  test('takes nothing from a completed write on O_DSYNC', async () => {
    const disk = newDisk();
    await writeDurably(disk.fileSystem, '/a', 'old text');
    await writeFile(disk.fileSystem, '/a', 'new', DURABLE);
    expect(contents(disk, '/a')).toEqual(['new text']);
  });

  test('decides a write on O_DSYNC that has not been completed either way', async () => {
    const disk = newDisk();
    await writeDurably(disk.fileSystem, '/a', 'old');
    const seen: (string | null)[] = [];
    disk.onEvent = (n) => {
      if (disk.events[n]?.kind === 'write') seen.push(...contents(disk, '/a'));
    };
    await writeFile(disk.fileSystem, '/a', 'new', DURABLE);
    expect(seen).toEqual(expect.arrayContaining(['old', 'new']));
  });

  test('tears a write at 512 and at 4096 bytes, in any order of sectors, with every fill', async () => {
    const disk = newDisk();
    await writeDurably(disk.fileSystem, '/a', 'o'.repeat(8192));
    await writeFile(disk.fileSystem, '/a', 'n'.repeat(8192), constants.O_RDWR);
    const found = contents(disk, '/a') as string[];
    const shape = (size: number) =>
      new Set(found.map((text) => sectors(text, size)).filter((it) => it !== undefined));
    expect(shape(4096)).toEqual(
      new Set(['on', 'no', 'nn', 'oo', 'zn', 'nz', 'zz', 'ln', 'nl', 'll']),
    );
    const some = (pattern: RegExp) => [...shape(512)].some((it) => pattern.test(it));
    expect(some(/^o+n+o*$/)).toBe(true);
    expect(some(/^n+o+n+$/)).toBe(true);
    expect(some(/z/)).toBe(true);
    expect(found.some((text) => /[^on\0\n]/.test(text))).toBe(true);
  });

  test('keeps any subset of the names of a folder, and each rename whole', async () => {
    const disk = newDisk();
    await writeDurably(disk.fileSystem, '/a', 'a');
    await writeDurably(disk.fileSystem, '/b', 'b');
    await disk.fileSystem.rename('/a', '/x');
    await disk.fileSystem.rename('/b', '/y');
    const names = images(disk).map(({ files }) => [...files.keys()].join(' '));
    expect(new Set(names)).toEqual(new Set(['/a /b', '/b /x', '/a /y', '/x /y']));
  });

  test('can keep both names, or neither, of a file that moved between folders', async () => {
    const disk = newDisk();
    const { fileSystem } = disk;
    for (const folder of ['/p', '/q']) await fileSystem.mkdir(folder);
    await (await writeFile(fileSystem, '/p/a', 'a')).sync();
    for (const folder of ['/p', '/']) await syncFolder(fileSystem, folder);
    await fileSystem.rename('/p/a', '/q/a');
    const names = images(disk).map(({ files }) => [...files.keys()].join(' '));
    expect(new Set(names)).toEqual(new Set(['/p/a', '/q/a', '/p/a /q/a', '']));
  });

  test('takes what was written after a sync began, and keeps what was before', async () => {
    const disk = newDisk();
    await writeDurably(disk.fileSystem, '/a', '....');
    const handle = await disk.fileSystem.open('/a', constants.O_RDWR);
    await handle.write(Buffer.from('1'), 0, 1, 0);
    await Promise.all([handle.sync(), handle.write(Buffer.from('2'), 0, 1, 1)]);
    const found = contents(disk, '/a');
    expect(found).toEqual(expect.arrayContaining(['1...', '12..']));
    expect(found.every((text) => text?.startsWith('1'))).toBe(true);
  });
});

describe('a sync that fails on the simulated disk', () => {
  test('marks the bytes clean: the next sync succeeds, and saves nothing of them', async () => {
    const disk = newDisk();
    await writeDurably(disk.fileSystem, '/a', 'old');
    const handle = await writeFile(disk.fileSystem, '/a', 'new', constants.O_RDWR);
    disk.fault = ({ op }) => (op === 'sync' ? 'EIO' : undefined);
    await expect(handle.sync()).rejects.toMatchObject({ code: 'EIO' });
    disk.fault = () => undefined;
    await handle.sync();
    expect(contents(disk, '/a')).toEqual(expect.arrayContaining(['old', 'new']));
  });
});

describe('a full simulated disk', () => {
  test('takes part of a write, then none', async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1), bytesMax: 5 });
    const handle = await disk.fileSystem.open('/a', 'w');
    const bytes = Buffer.from('1234567');
    expect(await handle.write(bytes, 0, 7, 0)).toEqual({ bytesWritten: 5 });
    await expect(handle.write(bytes, 0, 7, 5)).rejects.toMatchObject({ code: 'ENOSPC' });
    // What does not grow needs no room.
    expect(await handle.write(bytes, 0, 5, 0)).toEqual({ bytesWritten: 5 });
  });
});

describe('a process on the simulated disk', () => {
  test('that was killed learns nothing more, and leaves what it wrote, not yet durable', async () => {
    const disk = newDisk();
    const before = disk.fileSystem;
    await writeFile(before, '/a', 'text');
    disk.kill();
    await expect(before.stat('/a')).rejects.toMatchObject({ code: 'EIO' });
    expect((await disk.fileSystem.stat('/a')).size).toBe(4);
    expect(contents(disk, '/a')).toContain(null);
  });

  test('finds after a power cut what was durable, and the rest by chance', async () => {
    const found = new Set<boolean>();
    for (let seed = 0; seed < 20; seed++) {
      const disk = newDisk(seed);
      await writeDurably(disk.fileSystem, '/safe', 'safe');
      await writeFile(disk.fileSystem, '/perhaps', 'perhaps');
      await disk.cutPower();
      const names = await disk.fileSystem.readdir('/');
      expect(names).toContain('safe');
      found.add(names.includes('perhaps'));
    }
    expect(found).toEqual(new Set([true, false]));
  });

  test('that was under way when the power went does nothing to the disk that comes back', async () => {
    const disk = newDisk();
    await writeDurably(disk.fileSystem, '/a', 'text');
    const handle = await disk.fileSystem.open('/a', constants.O_RDWR);
    const write = handle.write(Buffer.from('late'), 0, 4, 0).catch(() => undefined);
    await disk.cutPower();
    await write;
    expect(disk.surface.pending).toEqual([]);
    expect(images(disk)).toHaveLength(1);
  });

  test('does the same again with the same seed', async () => {
    const played = async () => {
      const disk = new SimulatedDisk({ random: new SeededRandom(3), turnsMax: 9 });
      const names = ['/a', '/b', '/c', '/d'];
      await Promise.all(names.map((name) => writeFile(disk.fileSystem, name, name)));
      return disk.events;
    };
    expect(await played()).toEqual(await played());
  });
});

/** A letter for each sector: old, new, zeros, lines; `undefined` where one is mixed or of noise. */
function sectors(text: string, size: number): string | undefined {
  let shape = '';
  for (let at = 0; at < text.length; at += size) {
    const sector = text.slice(at, at + size);
    const kind = ['o', 'n', '\0', '\n'].find((letter) => sector === letter.repeat(sector.length));
    if (kind === undefined) return undefined;
    shape += kind === '\0' ? 'z' : kind === '\n' ? 'l' : kind;
  }
  return shape;
}
