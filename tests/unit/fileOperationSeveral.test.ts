import { createHash } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isStoreError, type StoreError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/ports/fileSystem.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { faulty } from './fileOperationFaults.ts';

let folder: string;
const files = new FileOperationService();
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await nodeFs.mkdtemp(join(tmpdir(), 'holdfast-several-'));
});
afterEach(() => nodeFs.rm(folder, { recursive: true, force: true }));

const OLD = { a: 'old a', 'sub/b': 'old b', c: undefined };
const NEW = { a: 'new a', 'sub/b': 'new b', c: 'new c' };
const entries = () => Object.entries(NEW).map(([name, data]) => ({ path: at(name), data }));

async function reset(): Promise<void> {
  await nodeFs.rm(folder, { recursive: true, force: true });
  await nodeFs.mkdir(at('sub'), { recursive: true });
  await nodeFs.writeFile(at('a'), OLD.a);
  await nodeFs.writeFile(at('sub/b'), OLD['sub/b']);
}

async function state(): Promise<Record<keyof typeof OLD, string | undefined>> {
  const text = async (name: string) => {
    const bytes = await files.readIfPresent(at(name));
    return bytes === undefined ? undefined : Buffer.from(bytes).toString();
  };
  return { a: await text('a'), 'sub/b': await text('sub/b'), c: await text('c') };
}

/** Every file below the folder, also hidden ones. */
const everything = async () => [await files.list(folder), await files.list(at('sub'))].flat();

async function attempt(service: FileOperationService): Promise<StoreError | undefined> {
  try {
    await service.writeAtomicAll(entries());
    return undefined;
  } catch (error) {
    if (isStoreError(error)) return error;
    throw error;
  }
}

describe('several files', () => {
  test('are all replaced, and nothing else is left [FO-1]', async () => {
    await reset();
    await files.writeAtomicAll(entries());
    await files.writeAtomicAll([]);
    expect(await state()).toEqual(NEW);
    expect(await everything()).toEqual(['a', 'c', 'sub', 'b']);
  });

  test.each(['EIO', 'ENOSPC'])(
    'all keep their old bytes whichever operation fails with %s [FO-1]',
    async (code) => {
      for (let nth = 1; ; nth++) {
        await reset();
        const faults = faulty(realFileSystem, { nth, code });
        const error = await attempt(new FileOperationService(faults.fs));
        const seen = await state();
        if (faults.fired === 0) {
          expect(seen).toEqual(NEW);
          expect(nth).toBeGreaterThan(40);
          return;
        }
        // A failure after the commit point is either none, or says that it is not sure.
        const done = error === undefined || error.code === 'OUTCOME_UNKNOWN';
        expect(seen).toEqual(done ? NEW : OLD);
        await files.removeTemporaries(folder, { recursive: true });
        expect(await state()).toEqual(seen);
        expect((await everything()).filter((name) => name.startsWith('.'))).toEqual([]);
      }
    },
  );

  test('are all old or all new after a crash at any operation [FO-1]', async () => {
    const outcomes = new Set<string>();
    for (let nth = 1; ; nth++) {
      await reset();
      const faults = faulty(realFileSystem, { nth, persistent: true });
      await attempt(new FileOperationService(faults.fs));
      if (faults.fired === 0) break;
      const before = await state();
      const rolledBack = await files.recover(folder);
      const seen = await state();
      const kind = seen.c === undefined ? OLD : NEW;
      expect(seen).toEqual(kind);
      if (JSON.stringify(before) !== JSON.stringify(seen)) {
        expect(rolledBack).toBe(1);
        outcomes.add('mended');
      }
      outcomes.add(kind === OLD ? 'old' : 'new');
      await files.removeTemporaries(folder, { recursive: true });
      expect((await everything()).filter((name) => name.startsWith('.'))).toEqual([]);
    }
    // All three were met, or the loop proved less than it says.
    expect([...outcomes].toSorted()).toEqual(['mended', 'new', 'old']);
  });

  test('are rolled back also when the rollback itself is interrupted anywhere [FO-1]', async () => {
    for (let nth = 1; ; nth++) {
      await halfWritten();
      const faults = faulty(realFileSystem, { nth, persistent: true });
      const dying = new FileOperationService(faults.fs);
      const recovered = await dying.recover(folder).catch((error: unknown) => error);
      if (faults.fired === 0) {
        expect(recovered).toBe(1);
        expect(nth).toBeGreaterThan(15);
        break;
      }
      await files.removeTemporaries(folder, { recursive: true });
      expect(await state()).toEqual(OLD);
      expect((await everything()).filter((name) => name.startsWith('.'))).toEqual([]);
    }
  });

  test('are told to be uncertain when the rollback fails, and recover then [FO-1]', async () => {
    await halfWritten((error) => {
      expect(error?.code).toBe('OUTCOME_UNKNOWN');
      expect(error?.cause).toMatchObject({ errors: [{ code: 'STORAGE_FAILED' }, { code: 'EIO' }] });
    });
    expect(await state()).not.toEqual(OLD);
    expect(await files.recover(folder)).toBe(1);
    expect(await state()).toEqual(OLD);
    expect(await files.recover(folder)).toBe(0);
  });

  test('a later write is not undone by an old undo file', async () => {
    await halfWritten();
    await files.writeAtomic(at('a'), 'later');
    await files.recover(folder);
    expect(await state()).toEqual({ ...OLD, a: 'later' });
  });

  test('the same file twice is refused before anything is written', async () => {
    const twice = [
      { path: at('a'), data: '1' },
      { path: at('sub/../a'), data: '2' },
    ];
    await expect(files.writeAtomicAll(twice)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await files.list(folder)).toEqual([]);
  });
});

/** A process that died between the renames: the undo file is there, the files are a mixture. */
async function halfWritten(check?: (error: StoreError | undefined) => void): Promise<void> {
  await reset();
  // The undo file is renamed first, then a; from sub/b on, taking back included, all fail.
  const { fs } = faulty(realFileSystem, { nth: 3, only: ['rename'], persistent: true });
  const error = await attempt(new FileOperationService(fs));
  check?.(error);
}

describe('an undo file', () => {
  const undo = '.holdfast-0123456789abcdef01234567.undo';
  const old = '.holdfast-0123456789abcdef01234567.old';

  async function plant(file: object, checksum?: string): Promise<void> {
    const text = JSON.stringify(file);
    const sum = checksum ?? `sha256:${createHash('sha256').update(text).digest('hex')}`;
    await nodeFs.writeFile(at(undo), `${text}\n${sum}\n`);
  }
  const digest = `sha256:${createHash('sha256').update('victim').digest('hex')}`;

  test('that is damaged is refused, and touches nothing', async () => {
    await plant({ format: 1, files: [] }, 'sha256:00');
    await expect(files.recover(folder)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await nodeFs.writeFile(at(undo), 'torn');
    await expect(files.recover(folder)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await expect(files.removeTemporaries(folder)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    expect(await files.list(folder)).toEqual([undo]);
  });

  test('of another format is refused', async () => {
    await plant({ format: 2, files: [] });
    await expect(files.recover(folder)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
  });

  test.each(['../victim', '/victim', 'sub/../../victim', './victim', '', 'sub//victim'])(
    'that names %j leads nowhere',
    async (path) => {
      await plant({ format: 1, files: [{ path, digest, old: null }] });
      await expect(files.recover(folder)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    },
  );

  test('that keeps old bytes outside is refused', async () => {
    await plant({ format: 1, files: [{ path: 'a', digest, old: `../${old}` }] });
    await expect(files.recover(folder)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  test('does not follow a link out of the folder', async () => {
    const outside = await nodeFs.mkdtemp(join(tmpdir(), 'holdfast-outside-'));
    try {
      await nodeFs.writeFile(join(outside, 'victim'), 'victim');
      await nodeFs.symlink(outside, at('sub'));
      await plant({ format: 1, files: [{ path: 'sub/victim', digest, old: null }] });
      await expect(files.recover(folder)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
      expect(await nodeFs.readdir(outside)).toEqual(['victim']);
    } finally {
      await nodeFs.rm(outside, { recursive: true });
    }
  });

  test('whose old bytes are gone is an error, and stays', async () => {
    await nodeFs.writeFile(at('a'), 'victim');
    await plant({ format: 1, files: [{ path: 'a', digest, old }] });
    await expect(files.recover(folder)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await files.list(folder)).toEqual([undo, 'a']);
  });
});
