import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import * as nodeFs from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ability } from '../fixtures/real/machine.ts';
import { faulty } from './fileOperationFaults.ts';
import { FILE_WORLDS, type FileWorld } from './fileWorlds.ts';

let world: FileWorld;
const reject = (message: string) => () => Promise.reject(new Error(message));

describe.each(FILE_WORLDS)('permissions on $disk', ({ open }) => {
  beforeEach(async () => void (world = await open()));
  afterEach(() => world.close());

  test('are private from the start, and exactly what is asked for [FO-4]', async () => {
    const { files, at } = world;
    const umask = process.umask(0o777);
    try {
      await files.ensureFolder(at('folder'));
      await files.writeAtomic(at('file'), 'x');
      await files.append(at('appended'), 'x');
      await files.checksums.write(at('both'), 'x');
      const bits = ['folder', 'file', 'appended', 'both', 'both.sha256'].map((name) =>
        files.permissions.get(at(name)),
      );
      expect(await Promise.all(bits)).toEqual([0o700, 0o600, 0o600, 0o600, 0o600]);
      for (const mode of [0o777, 0o640, 0o400, 0]) {
        await files.permissions.set(at('file'), mode);
        expect(await files.permissions.get(at('file'))).toBe(mode);
      }
      await files.permissions.set(at('folder'), 0o1777);
      expect(await files.permissions.get(at('folder'))).toBe(0o1777);
      for (const name of ['file', 'folder']) await files.permissions.makePrivate(at(name));
    } finally {
      process.umask(umask);
    }
    expect(await files.permissions.get(at('file'))).toBe(0o600);
    expect(await files.permissions.get(at('folder'))).toBe(0o700);
  });

  test('are given back whatever happens to the work and to the file [FO-4]', async () => {
    const { files, at } = world;
    const { permissions } = files;
    await files.writeAtomic(at('a'), 'x');
    await permissions.set(at('a'), 0o640);
    const inside = permissions.with(at('a'), 0o604, () => permissions.get(at('a')));
    expect(await inside).toBe(0o604);
    expect(await permissions.get(at('a'))).toBe(0o640);
    await expect(permissions.with(at('a'), 0o604, reject('mine'))).rejects.toThrow('mine');
    expect(await permissions.get(at('a'))).toBe(0o640);
    await permissions.with(at('a'), 0o604, () => files.writeAtomic(at('a'), 'another file'));
    expect(await permissions.get(at('a'))).toBe(0o640);
    const many = Array.from({ length: 8 }, (_, n) =>
      permissions.with(at('a'), 0o600 + n, () => permissions.get(at('a'))),
    );
    expect(await Promise.all(many)).toEqual(Array.from({ length: 8 }, (_, n) => 0o600 + n));
    expect(await permissions.get(at('a'))).toBe(0o640);
  });

  test('say so when they cannot be given back, with both failures [FO-4]', async () => {
    const { files, at, fs, serviceOn } = world;
    await files.writeAtomic(at('a'), 'x');
    const failing = () =>
      serviceOn(faulty(fs, { nth: 2, only: ['chmod'], persistent: true }).fs).permissions;
    const gone = failing().with(at('a'), 0o640, reject('mine'));
    await expect(gone).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      cause: { errors: [{ message: 'mine' }, { code: 'STORAGE_FAILED', cause: { code: 'EIO' } }] },
    });
    await files.permissions.set(at('a'), 0o600);
    const quiet = failing().with(at('a'), 0o640, () => Promise.resolve());
    await expect(quiet).rejects.toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'EIO' } });
  });

  test('are as before where changing them fails on the way [FO-4]', async () => {
    const { files, at, fs, serviceOn } = world;
    await files.writeAtomic(at('a'), 'x');
    for (let nth = 1; ; nth++) {
      const faults = faulty(fs, { nth });
      let ran = false;
      const work = async () => void (ran = true);
      const outcome = await serviceOn(faults.fs)
        .permissions.with(at('a'), 0o640, work)
        .catch((error: unknown) => error);
      if (faults.fired === 0) {
        expect(nth).toBeGreaterThan(10);
        break;
      }
      expect(outcome).toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'EIO' } });
      const bits = await files.permissions.get(at('a'));
      // Giving them back has failed itself, or what follows it: then the work is done.
      expect([0o600, ran ? 0o640 : 0o600]).toContain(bits);
      await files.permissions.set(at('a'), 0o600);
    }
  });

  test('are tried out without leaving anything behind [FO-4]', async () => {
    const { files, at, folder, fs, serviceOn } = world;
    await files.writeAtomic(at('a'), 'x');
    for (const path of [at('a'), folder]) {
      expect(await files.permissions.check(path, { read: true, write: true })).toBe(true);
    }
    expect(await files.list(folder)).toEqual(['a']);
    expect(await world.text('a')).toBe('x');
    for (const code of ['EACCES', 'EPERM', 'EROFS']) {
      const only = ['open', 'readdir'];
      const { permissions } = serviceOn(faulty(fs, { nth: 1, only, persistent: true, code }).fs);
      for (const path of [at('a'), folder]) {
        expect(await permissions.check(path, { read: true })).toBe(false);
        expect(await permissions.check(path, { write: true })).toBe(false);
        expect(await permissions.check(path, {})).toBe(true);
      }
    }
    const { permissions } = serviceOn(faulty(fs, { nth: 1, only: ['open'] }).fs);
    const broken = permissions.check(at('a'), { read: true });
    await expect(broken).rejects.toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'EIO' } });
  });

  test('of nothing, and in no numbers, are errors [FO-4]', async () => {
    const { files, at, fs, serviceOn } = world;
    const { permissions } = files;
    for (const wrong of [
      permissions.get(at('no')),
      permissions.check(at('no'), { read: true }),
      permissions.set(at('no'), 0o600),
      permissions.with(at('no'), 0o600, () => Promise.resolve()),
    ]) {
      await expect(wrong).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    await files.writeAtomic(at('a'), 'x');
    for (const mode of [-1, 0o10000, 0.5, NaN]) {
      const wrong = permissions.set(at('a'), mode);
      await expect(wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    // A file system that takes all modes and keeps none, as those of Windows do.
    const forgetful = serviceOn({ ...bound(fs), chmod: () => Promise.resolve() });
    await expect(forgetful.permissions.set(at('a'), 0o640)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  });

  test('that are lost in the middle of a write leave the old bytes and an error [ES-4]', async () => {
    const { files, at, folder, fs, serviceOn } = world;
    const operations = {
      atomic: (it: typeof files) => it.writeAtomic(at('a'), 'new'),
      part: (it: typeof files) => it.parts.append(at('a'), 'new'),
      both: (it: typeof files) => it.checksums.write(at('a'), 'new'),
    };
    for (const operation of Object.values(operations)) {
      for (let nth = 1; ; nth++) {
        await files.checksums.write(at('a'), 'old');
        // From some moment on the folder is closed: nothing is opened, renamed or removed in it.
        const only = ['open', 'rename', 'unlink', 'link', 'stat', 'lstat', 'chmod'];
        const faults = faulty(fs, { nth, only, code: 'EACCES', persistent: true });
        const refusal: unknown = await operation(serviceOn(faults.fs)).catch(
          (error: unknown) => error,
        );
        if (faults.fired === 0) break;
        const uncertain = ['OUTCOME_UNKNOWN', undefined];
        const { code } = (refusal ?? {}) as { code?: string };
        if (!uncertain.includes(code)) {
          expect(refusal).toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'EACCES' } });
          expect(await world.text('a')).toBe('old');
        }
        // The right comes back, and what was left behind is cleaned up or taken back.
        await files.removeTemporaries(folder);
        expect(['old', 'new', 'oldnew']).toContain(await world.text('a'));
        expect(await files.list(folder)).toEqual(['a', 'a.sha256']);
      }
    }
  });
});

function bound(fs: FileWorld['fs']): FileWorld['fs'] {
  return faulty(fs, { nth: Infinity }).fs;
}

describe('permissions', () => {
  beforeEach(async () => void (world = await FILE_WORLDS[0].open()));
  afterEach(() => world.close());

  test('of what a link leads to are left alone [FO-4]', async () => {
    const { files, at } = world;
    await files.writeAtomic(at('target'), 'x');
    await nodeFs.symlink(at('target'), at('link'));
    for (const wrong of [
      files.permissions.set(at('link'), 0o666),
      files.permissions.check(at('link'), { read: true }),
      files.permissions.get(at('link')),
    ]) {
      await expect(wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(await files.permissions.get(at('target'))).toBe(0o600);
  });
});

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** Modes say nothing to root: the child becomes somebody else. */
const user = isRoot ? NOBODY : undefined;
const canBeRefused = ability('a user whom file modes concern', () => {
  if (process.getuid === undefined) throw new Error('this system has no users of that kind');
  if (!isRoot) return;
  const script = `process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY})`;
  const { status } = spawnSync(process.execPath, ['-e', script]);
  if (status !== 0) throw new Error('the user cannot be changed');
});
if (canBeRefused.lack !== undefined) {
  process.stderr.write(`skipped: ${canBeRefused.what}: ${canBeRefused.lack}\n`);
}

/** A process of that user's. */
class Child {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;

  constructor() {
    const script = fileURLToPath(new URL('./filePermissionsChild.ts', import.meta.url));
    this.#process = spawn(process.execPath, [script, `${user ?? ''}`]);
    this.#process.stderr.pipe(process.stderr);
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async do(order: string): Promise<unknown> {
    this.#process.stdin.write(`${order} ${world.folder}\n`);
    const answer = await this.#answers.next();
    if (answer.done === true) throw new Error('the child has ended');
    return JSON.parse(answer.value);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

const REFUSED = { code: 'STORAGE_FAILED', cause: 'EACCES' };

(canBeRefused.lack === undefined ? describe : describe.skip)('a user without rights', () => {
  let child: Child;
  beforeAll(() => void (child = new Child()));
  afterAll(() => child.kill());
  beforeEach(async () => {
    world = await FILE_WORLDS[0].open();
    await nodeFs.writeFile(world.at('a'), 'old', { mode: 0o600 });
    for (const path of [world.folder, world.at('a')]) {
      if (user !== undefined) await nodeFs.chown(path, user, user);
    }
  });
  afterEach(async () => {
    await nodeFs.chmod(world.folder, 0o700);
    await world.close();
  });

  test('learns by trying what it may do [FO-4]', async () => {
    const { at, folder } = world;
    const all = { read: true, write: true, both: true };
    expect(await child.do('checkFile')).toEqual(all);
    expect(await child.do('checkFolder')).toEqual(all);
    await nodeFs.chmod(at('a'), 0o400);
    expect(await child.do('checkFile')).toEqual({ read: true, write: false, both: false });
    await nodeFs.chmod(at('a'), 0o200);
    expect(await child.do('checkFile')).toEqual({ read: false, write: true, both: false });
    await nodeFs.chmod(folder, 0o500);
    expect(await child.do('checkFolder')).toEqual({ read: true, write: false, both: false });
    await nodeFs.chmod(folder, 0);
    expect(await child.do('checkFile')).toEqual(REFUSED);
  });

  (isRoot ? test : test.skip)('is told that bits for others are not for it [FO-4]', async () => {
    // The bits would allow it; that the file is another's they do not say.
    await nodeFs.chown(world.at('a'), 0, 0);
    await nodeFs.chmod(world.at('a'), 0o600);
    expect(await child.do('checkFile')).toEqual({ read: false, write: false, both: false });
    expect(await child.do('set')).toEqual({ code: 'STORAGE_FAILED', cause: 'EPERM' });
    expect((await nodeFs.stat(world.at('a'))).mode & 0o777).toBe(0o600);
  });

  test('opens a file of its own for a while, and closes it after a failure too [FO-4]', async () => {
    const { at } = world;
    await nodeFs.chmod(at('a'), 0);
    expect(await child.do('append')).toEqual(REFUSED);
    expect(await child.do('reopen')).toBe('done');
    expect(await child.do('reopenAndFail')).toEqual({ error: 'Error: mine' });
    expect((await nodeFs.stat(at('a'))).mode & 0o777).toBe(0);
    await nodeFs.chmod(at('a'), 0o600);
    expect(await child.do('read')).toBe('oldmore');
  });

  test.each(['stream', 'both', 'compress'])(
    'that loses the folder halfway through %s keeps the old bytes, and goes on later [ES-4] [FO-4]',
    async (order) => {
      const { folder } = world;
      for (const mode of [0o500, 0]) {
        expect(await child.do(order)).toBe('halfway');
        await nodeFs.chmod(folder, mode);
        expect(await child.do('on')).toEqual(REFUSED);
        await nodeFs.chmod(folder, 0o700);
        expect(await child.do('read')).toBe('old');
        expect(await child.do('temporaries')).toBe(1);
        expect(await nodeFs.readdir(folder)).toEqual(['a']);
      }
      expect(await child.do(order)).toBe('halfway');
      expect(await child.do('on')).toMatchObject({ size: expect.any(Number) });
    },
  );

  test.each(['atomic', 'several', 'part'])(
    'without the right to write the folder is refused %s [ES-4] [FO-4]',
    async (order) => {
      const { folder } = world;
      for (const mode of [0o500, 0]) {
        await nodeFs.chmod(folder, mode);
        expect(await child.do(order)).toEqual(REFUSED);
        await nodeFs.chmod(folder, 0o700);
        expect(await nodeFs.readdir(folder)).toEqual(['a']);
        expect(await child.do('read')).toBe('old');
      }
    },
  );

  test.each(['part', 'append'])(
    'without the right to write the file is refused %s [ES-4] [FO-12]',
    async (order) => {
      const { at, folder } = world;
      await nodeFs.chmod(at('a'), 0o400);
      expect(await child.do(order)).toEqual(REFUSED);
      expect(await child.do('read')).toBe('old');
      expect(await nodeFs.readdir(folder)).toEqual(['a']);
    },
  );
});
