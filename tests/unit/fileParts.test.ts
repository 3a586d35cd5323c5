import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isStoreError } from '../../src/lib/errors.ts';
import type { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { SEED } from '../fixtures/proof.ts';
import { afterCrash, crashesOf } from './fileCrashes.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld, turns } from './fileWorlds.ts';

const digestOf = (data: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(data).digest('hex')}`;

let world: FileWorld;
afterEach(() => world.close());

/** One of each kind, on a file `0123456789`, and what it makes of it. */
const CHANGES = [
  ['write', '01abc56789', (files, path) => files.parts.write(path, 2, 'abc')],
  ['append', '0123456789abc', (files, path) => files.parts.append(path, 'abc')],
  ['truncate', '0123', (files, path) => files.parts.truncate(path, 4)],
  [
    'patch',
    'ab2cd567890xy',
    (files, path) =>
      files.parts.patch(path, [
        { position: 10, data: '0xy' },
        { position: 0, data: 'ab' },
        { position: 3, data: Buffer.from('cd') },
      ]),
  ],
] as const satisfies [
  string,
  string,
  (files: FileOperationService, path: string) => Promise<unknown>,
][];
const OLD = '0123456789';

describe.each(FILE_WORLDS)('a part of a file on $disk', ({ open }) => {
  beforeEach(async () => {
    world = await open();
    await world.files.writeAtomic(world.at('a'), OLD);
  });

  test.each(CHANGES)('is changed by %s: %s [FO-12]', async (_name, expected, change) => {
    const { files, at, folder, text } = world;
    const changed = await change(files, at('a'));
    expect(changed).toEqual({ size: expected.length, digest: digestOf(expected) });
    expect(await text('a')).toBe(expected);
    expect(await files.list(folder)).toEqual(['a']);
  });

  test('may reach beyond the end, and zeros come by truncating alone [FO-12]', async () => {
    const { files, at, text } = world;
    await files.parts.write(at('a'), 8, 'abc');
    expect(await text('a')).toBe('01234567abc');
    await files.parts.write(at('a'), 11, 'd');
    await expect(files.parts.write(at('a'), 13, 'x')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await files.parts.truncate(at('a'), 14);
    expect(await text('a')).toBe('01234567abcd\0\0');
    await files.parts.write(at('a'), 0, '');
    await files.parts.truncate(at('a'), 0);
    expect(await text('a')).toBe('');
    await files.parts.append(at('a'), '');
    expect(await text('a')).toBe('');
  });

  test('is changed only where the whole file has the expected digest [FO-12]', async () => {
    const { files, at, folder, text } = world;
    const stale = { ifMatch: digestOf('other') };
    for (const change of [
      files.parts.write(at('a'), 0, 'x', stale),
      files.parts.append(at('a'), 'x', stale),
      files.parts.truncate(at('a'), 1, stale),
      files.parts.patch(at('a'), [], stale),
    ]) {
      await expect(change).rejects.toMatchObject({ code: 'VERSION_CONFLICT', retryable: true });
    }
    expect(await text('a')).toBe(OLD);
    expect(await files.list(folder)).toEqual(['a']);
    const first = await files.parts.truncate(at('a'), 5, { ifMatch: digestOf(OLD) });
    const second = await files.parts.append(at('a'), 'x', { ifMatch: first.digest });
    expect(second).toEqual({ size: 6, digest: digestOf('01234x') });
  });

  test('goes to one of many who expect the same, and to all who expect nothing [FO-12] [FO-2]', async () => {
    const { files, at, text } = world;
    const { digest } = await files.parts.truncate(at('a'), 0);
    const rivals = Array.from({ length: 10 }, (_, n) =>
      files.parts.append(at('a'), `${n}`, { ifMatch: digest }),
    );
    const outcomes = await Promise.allSettled(rivals);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      ...Array.from({ length: 9 }, () => 'rejected'),
    ]);
    expect(await text('a')).toBe('0');
    // Three ways to add, one file, and no addition is lost.
    await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        n % 2 === 0 ? files.append(at('a'), 'x') : files.parts.append(at('a'), 'y'),
      ),
    );
    expect(await text('a')).toBe(`0${'xy'.repeat(6)}`);
  });

  test('is changed before or after a whole write, and takes none back [FO-12] [FO-2]', async () => {
    const { files, at, fs, serviceOn, text } = world;
    async function* source() {
      yield Buffer.from('new');
    }
    const entries = [at('b'), at('a')].map((path) => ({ path, data: 'new' }));
    const writes: readonly ((service: FileOperationService) => Promise<unknown>)[] = [
      (service) => service.writeAtomic(at('a'), 'new'),
      (service) => service.writeAtomicAll(entries),
      (service) => service.writeStream(at('a'), source()),
      (service) => service.checksums.write(at('a'), 'new'),
    ];
    for (const write of writes) {
      await files.writeAtomic(at('a'), 'old');
      const watched = faulty(fs, { nth: Infinity }).fs;
      let writing: Promise<unknown> | undefined;
      const service = serviceOn({
        ...watched,
        // The last look at the name before it is given to the new file.
        lstat: async (path) => {
          const stat = await watched.lstat(path);
          writing ??= write(service);
          await turns();
          return stat;
        },
      });
      await service.parts.append(at('a'), '+');
      await writing;
      expect(await text('a')).toBe('new');
      await service.parts.append(at('a'), '+');
      expect(await text('a')).toBe('new+');
    }
  });

  test('keeps the permissions of the file [FO-12] [FO-4]', async () => {
    const { files, at } = world;
    for (const mode of [0o600, 0o640, 0o755]) {
      await files.permissions.set(at('a'), mode);
      await files.parts.append(at('a'), 'x');
      expect(await files.permissions.get(at('a'))).toBe(mode);
    }
  });

  test.each(CHANGES)(
    'is old or new whichever operation of %s fails [FO-12] [FO-1]',
    async (_name, expected, change) => {
      const { files, at, folder, fs, serviceOn, text } = world;
      for (const code of ['EIO', 'ENOSPC']) {
        for (let nth = 1; ; nth++) {
          await files.writeAtomic(at('a'), OLD);
          const faults = faulty(fs, { nth, code });
          const failure: unknown = await change(serviceOn(faults.fs), at('a')).then(
            () => undefined,
            (error: unknown) => error,
          );
          const isNew = failure === undefined || isStoreError(failure, 'OUTCOME_UNKNOWN');
          const refusal = code === 'EIO' ? 'STORAGE_FAILED' : 'STORAGE_FULL';
          if (!isNew) expect(failure).toMatchObject({ code: refusal });
          expect(await text('a')).toBe(isNew ? expected : OLD);
          expect(await files.list(folder)).toEqual(['a']);
          if (faults.fired === 0) {
            expect(nth).toBeGreaterThan(12);
            break;
          }
        }
      }
    },
  );

  test('is refused where it makes no sense, and where there is no file [FO-12]', async () => {
    const { files, at, folder, text } = world;
    const overlapping = [
      { position: 0, data: 'abc' },
      { position: 2, data: 'x' },
    ];
    for (const wrong of [
      files.parts.patch(at('a'), overlapping),
      files.parts.write(at('a'), -1, 'x'),
      files.parts.write(at('a'), 0.5, 'x'),
      files.parts.truncate(at('a'), NaN),
    ]) {
      await expect(wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(await text('a')).toBe(OLD);
    const missing = files.parts.append(at('no'), 'x');
    await expect(missing).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(files.parts.append(folder, 'x')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await files.list(folder)).toEqual(['a']);
  });

  test('of any size and place is as in a copy in memory [FO-12]', async () => {
    const { files, at } = world;
    const length = fc.integer({ min: 0, max: 700_000 });
    const change = fc.record({ size: length, at: length, bytes: length, fill: fc.nat(255) });
    const changes = fc.array(change, { minLength: 1, maxLength: 4 });
    const property = fc.asyncProperty(changes, async (all) => {
      let model: Buffer = Buffer.alloc(0);
      await files.writeAtomic(at('a'), model);
      for (const { size, at: place, bytes, fill } of all) {
        const resized = Buffer.alloc(size);
        model.copy(resized);
        const before = digestOf(model);
        const { digest } = await files.parts.truncate(at('a'), size, { ifMatch: before });
        const position = Math.min(place, size);
        const data = Buffer.alloc(bytes, fill);
        model = Buffer.alloc(Math.max(size, position + bytes));
        resized.copy(model);
        data.copy(model, position);
        const stored = await files.parts.write(at('a'), position, data, { ifMatch: digest });
        expect(stored).toEqual({ size: model.length, digest: digestOf(model) });
      }
      expect(Buffer.compare(await files.read(at('a')), model)).toBe(0);
    });
    await fc.assert(property, { seed: SEED, numRuns: 8 });
  });
});

describe('a part of a file', () => {
  const SIZE = 9_000;
  const [old, fresh] = [Buffer.alloc(SIZE, 'old '), Buffer.alloc(SIZE + 500, 'fresh ')];
  const ranges = [
    { position: 0, data: fresh.subarray(0, 700) },
    { position: 4_000, data: fresh.subarray(4_000, 5_000) },
    { position: SIZE, data: fresh.subarray(SIZE) },
  ];
  const patched = Buffer.concat([old, Buffer.alloc(500)]);
  for (const { position, data } of ranges) data.copy(patched, position);

  test.each([
    ['patch', patched, (files: FileOperationService) => files.parts.patch('/files/a', ranges)],
    ['write', undefined, (files: FileOperationService) => files.parts.write('/files/a', 9, 'x')],
    ['append', undefined, (files: FileOperationService) => files.parts.append('/files/a', 'xyz')],
    ['truncate', undefined, (files: FileOperationService) => files.parts.truncate('/files/a', 5)],
  ] as const)(
    'is as before or as after a power cut, at every operation of %s [FO-12]',
    async (_name, expected, work) => {
      const before = digestOf(old);
      let after = expected && digestOf(expected);
      const crashes = await crashesOf(
        (files) => files.writeAtomic('/files/a', old),
        async (files) => {
          const { digest } = await work(files);
          expect(digest).toBe((after ??= digest));
        },
      );
      const seen = new Set<string>();
      for (const crash of crashes) {
        const files = await afterCrash(crash);
        const digest = await files.checksum('/files/a');
        expect(crash.event === undefined ? [after] : [before, after]).toContain(digest);
        expect(await files.list('/files')).toEqual(['a']);
        seen.add(digest);
      }
      expect(seen).toEqual(new Set([before, after]));
      expect(crashes.length).toBeGreaterThan(6);
    },
  );

  test('that another process changed meanwhile is a conflict, and theirs stays [FO-12] [ES-5]', async () => {
    world = await FILE_WORLDS[0].open();
    const { at, files, fs, serviceOn, text } = world;
    const theirs = [
      // In place of the file, or longer, or shorter, at its last moment.
      () => files.writeAtomic(at('a'), 'theirs'),
      () => nodeFs.appendFile(at('a'), 'theirs'),
      () => nodeFs.truncate(at('a'), 3),
    ];
    for (const meddle of theirs) {
      for (const when of ['write', 'sync'] as const) {
        await files.writeAtomic(at('a'), OLD);
        let after: string | undefined;
        const meddling = serviceOn({
          ...fs,
          async open(path, flags, mode) {
            const handle = await fs.open(path, flags, mode);
            const call = handle[when].bind(handle) as (...args: unknown[]) => Promise<unknown>;
            const meddled = async (...args: unknown[]) => {
              const result = await call(...args);
              if (after === undefined) await meddle();
              return ((after ??= await text('a')), result);
            };
            return Object.assign(handle, { [when]: meddled });
          },
        });
        const refused = meddling.parts.write(at('a'), 0, 'x');
        await expect(refused).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
        expect(await text('a')).toBe(after);
        expect(after).not.toBe(OLD);
        expect(await files.list(world.folder)).toEqual(['a']);
      }
    }
  });

  test('that shrinks while it is read is a conflict [FO-12] [ES-5]', async () => {
    world = await FILE_WORLDS[0].open();
    const { at, files, fs, serviceOn } = world;
    await files.writeAtomic(at('a'), OLD);
    const meddling = serviceOn({
      ...fs,
      async open(path, flags, mode) {
        const handle = await fs.open(path, flags, mode);
        await nodeFs.truncate(path, 3).catch(() => undefined);
        return Object.assign(handle, {
          stat: async () => ({ ...(await fs.lstat(path)), size: 10 }),
        });
      },
    });
    await expect(meddling.parts.append(at('a'), 'x')).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
    });
    expect(await files.list(world.folder)).toEqual(['a']);
  });

  test('is not written through a link [FO-12]', async () => {
    world = await FILE_WORLDS[0].open();
    const { at, files, text } = world;
    await files.writeAtomic(at('target'), 'untouched');
    await nodeFs.symlink(at('target'), at('link'));
    await expect(files.parts.append(at('link'), 'x')).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      cause: { code: 'ELOOP' },
    });
    expect(await text('target')).toBe('untouched');
  });

  test('loses no update of three processes under one lock [FO-12] [FO-2]', async () => {
    world = await FILE_WORLDS[0].open();
    const { at, files, folder, text } = world;
    await files.writeAtomic(at('log'), '');
    const child = fileURLToPath(new URL('./fileOperationChild.ts', import.meta.url));
    const run = () => promisify(execFile)(process.execPath, [child, 'appendParts', folder, '15']);
    await Promise.all([run(), run(), run()]);
    expect(await text('log')).toBe('x'.repeat(45));
  }, 60_000);
});
