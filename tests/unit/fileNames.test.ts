import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createMemoryFileSystem, type FileSystem } from '../../src/index.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { SEED } from '../fixtures/proof.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld } from './fileWorlds.ts';
import { foldingFileSystem } from './foldingFileSystem.ts';

const { names } = new FileOperationService(createMemoryFileSystem());
const INVALID = { code: 'INVALID_ARGUMENT' };
const E_ACUTE = '\u00e9';
const E_AND_ACUTE = 'e\u0301';

const outcome = (work: () => string): string => {
  try {
    return work();
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a path', () => {
  test.each([
    '..',
    '../a',
    'a/../../b',
    'a/..',
    '/a',
    '//host/share',
    'C:',
    'c:\\a',
    'c:a',
    'a\\b',
    '..\\a',
    'a\0b',
    'a\ud800',
  ])('that could lead out of its folder somewhere is refused: %j [FO-9]', (path) => {
    expect(() => names.normalize(path)).toThrow(expect.objectContaining(INVALID));
    expect(() => names.check(path)).toThrow(expect.objectContaining(INVALID));
  });

  test.each([
    [
      'CON',
      'nul',
      'Prn.txt',
      'AUX.tar.gz',
      'com1',
      'LPT9.log',
      'COM\u00b9',
      'lpt\u00b3.x',
      'CONIN$',
    ],
    ['nul .txt', 'a/con/b', 'a/COM0'],
    ['a.', 'a ', 'a./b', '...', ' '],
    ['a<b', 'a>b', 'a:b', 'a"b', 'a|b', 'a?b', 'a*b'],
    ['a\nb', 'a\tb', '\u0001', 'a\u007f', 'a\u0085'],
    ['', '.', './', 'a//\u0000'],
  ])('that some system does not take is refused: %j, %j… [FO-9]', (...paths) => {
    const codes = paths.map((path) => outcome(() => names.check(path)));
    expect(codes).toEqual(paths.map(() => INVALID.code));
  });

  test('of ordinary names is taken as it is, in NFC [FO-9]', () => {
    const taken = [
      'a',
      'a/b.c',
      '.hidden',
      'console',
      'com',
      'com10',
      'lpt',
      'nul-',
      'x.con',
      'COMx',
    ];
    expect(taken.map((path) => names.check(path))).toEqual(taken);
    expect(names.check(`caf${E_AND_ACUTE}/x`)).toBe(`caf${E_ACUTE}/x`);
    expect(names.check('日本/🎉 party (1)')).toBe('日本/🎉 party (1)');
    expect(names.normalize(`./a//b/./caf${E_AND_ACUTE}/`)).toBe(`a/b/caf${E_ACUTE}`);
    expect(names.normalize('')).toBe('');
    expect(names.normalize('CON: what Linux takes?')).toBe('CON: what Linux takes?');
  });

  test('is measured in bytes, a name and the whole [FO-9]', () => {
    expect(names.check('é'.repeat(127))).toHaveLength(127);
    expect(outcome(() => names.check('é'.repeat(128)))).toBe('LIMIT_EXCEEDED');
    const long = `${'a'.repeat(199)}/`.repeat(5);
    expect(names.check(`${long}${'b'.repeat(23)}`)).toHaveLength(1_023);
    expect(outcome(() => names.check(`${long}${'b'.repeat(24)}`))).toBe('LIMIT_EXCEEDED');
  });
});

describe('any text', () => {
  test('becomes a portable name that can be read [FO-9]', () => {
    const made = ['a/b: 50%', 'CON', 'nul.txt', '..', 'end. ', '', 'caf\u00e9', 'a\ud800b'].map(
      (text) => names.portable(text),
    );
    expect(made).toEqual([
      'a%2Fb%3A 50%25',
      '%43ON',
      '%6Eul.txt',
      '.%2E',
      'end.%20',
      '%',
      'caf\u00e9',
      'a%uD800b',
    ]);
  });

  test('becomes a name that is allowed, and another for every other text [FO-9]', () => {
    const char = fc.constantFrom(...Array.from('aA%~. /:\\con\u00e9🎉0f\ud800\n'));
    const short = fc.array(char, { maxLength: 12 }).map((chars) => chars.join(''));
    const long = fc
      .tuple(short, fc.integer({ min: 60, max: 300 }))
      .map(([text, times]) => `${text}x`.repeat(times));
    const text = fc.oneof(short, long, fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(text, text, (one, two) => {
        const [a, b] = [names.portable(one), names.portable(two)];
        expect(names.check(a)).toBe(a);
        expect(a === b).toBe(one.normalize('NFC') === two.normalize('NFC'));
        // What was made of a long text is, as a text, another one.
        expect(names.portable(a) === a).toBe(!/%|~[0-9a-f]{32}$/.test(a));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

describe('paths that go to one folder together', () => {
  test('are refused when one would overwrite another somewhere [FO-9]', () => {
    expect(names.checkAll(['a', 'b/c', 'b/d', 'B2'])).toEqual(['a', 'b/c', 'b/d', 'B2']);
    for (const together of [
      ['README', 'readme'],
      ['a', 'a'],
      [`caf${E_ACUTE}`, `caf${E_AND_ACUTE}`],
      ['src/a', 'SRC/b'],
      ['a', 'a/b'],
      ['a/b', 'a'],
      ['Straße', 'STRASSE'],
      ['a', 'b/../a'],
    ]) {
      expect(() => names.checkAll(together)).toThrow(expect.objectContaining(INVALID));
    }
    const folding = { case: false, unicode: true };
    expect(names.checkAll(['README', 'readme', 'A/x', 'a/y'], folding)).toHaveLength(4);
    expect(() => names.checkAll(['a', 'a'], folding)).toThrow(/a would be the same file as a/);
  });
});

describe.each(FILE_WORLDS)('a folder on $disk', ({ open }) => {
  let world: FileWorld;
  beforeEach(async () => void (world = await open()));
  afterEach(() => world.close());

  /** The same disk, as one that folds. */
  const folding = (what: Parameters<typeof foldingFileSystem>[1]): FileOperationService =>
    world.serviceOn(foldingFileSystem(world.fs, what));

  test.each([
    { case: true, unicode: true },
    { case: true, unicode: false },
    { case: false, unicode: true },
    { case: false, unicode: false },
  ])('is asked by a probe whether it folds, and nothing stays: %j [FO-9]', async (what) => {
    const files = folding(what);
    expect(await files.names.folding(world.folder)).toEqual(what);
    expect(await world.files.list(world.folder)).toEqual([]);
  });

  test('is asked once, and again when another folder has its name [FO-9]', async () => {
    const { fs, at, serviceOn } = world;
    await fs.mkdir(at('f'));
    const faults = faulty(fs, { nth: Infinity, only: ['open'] });
    const files = serviceOn(faults.fs);
    for (let n = 0; n < 3; n++) await files.names.folding(at('f'));
    expect(faults.operations).toBe(1);
    // Both are there for a moment, so that they have different numbers.
    await fs.mkdir(at('g'));
    await fs.rmdir(at('f'));
    await fs.rename(at('g'), at('f'));
    await files.names.folding(at('f'));
    expect(faults.operations).toBe(2);
    await expect(files.names.folding(at('no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('loses a probe that a crash has left, with the other temporary files [FO-9]', async () => {
    const { fs, folder, files } = world;
    const { fs: dying } = faulty(fs, { nth: 1, only: ['lstat', 'unlink'], persistent: true });
    await expect(world.serviceOn(dying).names.folding(folder)).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
    expect(await files.list(folder)).toHaveLength(1);
    expect(await files.removeTemporaries(folder)).toBe(1);
    expect(await files.list(folder)).toEqual([]);
  });

  test('that folds case gives no place to a name that would overwrite another [FO-9]', async () => {
    const { fs, at, folder } = world;
    const files = folding({ case: true, unicode: true });
    await files.writeAtomic(at('ReadMe'), 'theirs');
    await fs.mkdir(at('Src'));
    const taken = { code: 'ALREADY_EXISTS' };
    await expect(files.names.place(folder, 'README')).rejects.toMatchObject(taken);
    await expect(files.names.place(folder, 'src/a')).rejects.toMatchObject(taken);
    await expect(files.names.place(folder, 'Src/../x')).rejects.toMatchObject(INVALID);
    expect(await files.names.place(folder, 'ReadMe')).toBe(at('ReadMe'));
    expect(await files.names.place(folder, 'Src/a/b')).toBe(at('Src/a/b'));
    expect(await world.text('ReadMe')).toBe('theirs');
  });

  test('that folds nothing gives each its own [FO-9]', async () => {
    const { at, folder } = world;
    const files = folding({ case: false, unicode: false });
    await files.writeAtomic(at('ReadMe'), 'theirs');
    const place = await files.names.place(folder, 'README');
    await files.writeAtomic(place, 'ours');
    expect(await world.text('ReadMe')).toBe('theirs');
    expect(await world.text('README')).toBe('ours');
  });

  test('that keeps names as NFD gives the same file its place again [FO-9]', async () => {
    const { folder } = world;
    const fs = foldingFileSystem(world.fs, { case: true, unicode: true });
    const asMacOs: FileSystem = {
      ...fs,
      readdir: async (path) => (await fs.readdir(path)).map((name) => name.normalize('NFD')),
    };
    const files = world.serviceOn(asMacOs);
    const place = await files.names.place(folder, `caf${E_ACUTE}`);
    await files.writeAtomic(place, 'x');
    expect(await files.names.place(folder, `caf${E_AND_ACUTE}`)).toBe(place);
    await expect(files.names.place(folder, `CAF${E_ACUTE}`)).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });
});
