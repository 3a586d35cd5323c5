import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectDatabase, openStore } from '../../src/index.ts';
import { ability } from '../fixtures/real/machine.ts';
import type { Reading } from '../fixtures/real/sqliteReader.ts';

const NOBODY = 65_534;
const READER = new URL('../fixtures/real/sqliteReader.ts', import.meta.url).pathname;

const canBeNobody = ability('another user', () => {
  if (process.getuid?.() !== 0) throw new Error('only root can become one');
  const script = `process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY})`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(/Error: .*/.exec(stderr)?.[0] ?? 'the user cannot be changed');
});
if (canBeNobody.lack !== undefined) {
  process.stderr.write(`skipped: ${canBeNobody.what}: ${canBeNobody.lack}\n`);
}
const asNobody = canBeNobody.lack === undefined ? test : test.skip;

let root: string;
let folder: string;
let open: (() => unknown)[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-rights-'));
  chmodSync(root, 0o755);
  folder = join(root, 'data');
  await mkdir(folder);
  open = [];
});
afterEach(async () => {
  for (const close of open) await close();
  await rm(root, { recursive: true, force: true });
});

const file = () => join(folder, 'data.db');

type Kind = 'database' | 'store';

/** A database, or a store, with one row; it is open until it is closed. */
async function make(kind: Kind): Promise<() => Promise<void>> {
  if (kind === 'store') {
    const store = await openStore(`sqlite:${file()}`);
    open.push(() => store.close());
    await store.runs.create({ workflow: 'w' });
    return () => store.close();
  }
  const db = await connectDatabase(`sqlite:${file()}`);
  open.push(() => db.close());
  await db.query('CREATE TABLE t (a integer)');
  await db.query('INSERT INTO t VALUES (1)');
  return () => db.close();
}

/** Everybody may read, and whoever `mode` of the folder lets, make files. */
function share(folderMode: number, fileMode = 0o644): void {
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), fileMode);
  chmodSync(folder, folderMode);
}

function readAsNobody(kind: Kind): Reading {
  const args = ['--no-warnings', READER, String(NOBODY), kind, file()];
  const env = { ...process.env, NODE_OPTIONS: '' };
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', env })) as Reading;
}

const OTHERS_MAY_NOT = ['nobody else may write', 0o755] as const;
const ALL_MAY = ['everybody may write', 0o777] as const;
/** Each kind in each folder; where the kind makes no difference, one of each is enough. */
const SOME = [
  ['database', ...OTHERS_MAY_NOT],
  ['store', ...ALL_MAY],
] as const;
const ALL = [...SOME, ['database', ...ALL_MAY], ['store', ...OTHERS_MAY_NOT]] as const;

describe('a SQLite file that this user may only read', () => {
  asNobody.each(SOME)(
    'as a %s, in a folder that %s, is read while its owner has it open [ES-4]',
    async (kind, _what, mode) => {
      await make(kind);
      share(mode);
      const refusal = kind === 'store' ? 'STORE_READ_ONLY' : 'STORAGE_FAILED';
      expect(readAsNobody(kind)).toEqual({ rows: 1, write: refusal, left: [] });
    },
  );

  asNobody.each(SOME)(
    'as a %s, in a folder that %s, is read as a crash has left it [ES-4]',
    async (kind, _what, mode) => {
      const close = await make(kind);
      await cp(folder, join(root, 'crashed'), { recursive: true });
      await close();
      folder = join(root, 'crashed');
      share(mode);
      expect(readAsNobody(kind)).toMatchObject({ rows: 1, left: [] });
    },
  );

  asNobody.each(ALL)(
    'as a %s, in a folder that %s, is refused when nobody has it open, and left as it was [ES-4]',
    async (kind, _what, mode) => {
      const close = await make(kind);
      await close();
      share(mode);
      const { code, message, left } = readAsNobody(kind);
      expect({ code, left }).toEqual({ code: 'STORAGE_FAILED', left: [] });
      expect(message).toMatch(/may not write the file.*let somebody who has them keep it open/);
      expect(readdirSync(folder)).toEqual(['data.db']);
    },
  );

  asNobody('and that has no write-ahead log is read [ES-4]', async () => {
    await make('database');
    await using db = await connectDatabase(`sqlite:${file()}`);
    for (const close of open.splice(0)) await close();
    await db.query('PRAGMA journal_mode = DELETE');
    await db.close();
    share(0o755);
    expect(readAsNobody('database')).toEqual({ rows: 1, write: 'STORAGE_FAILED', left: [] });
  });

  asNobody('and that it may not even read is refused, and not called missing [ES-4]', async () => {
    await make('database');
    share(0o755, 0o600);
    expect(readAsNobody('database')).toMatchObject({ code: 'STORAGE_FAILED', left: [] });
    await rm(file());
    expect(readAsNobody('database')).toMatchObject({ code: 'NOT_FOUND', left: [] });
  });
});

describe('a SQLite file that this user may write, in a folder that it may not', () => {
  asNobody('is refused with what to do, when nobody has it open [ES-4]', async () => {
    const close = await make('database');
    await close();
    share(0o755, 0o666);
    const { code, message, left } = readAsNobody('database');
    expect({ code, left }).toEqual({ code: 'STORAGE_FAILED', left: [] });
    expect(message).toContain('or not make files beside it');
    expect(statSync(file()).size).toBeGreaterThan(0);
  });
});
