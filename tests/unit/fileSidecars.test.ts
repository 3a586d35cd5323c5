import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isStoreError } from '../../src/lib/errors.ts';
import { collect } from '../fixtures/collect.ts';
import { afterCrash, crashesOf } from './fileCrashes.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld, turns } from './fileWorlds.ts';

/** The command that others verify with. */
const SHA256SUM = 'sha256sum';
const hex = (text: string): string => createHash('sha256').update(text).digest('hex');
const digestOf = (text: string): string => `sha256:${hex(text)}`;

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

let world: FileWorld;
afterEach(() => world.close());

describe.each(FILE_WORLDS)('a sidecar on $disk', ({ open }) => {
  beforeEach(async () => void (world = await open()));

  test('is written with its file, in the format of sha256sum [FO-11]', async () => {
    const { files, at, text, folder } = world;
    const stored = await files.checksums.write(at('a'), 'text');
    expect(stored).toEqual({ size: 4, digest: digestOf('text') });
    expect(await text('a')).toBe('text');
    expect(await text('a.sha256')).toBe(`${hex('text')}  a\n`);
    expect(await files.list(folder)).toEqual(['a', 'a.sha256']);
    await files.checksums.write(at('a'), 'other');
    expect(await text('a.sha256')).toBe(`${hex('other')}  a\n`);
  });

  test('has the digest of a stream, computed as it passes [FO-11] [FO-3]', async () => {
    const { files, at, text, folder } = world;
    const progress: number[] = [];
    const onProgress = (bytes: number) => void progress.push(bytes);
    const source = chunks('one', 'two');
    const stored = await files.checksums.writeStream(at('a'), source, { onProgress });
    expect(stored).toEqual({ size: 6, digest: digestOf('onetwo') });
    expect(progress).toEqual([3, 6]);
    expect(await text('a.sha256')).toBe(`${hex('onetwo')}  a\n`);
    async function* broken() {
      yield Buffer.from('half');
      throw new Error('pipe');
    }
    await expect(files.checksums.writeStream(at('a'), broken())).rejects.toThrow('pipe');
    expect(await files.checksums.verify(at('a'))).toMatchObject({ status: 'ok' });
    expect(await files.list(folder)).toEqual(['a', 'a.sha256']);
  });

  test('tells of each file what it finds [FO-11]', async () => {
    const { files, at } = world;
    const { checksums } = files;
    for (const name of ['ok', 'changed', 'gone', 'bad']) await checksums.write(at(name), name);
    await files.writeAtomic(at('changed'), 'other');
    await files.remove(at('gone'));
    await files.writeAtomic(at('bad.sha256'), `${hex('bad')}  another\n`);
    await files.writeAtomic(at('alone'), 'alone');
    const [ok, changed, gone, bad, alone, never] = await Promise.all(
      ['ok', 'changed', 'gone', 'bad', 'alone', 'never'].map((name) => checksums.verify(at(name))),
    );
    const [expected, actual] = [digestOf('changed'), digestOf('other')];
    expect(ok).toEqual({
      path: at('ok'),
      status: 'ok',
      expected: digestOf('ok'),
      actual: digestOf('ok'),
    });
    expect(changed).toEqual({ path: at('changed'), status: 'differs', expected, actual });
    expect(gone).toEqual({ path: at('gone'), status: 'missing', expected: digestOf('gone') });
    expect(bad).toEqual({ path: at('bad'), status: 'bad sidecar' });
    expect(alone).toEqual({ path: at('alone'), status: 'no sidecar' });
    expect(never).toEqual({ path: at('never'), status: 'missing' });
    // As Windows ends lines, and in capitals.
    const foreign = `${hex('alone').toUpperCase()} *alone\r\n`;
    await files.writeAtomic(at('alone.sha256'), foreign);
    expect(await checksums.verify(at('alone'))).toMatchObject({ status: 'ok' });
    expect(await checksums.record(at('changed'))).toBe(actual);
    expect(await checksums.verify(at('changed'))).toMatchObject({ status: 'ok' });
    await expect(checksums.record(at('never'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('reports on a whole folder in order, and below it when asked [FO-11]', async () => {
    const { files, at, folder } = world;
    const { checksums } = files;
    await files.ensureFolder(at('sub'));
    for (const name of ['b', 'sub/ok', 'a', 'c']) await checksums.write(at(name), name);
    await files.writeAtomic(at('a'), 'other');
    await files.remove(at('c'));
    await files.writeAtomic(at('z'), 'z');
    await files.writeAtomic(files.temporaryName(at('a')), 'unfinished');
    const all = async (options?: { recursive: boolean }) =>
      (await collect(checksums.verifyFolder(folder, options))).map(
        ({ path, status }) => `${path.slice(folder.length + 1)}: ${status}`,
      );
    const top = ['a: differs', 'b: ok', 'c: missing', 'z: no sidecar'];
    expect(await all()).toEqual(top);
    expect(await all({ recursive: true })).toEqual(top.toSpliced(3, 0, 'sub/ok: ok'));
    const nowhere = collect(checksums.verifyFolder(at('nowhere')));
    await expect(nowhere).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('reports a file that the disk does not give, and goes on to the next [FO-11]', async () => {
    const { files, at, folder, fs, serviceOn } = world;
    for (const name of ['a', 'b']) await files.checksums.write(at(name), name);
    // The first read of each is of the sidecar.
    const failing = serviceOn(faulty(fs, { nth: 3, only: ['read'] }).fs);
    const reports = await collect(failing.checksums.verifyFolder(folder));
    expect(reports).toMatchObject([
      { path: at('a'), status: 'unreadable', error: { code: 'STORAGE_FAILED' } },
      { path: at('b'), status: 'ok' },
    ]);
  });

  test('ends the reading of other bytes with an error [FO-11]', async () => {
    const { files, at } = world;
    await files.checksums.write(at('a'), 'text');
    const read = async () => Buffer.concat(await collect(files.checksums.readStream(at('a'))));
    expect(String(await read())).toBe('text');
    await files.writeAtomic(at('a'), 'texT');
    await expect(read()).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await files.writeAtomic(at('a.sha256'), 'nonsense');
    await expect(read()).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await files.remove(at('a.sha256'));
    await expect(read()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('and its file are both new or both old, whichever operation fails [FO-11] [FO-1]', async () => {
    const { files, at, folder, fs, serviceOn } = world;
    for (let nth = 1; ; nth++) {
      await files.checksums.write(at('a'), 'old');
      const faults = faulty(fs, { nth });
      const failure: unknown = await serviceOn(faults.fs)
        .checksums.writeStream(at('a'), chunks('new'))
        .catch((error: unknown) => error);
      const isNew = !isStoreError(failure) || failure.code === 'OUTCOME_UNKNOWN';
      await files.removeTemporaries(folder);
      expect(await world.text('a')).toBe(isNew ? 'new' : 'old');
      expect(await files.checksums.verify(at('a'))).toMatchObject({ status: 'ok' });
      expect(await files.list(folder)).toEqual(['a', 'a.sha256']);
      if (faults.fired === 0) {
        expect(nth).toBeGreaterThan(30);
        break;
      }
    }
  });

  test('is right for whoever looks between the two renames [FO-11]', async () => {
    const { files, at, fs, serviceOn } = world;
    await files.checksums.write(at('a'), 'old');
    const watched = faulty(fs, { nth: Infinity }).fs;
    const looks: Promise<unknown>[] = [];
    const service = serviceOn({
      ...watched,
      rename: async (from, to) => {
        await watched.rename(from, to);
        looks.push(service.checksums.verify(at('a')));
        await turns();
      },
    });
    await service.checksums.write(at('a'), 'new');
    expect(looks.length).toBeGreaterThan(2);
    for (const look of looks) expect(await look).toMatchObject({ status: 'ok' });
  });
});

describe('a sidecar', () => {
  test('and its file survive a power cut together, at every operation [FO-11] [FO-1]', async () => {
    const crashes = await crashesOf(
      (files) => files.checksums.write('/files/a', 'old'),
      (files) => files.checksums.write('/files/a', 'new bytes'),
    );
    const seen = new Set<string>();
    for (const crash of crashes) {
      const files = await afterCrash(crash);
      const text = Buffer.from(await files.read('/files/a')).toString();
      expect([text, (await files.checksums.verify('/files/a')).status]).toEqual([text, 'ok']);
      expect(await files.list('/files')).toEqual(['a', 'a.sha256']);
      expect(crash.event === undefined ? ['new bytes'] : ['old', 'new bytes']).toContain(text);
      seen.add(text);
    }
    expect([...seen].toSorted()).toEqual(['new bytes', 'old']);
    expect(crashes.length).toBeGreaterThan(30);
  });

  const names = [
    'plain',
    'with blank',
    '-n',
    '*star',
    'back\\slash',
    'new\nline',
    'r\rn',
    'ünï',
    'line\u2028end',
  ];

  test('is verified by the real sha256sum, whatever the name [FO-11]', async () => {
    world = await FILE_WORLDS[0].open();
    const { files, folder, at } = world;
    for (const name of names) await files.checksums.write(at(name), `text of ${name}`);
    const verify = () => {
      const sidecars = names.map((name) => `./${name}.sha256`);
      const { status, stderr } = spawnSync(SHA256SUM, ['-c', '--strict', ...sidecars], {
        cwd: folder,
        encoding: 'utf8',
      });
      return { status, stderr };
    };
    expect(verify()).toEqual({ status: 0, stderr: '' });
    await files.writeAtomic(at('new\nline'), 'changed');
    expect(verify().status).toBe(1);
  });

  test('of the real sha256sum is understood, also one in a list of several [FO-11]', async () => {
    world = await FILE_WORLDS[0].open();
    const { files, folder, at } = world;
    for (const name of names) await files.writeAtomic(at(name), `text of ${name}`);
    const { stdout } = spawnSync(SHA256SUM, ['-b', '--', ...names], { cwd: folder });
    expect(stdout.toString().split('\n')).toHaveLength(names.length + 1);
    for (const name of names) await files.writeAtomic(at(`${name}.sha256`), stdout);
    for (const name of names) {
      const digest = digestOf(`text of ${name}`);
      const report = { path: at(name), status: 'ok', expected: digest, actual: digest };
      expect(await files.checksums.verify(at(name))).toEqual(report);
    }
  });

  test('is neither looked for nor followed behind a link [FO-11]', async () => {
    world = await FILE_WORLDS[0].open();
    const { files, folder, at } = world;
    await mkdir(at('inside'));
    await writeFile(at('outside'), 'x');
    await symlink(at('outside'), at('inside/link'));
    await symlink(folder, at('inside/up'));
    expect(await collect(files.checksums.verifyFolder(at('inside'), { recursive: true }))).toEqual(
      [],
    );
  });
});
