import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { openStore } from '../../src/index.ts';
import { ability } from '../fixtures/real/machine.ts';
import { Mounts, readOnlyAbility } from '../fixtures/real/mounts.ts';
import { Trials } from '../fixtures/real/trials.ts';
import { expectWhole } from '../fixtures/real/whole.ts';
import { WriterProcess } from '../fixtures/real/writerProcess.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** Modes say nothing to root: its writers become somebody else. */
const user = isRoot ? NOBODY : undefined;

const trials = new Trials('real-permissions', 'lost permissions');
const canBeRefused = ability('a user whom file modes concern', () => {
  if (process.getuid === undefined) throw new Error('this system has no users of that kind');
  if (!isRoot) return;
  const script = `process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY})`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(/Error: .*/.exec(stderr)?.[0] ?? 'the user cannot be changed');
});
const canBeAnother = ability('another user', () => {
  if (!isRoot) throw new Error('only root can become one');
});
const whereModesCount = trials.where(canBeRefused);

let folder: string;
let mounts: Mounts;
let writer: WriterProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-rights-'));
  mounts = new Mounts();
});

afterEach(async () => {
  writer?.kill();
  writer = undefined;
  mounts.release();
  for (const path of treeOf(folder)) chmodSync(path, 0o700);
  await rm(folder, { recursive: true, force: true });
});

/** A folder and the folders in it, the outer ones first: each is opened up before it is entered. */
function* treeOf(path: string): Generator<string> {
  yield path;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) yield* treeOf(join(path, entry.name));
  }
}

/** A writer of the user's with a store that has something in it. */
async function start(place = folder): Promise<{ writer: WriterProcess; url: string }> {
  if (user !== undefined) chownSync(place, user, user);
  const url = `file:${place}/store`;
  writer = new WriterProcess({ url, user });
  await writer.must({ do: 'open' });
  await writer.must({ do: 'write', rounds: 4, callers: 3 });
  expect(writer.refusals()).toEqual([]);
  return { writer, url };
}

const REFUSED = { outcome: 'STORAGE_FAILED', cause: 'EACCES' };

/** Writes without a permission: every refusal names its cause, and what is read is right. */
async function expectRefusals(writer: WriterProcess, codes: readonly string[], cause: string) {
  const since = writer.outcomes.length;
  const { status } = await writer.must({ do: 'write', rounds: 8, callers: 3 });
  const refused = writer.outcomes.slice(since).filter(({ outcome }) => outcome !== 'ok');
  for (const outcome of refused) expect(outcome.cause).toBe(cause);
  expect(writer.refusals(since).filter((code) => !codes.includes(code))).toEqual([]);
  const { inspection } = await writer.must({ do: 'read' });
  expect(inspection?.problems).toEqual([]);
  for (const error of inspection?.errors ?? []) expect(error).toEqual(REFUSED);
  return { status, count: refused.length };
}

/** Everything is there, more is taken, and it is so for the next owner too. */
async function expectHealed(writer: WriterProcess, url: string): Promise<void> {
  const since = writer.outcomes.length;
  await writer.must({ do: 'write', rounds: 4, callers: 3 });
  expect(writer.refusals(since)).toEqual([]);
  const { inspection } = await writer.must({ do: 'read' });
  expect(inspection).toMatchObject({ errors: [], problems: [] });
  await writer.must({ do: 'list' });
  await writer.must({ do: 'close' });
  await writer.end();
  await expectWhole(url, writer.ledger);
}

describe('permissions that change in the middle of the work', () => {
  whereModesCount.each([
    ['write the folder of the run files', 'runs', 0o500, false],
    ['enter the folder of the run files', 'runs', 0, false],
    ['write the folder of the blobs', 'blobs/sha256', 0o500, true],
    ['enter the folder of the blobs', 'blobs', 0, true],
    ['write the folder of the index', 'index', 0o500, false],
    ['write the folder of the store', '.', 0o500, false],
  ] as const)(
    'so that nobody may %s any more refuse what needs it, until they come back [ES-4]',
    (what, name, mode, isNeeded) =>
      trials.fault(`nobody may ${what}`, async () => {
        const { writer, url } = await start();
        const path = join(folder, 'store', name);
        chmodSync(path, mode);
        const { status, count } = await expectRefusals(writer, ['STORAGE_FAILED'], 'EACCES');
        expect(status).toBe('open');
        expect(count > 0).toBe(isNeeded);
        chmodSync(path, 0o700);
        await expectHealed(writer, url);
      }),
  );

  whereModesCount.each([
    ['write the folder of the journal', 'journal', 0o500],
    ['enter the folder of the journal', 'journal', 0],
    ['enter the folder of the store', '.', 0],
  ] as const)(
    'so that nobody may %s any more refuse writes, or poison in the change of segments [ES-4] [W3]',
    (what, name, mode) =>
      trials.fault(`nobody may ${what}`, async () => {
        const { writer, url } = await start();
        const path = join(folder, 'store', name);
        chmodSync(path, mode);
        const codes = ['STORAGE_FAILED', 'OUTCOME_UNKNOWN', 'STORE_POISONED'];
        const { status, count } = await expectRefusals(writer, codes, 'EACCES');
        expect(count).toBeGreaterThan(0);
        chmodSync(path, 0o700);
        if (status === 'poisoned') {
          // What was in doubt is settled by opening again, and by nothing else.
          await expectRefusals(writer, ['STORE_POISONED'], 'EACCES');
          await writer.must({ do: 'close' });
          await writer.must({ do: 'open' });
        }
        await expectHealed(writer, url);
      }),
  );

  whereModesCount('and are met by closing: the store lets go, and nothing is lost [ES-4]', () =>
    trials.fault('closing without permission', async () => {
      const { writer, url } = await start();
      const path = join(folder, 'store');
      chmodSync(path, 0);
      const closed = await writer.order({ do: 'close' });
      expect(closed).toMatchObject({ status: 'closed', refusal: REFUSED });
      const opened = await writer.order({ do: 'open' });
      expect(opened.refusal).toMatchObject(REFUSED);
      chmodSync(path, 0o700);
      await writer.must({ do: 'open' });
      await expectHealed(writer, url);
    }),
  );
});

describe('a store without the permission to write it', () => {
  trials.where(canBeRefused, canBeAnother)(
    'of another user is refused, and left alone [ES-4]',
    () =>
      trials.fault('the store of another user', async () => {
        const place = join(folder, 'theirs');
        mkdirSync(place);
        chmodSync(folder, 0o755);
        const url = `file:${place}/store`;
        await (await openStore(url)).close();
        const before = [...treeOf(place)].map((path) => statSync(path).mtimeMs);
        writer = new WriterProcess({ url, user });
        for (const readOnly of [false, true]) {
          const { refusal } = await writer.order({ do: 'open', readOnly });
          expect(refusal).toMatchObject(REFUSED);
        }
        await writer.end();
        expect([...treeOf(place)].map((path) => statSync(path).mtimeMs)).toEqual(before);
      }),
  );

  whereModesCount(
    'as a tree of read-only folders is refused; writable, it has everything [ES-4]',
    () =>
      trials.fault('a read-only tree', async () => {
        const { writer, url } = await start();
        await writer.must({ do: 'close' });
        const folders = [...treeOf(join(folder, 'store'))];
        for (const path of folders) chmodSync(path, 0o500);
        for (const readOnly of [false, true]) {
          const { refusal } = await writer.order({ do: 'open', readOnly });
          expect(refusal?.outcome).toBe('STORAGE_FAILED');
        }
        for (const path of folders) chmodSync(path, 0o700);
        await writer.must({ do: 'open' });
        await expectHealed(writer, url);
      }),
  );
});

describe('a file system that turns read-only', () => {
  trials.where(readOnlyAbility())(
    'under an open store poisons it, and is told from the start by opening [ES-4] [W3]',
    () =>
      trials.fault('read-only ext4', async () => {
        const disk = mounts.ext4(48, mounts.tmpfs('size=96m'));
        const url = `file:${disk.folder}/store`;
        writer = new WriterProcess({ url });
        await writer.must({ do: 'open' });
        await writer.must({ do: 'write', rounds: 4, callers: 3 });
        disk.turnReadOnly();
        const codes = ['STORAGE_FAILED', 'OUTCOME_UNKNOWN', 'STORE_POISONED'];
        const { status } = await expectRefusals(writer, codes, 'EROFS');
        expect(status).toBe('poisoned');
        const gone = { outcome: 'STORAGE_FAILED', cause: 'EROFS' };
        const closed = await writer.order({ do: 'close' });
        expect(closed).toMatchObject({ status: 'closed', refusal: gone });
        const { refusal } = await writer.order({ do: 'open' });

        expect(refusal).toMatchObject({ outcome: 'STORAGE_FAILED' });
        await writer.end();
        disk.unmount();
        disk.mount();
        await expectWhole(url, writer.ledger);
      }),
  );
});
