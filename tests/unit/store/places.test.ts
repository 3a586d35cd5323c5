import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openStore, type OpenOptions, repairStore } from '../../../src/index.ts';
import { collect, refusal, Scene } from '../../fixtures/store/scene.ts';
import { isJournalWrite } from '../../fixtures/store/testDisk.ts';

const scene = new Scene();
const storeFile = () => scene.at('data', 'store.json');

describe('store.json', () => {
  async function emptyStore(): Promise<Record<string, unknown>> {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.close();
    return JSON.parse(await readFile(storeFile(), 'utf8')) as Record<string, unknown>;
  }

  test('that is missing beside a journal is not made anew', async () => {
    await emptyStore();
    await rm(storeFile());
    const error = await refusal(scene.open(), 'DATA_CORRUPT');
    expect(error.message).toContain(storeFile());
    await expect(stat(storeFile())).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('of an older version, without a checksum, is read as it is', async () => {
    const { crc, ...identity } = await emptyStore();
    expect(crc).toMatch(/^[0-9a-f]{8}$/);
    await writeFile(storeFile(), JSON.stringify(identity, undefined, 2));
    const store = await scene.open();
    expect((await store.stats()).storeId).toBe(identity['storeId']);
  });

  test.each([
    ['is no JSON', () => '{', 'DATA_CORRUPT'],
    ['is no object', () => 'null', 'DATA_CORRUPT'],
    [
      'has another timeline',
      (it: object) => JSON.stringify({ ...it, timeline: 3 }),
      'DATA_CORRUPT',
    ],
    ['has no id', (it: object) => JSON.stringify({ ...it, storeId: 7 }), 'DATA_CORRUPT'],
    ['has no timeline', (it: object) => JSON.stringify({ ...it, timeline: 'x' }), 'DATA_CORRUPT'],
    ['has no format', (it: object) => JSON.stringify({ ...it, format: 0 }), 'DATA_CORRUPT'],
    ['is newer', (it: object) => JSON.stringify({ ...it, format: 99 }), 'UNSUPPORTED_FORMAT'],
  ] as const)('that %s is refused, and the lock let go', async (_how, edit, code) => {
    const identity = await emptyStore();
    await writeFile(storeFile(), edit(identity));
    await refusal(scene.open(), code);
    await refusal(scene.open({ readOnly: true }), code);
    await writeFile(storeFile(), JSON.stringify(identity));
    const store = await scene.open();
    expect((await store.runs.get('r')).id).toBe('r');
    expect((await store.stats()).storeId).toBe(identity['storeId']);
  });
});

describe('a store on disk', () => {
  let umask: number | undefined;
  afterEach(() => {
    if (umask !== undefined) process.umask(umask);
    umask = undefined;
  });

  test.each([0o000, 0o027, 0o077])('is its owner only under umask %o', async (mask) => {
    umask = process.umask(mask);
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.artifacts.put('r', { name: 'a', body: 'bytes' });
    await store.pins.create({ name: 'p' });
    await store.close();
    const names = await readdir(scene.at('data'), { recursive: true });
    expect(names.length).toBeGreaterThan(10);
    for (const name of ['.', ...names]) {
      const { mode } = await stat(scene.at('data', name));
      const isFolder = (mode & 0o170000) === 0o040000;
      const isBlob = /^blobs.*[0-9a-f]{64}$/.test(name);
      const expected = isFolder ? 0o700 : isBlob ? 0o400 : 0o600;
      expect([name, (mode & 0o777).toString(8)]).toEqual([name, expected.toString(8)]);
    }
  });

  test('is named by a URL, absolute or from the current folder', async () => {
    const store = await scene.open({}, 'data');
    await store.runs.create({ id: 'r', workflow: 'w' });
    await store.close();
    const { disk: fileSystem } = scene;
    const path = scene.at('data');
    const urls = [`file:${path}`, pathToFileURL(path).href, `file:${relative('.', path)}`];
    for (const url of urls) {
      await using again = await openStore(url, { fileSystem });
      expect((await again.runs.get('r')).id).toBe('r');
      expect((await again.stats()).location).toBe(`file:${path}`);
    }
  });

  test.each([
    '',
    'file:',
    'memory',
    'https://example.org',
    'mysql://x',
    '/folder',
    'file://host/x',
    'file:///a%2Fb',
  ])('is not named by %p', async (url) => {
    const { message } = await refusal(openStore(url), 'INVALID_ARGUMENT');
    expect(message).toContain('use file:./folder, sqlite:./file.db, postgres://… or memory:');
    await refusal(repairStore(url), 'INVALID_ARGUMENT');
  });

  test.each([undefined, null, 7, Symbol('x')])(
    'is not named by %p, which is no text',
    async (url) => {
      const named = url as unknown as string;
      for (const work of [openStore(named), repairStore(named)]) {
        expect((await refusal(work, 'INVALID_ARGUMENT')).message).toContain(String(url));
      }
    },
  );

  test.each([[null], ['text'], [{ location: 'elsewhere' }], [{ isPrivate: true }]])(
    'is not opened with %j in place of its options',
    async (options) => {
      const wrong = options as unknown as OpenOptions;
      for (const url of ['memory:', `file:${scene.at('data')}`]) {
        const { message } = await refusal(openStore(url, wrong), 'INVALID_ARGUMENT');
        expect(message).toMatch(/^options/);
        expect(message).not.toMatch(/known are .*(location|isPrivate)/);
        await refusal(repairStore(`file:${scene.at('data')}`, wrong), 'INVALID_ARGUMENT');
      }
      expect(await readdir(scene.folder)).toEqual([]);
    },
  );

  test.each([
    [{ quietMS: 5 }],
    [{ quietMs: -1 }],
    [{ quietMs: 1.5 }],
    [{ cacheBytesMax: Number.NaN }],
    [{ segmentBytesMin: '4096' }],
  ])('is not opened with %j', async (options) => {
    const { message } = await refusal(scene.open(options as OpenOptions), 'INVALID_ARGUMENT');
    expect(message).toContain(Object.keys(options)[0]);
  });

  test('that is not there is not made by a reader', async () => {
    await refusal(scene.open({ readOnly: true }), 'NOT_FOUND');
    expect(await readdir(scene.folder)).toEqual([]);
  });

  test('loses its temporary files when it opens after a crash', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    await scene.disk.copy(scene.at('data'), scene.at('copy'));
    const name = `.holdfast-${'0'.repeat(24)}.tmp`;
    await mkdir(scene.at('copy', 'runs', 'aa'));
    for (const folder of ['.', 'journal', 'runs/aa']) {
      await writeFile(scene.at('copy', folder, name), 'left over');
    }
    await writeFile(scene.at('copy', 'mine.tmp'), 'not ours');
    const copy = await scene.open({}, 'copy');
    // What the killed store had allocated ahead goes as well.
    expect((await copy.stats()).recovery.temporariesRemoved).toBeGreaterThanOrEqual(3);
    expect(await readFile(scene.at('copy', 'mine.tmp'), 'utf8')).toBe('not ours');
    const names = await readdir(scene.at('copy'), { recursive: true });
    expect(names.filter((each) => each.endsWith(name))).toEqual([]);
  });
});

describe('the clock', () => {
  test('may jump back: the time of a commit never does', async () => {
    let store = await scene.open();
    const before = store.position();
    const { ms } = scene.clock;
    for (const jump of [0, 5_000, -60_000, 10, -3_600_000]) {
      scene.clock.ms += jump;
      await store.runs.create({ workflow: 'w' });
    }
    await store.close();
    scene.clock.ms = ms - 86_400_000;
    store = await scene.open();
    const late = await store.runs.create({ workflow: 'w' });
    expect(late.createdAt.getTime()).toBe(ms + 5_000);
    await store.close();
    store = await scene.open();
    const times: number[] = [];
    for await (const { at } of store.watch({ after: before })) {
      if (times.push(at.getTime()) === 6) break;
    }
    expect(times).toEqual([0, 5_000, 5_000, 5_000, 5_000, 5_000].map((past) => ms + past));
  });

  test('may stand far in the future: what is written then stays in order', async () => {
    scene.clock.ms = Date.UTC(9999, 11, 31);
    const store = await scene.open();
    await store.runs.create({ id: 'future', workflow: 'w' });
    await store.close();
    scene.clock.ms = Date.UTC(2026, 0, 1);
    const again = await scene.open();
    const { createdAt } = await again.runs.create({ id: 'now', workflow: 'w' });
    expect(createdAt.getUTCFullYear()).toBe(9999);
    expect((await again.runs.list()).items.map(({ id }) => id)).toEqual(['now', 'future']);
  });
});

describe('the bytes of an artifact', () => {
  const text = async (chunks: AsyncIterable<Uint8Array>) => Buffer.concat(await collect(chunks));
  const blobs = async () =>
    (await readdir(scene.at('data', 'blobs'), { recursive: true })).filter((name) =>
      /[0-9a-f]{64}$/.test(name),
    );

  async function withRun() {
    const store = await scene.open();
    await store.runs.create({ id: 'r', workflow: 'w' });
    return store;
  }

  test('are durable, file and folder, before the commit that names them [W6]', async () => {
    const store = await withRun();
    scene.disk.calls.length = 0;
    await store.artifacts.put('r', { name: 'a', body: 'some bytes' });
    const { calls } = scene.disk;
    const named = calls.findIndex(
      ({ op, to }) => op === 'rename' && /[0-9a-f]{64}$/.test(to ?? ''),
    );
    const synced = calls.slice(0, named).findLastIndex(({ op }) => op === 'sync');
    const folder = calls.findIndex(
      ({ op, path }, i) => i > named && op === 'sync' && /..$/.test(path),
    );
    const commit = calls.findIndex(isJournalWrite);
    expect(synced).toBeGreaterThan(calls.findIndex(({ op }) => op === 'write'));
    expect(folder).toBeGreaterThan(named);
    expect(commit).toBeGreaterThan(folder);
  });

  test('put by 20 callers at once are stored once', async () => {
    const store = await withRun();
    const body = Buffer.alloc(100_000, 'same');
    const puts = Array.from({ length: 20 }, (_, n) =>
      store.artifacts.put('r', { name: `${n}`, body }),
    );
    expect(new Set((await Promise.all(puts)).map(({ digest }) => digest)).size).toBe(1);
    expect(await blobs()).toHaveLength(1);
    const again = await store.artifacts.put('r', { name: '0', body });
    expect(again.version).toBe(1);
    expect((await text(store.artifacts.open('r', '19'))).equals(body)).toBe(true);
    const left = await readdir(scene.at('data', 'blobs', 'sha256'));
    expect(left.filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('from a source that breaks leave nothing behind', async () => {
    const store = await withRun();
    async function* breaking() {
      yield Buffer.from('first');
      throw new Error('the source broke');
    }
    const error = await refusal(
      store.artifacts.put('r', { name: 'a', body: breaking() }),
      'INVALID_ARGUMENT',
    );
    expect(error.cause).toMatchObject({ message: 'the source broke' });
    await refusal(store.artifacts.get('r', 'a'), 'NOT_FOUND');
    expect(await readdir(scene.at('data', 'blobs', 'sha256'))).toEqual([]);
  });

  test('that are damaged or missing are found when read and by verify [FO-11]', async () => {
    const store = await withRun();
    await store.artifacts.put('r', { name: 'a', body: 'good bytes' });
    await store.artifacts.put('r', { name: 'gone', body: 'other bytes' });
    expect((await store.verify()).blobs).toBe(2);
    const path = async (name: string) => {
      const { digest } = await store.artifacts.get('r', name);
      const found = (await blobs()).find((file) => file.endsWith(digest.slice(7)));
      return join(scene.at('data', 'blobs'), found ?? '');
    };
    const damaged = await path('a');
    await chmod(damaged, 0o600);
    await writeFile(damaged, 'evil bytes');
    const gone = await path('gone');
    await rm(gone);
    const error = await refusal(text(store.artifacts.open('r', 'a')), 'DATA_CORRUPT');
    expect(error.id).toBe(damaged);
    await refusal(text(store.artifacts.open('r', 'gone')), 'DATA_CORRUPT');
    const { findings } = await store.verify();
    expect(findings.map(({ file }) => file).toSorted()).toEqual([damaged, gone].toSorted());
    // The same bytes bring a lost file back, and replace one of another size.
    await store.artifacts.put('r', { name: 'gone', body: 'other bytes' });
    await writeFile(damaged, 'short');
    await store.artifacts.put('r', { name: 'again', body: 'good bytes' });
    expect(String(await text(store.artifacts.open('r', 'a')))).toBe('good bytes');
    expect((await store.verify()).findings).toEqual([]);
  });

  test('that cannot be protected are refused as a failure of the disk', async () => {
    const store = await withRun();
    scene.disk.fault = ({ op, path }) =>
      (op === 'chmod' || op === 'stat') && path.includes('blobs') ? 'EIO' : undefined;
    await refusal(store.artifacts.put('r', { name: 'a', body: 'bytes' }), 'STORAGE_FAILED');
    scene.disk.fault = ({ op, path }) =>
      op === 'chmod' && path.includes('blobs') ? 'EIO' : undefined;
    await refusal(store.artifacts.put('r', { name: 'a', body: 'bytes' }), 'STORAGE_FAILED');
    scene.disk.fault = ({ op, path }) =>
      op === 'read' && path.includes('blobs') ? 'EIO' : undefined;
    await store.artifacts.put('r', { name: 'b', body: 'bytes' });
    await refusal(text(store.artifacts.open('r', 'b')), 'STORAGE_FAILED');
    const error = await refusal(store.verify(), 'STORAGE_FAILED');
    expect(error.cause).toMatchObject({ code: 'EIO' });
  });
});
