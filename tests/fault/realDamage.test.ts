import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isStoreError, openStore, type OpenOptions, type Store } from '../../src/index.ts';
import { SeededRandom } from '../../src/testkit.ts';
import { collect } from '../fixtures/collect.ts';
import { SEED } from '../fixtures/proof.ts';
import { ONE_THREAD, straceAbility, straceOf } from '../fixtures/real/strace.ts';
import { Trials } from '../fixtures/real/trials.ts';
import { WriterProcess } from '../fixtures/real/writerProcess.ts';

const trials = new Trials('real-damage', 'damaged files');
const RUNS = ['a', 'b', 'c'];
const EVENTS = 30;
const SECTOR = 512;

let folder: string;
let store: Store | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-damage-'));
});

afterEach(async () => {
  // What is damaged may refuse to be closed.
  await store?.close().catch((error: unknown) => expect(isStoreError(error)).toBe(true));
  store = undefined;
  await rm(folder, { recursive: true, force: true });
});

const text = (name: string) => `${name} `.repeat(40);

/** Nothing stays in memory that a file holds, and the journal keeps all of its segments. */
async function open(options: OpenOptions = {}): Promise<Store> {
  const tuning = { cacheBytesMax: 0, tailBytesMax: 0, segmentBytesMin: 16 * 1024, lockWaitMs: 0 };
  store = await openStore(`file:${folder}`, { ...tuning, ...options });
  return store;
}

async function fill(): Promise<Store> {
  const made = await open();
  for (const id of RUNS) {
    await made.runs.create({ id, workflow: 'w', input: text(id) });
    await made.steps.create(id, { id: 'only', name: 'only', input: text(id) });
    for (let n = 1; n <= EVENTS; n++) {
      await made.events.append(id, { type: 'e', payload: text(`${id}${n}`) });
    }
    await made.artifacts.put(id, { name: 'file', body: text(`bytes of ${id}`) });
  }
  return made;
}

/** Every file below whose path matches, the newest name last. */
function files(pattern: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
    .toSorted();
}

/** Real writes into a real file, as far as its disk. */
function change(path: string, work: (handle: number, size: number) => void): void {
  const handle = openSync(path, 'r+');
  try {
    work(handle, statSync(path).size);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The middle of what is written: a segment ends in newlines. */
function middle(path: string): number {
  return Math.floor(readFileSync(path).toString('latin1').trimEnd().length / 2);
}

const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  'a flipped bit': (path) => {
    const at = middle(path);
    change(path, (handle) => {
      const byte = Buffer.alloc(1);
      readSync(handle, byte, 0, 1, at);
      writeSync(
        handle,
        Buffer.of((byte[0] ?? 0) ^ (1 << new SeededRandom(SEED).below(7))),
        0,
        1,
        at,
      );
    });
  },
  'a sector of zeros': (path) => {
    const at = Math.floor(middle(path) / SECTOR) * SECTOR;
    change(path, (handle, size) => {
      writeSync(handle, Buffer.alloc(Math.min(SECTOR, size - at)), 0, undefined, at);
    });
  },
  'a cut in the middle': (path) => truncateSync(path, middle(path)),
  'its loss': (path) => rmSync(path),
};

/** Every answer is the right one, or says which file is damaged. Returns how many said so. */
async function expectRightOrRefused(asked: Store, file: string): Promise<number> {
  let refused = 0;
  const ask = async (work: () => Promise<unknown>, expected: unknown) => {
    try {
      expect(await work()).toEqual(expected);
    } catch (error) {
      if (!isStoreError(error)) throw error;
      expect(['DATA_CORRUPT', 'JOURNAL_CORRUPT']).toContain(error.code);
      expect(error.message).toContain(file);
      refused++;
    }
  };
  for (const id of RUNS) {
    await ask(async () => (await asked.runs.get(id)).input, text(id));
    await ask(async () => (await asked.steps.get(id, 'only')).input, text(id));
    await ask(
      async () => (await asked.events.list(id, { limit: 100 })).items.map((it) => it.payload),
      Array.from({ length: EVENTS }, (_, n) => text(`${id}${n + 1}`)),
    );
    await ask(
      async () => Buffer.concat(await collect(asked.artifacts.open(id, 'file'))).toString(),
      text(`bytes of ${id}`),
    );
  }
  return refused;
}

async function expectFound(asked: Store, file: string): Promise<void> {
  const { findings } = await asked.verify();
  expect(findings.map((finding) => finding.file)).toContain(file);
}

const RUN_FILE = /^runs\/.*\.ndjson$/;
const BLOB = /^blobs\/sha256\/..\/.*$/;
const SEGMENT = /^journal\/\d+\.ndjson$/;

describe.each(Object.entries(DAMAGES))('%s', (what, damage) => {
  test.each([
    ['a run file', RUN_FILE],
    ['a blob', BLOB],
  ])('in %s of a closed store: its reads name the file, all others are right [ES-2]', (_, kind) =>
    trials.fault(what, async () => {
      await (await fill()).close();
      const file = files(kind).at(-1) ?? '';
      await chmod(file, 0o600);
      damage(file);
      const damaged = await open();
      expect(await expectRightOrRefused(damaged, file)).toBeGreaterThan(0);
      await expectFound(damaged, file);
      expect((await damaged.runs.create({ workflow: 'after' })).version).toBe(1);
    }),
  );

  test.each([
    ['a run file', RUN_FILE],
    ['a blob', BLOB],
  ])('in %s of an open store: its reads name the file, all others are right [ES-2]', (_, kind) =>
    trials.fault(what, async () => {
      await (await fill()).close();
      const damaged = await open();
      const file = files(kind).at(-1) ?? '';
      await chmod(file, 0o600);
      damage(file);
      expect(await expectRightOrRefused(damaged, file)).toBeGreaterThan(0);
      await expectFound(damaged, file);
      expect((await damaged.runs.create({ workflow: 'after' })).version).toBe(1);
    }),
  );

  test('in the journal of a closed store: opening refuses, reading goes on [ES-2] [W9]', () =>
    trials.fault(what, async () => {
      await (await fill()).close();
      const file = files(SEGMENT).at(-1) ?? '';
      damage(file);
      const before = files(SEGMENT).map((path) => readFileSync(path));
      const refusal: unknown = await open().catch((error: unknown) => error);
      expect(isStoreError(refusal, 'JOURNAL_CORRUPT')).toBe(true);
      expect(String(refusal)).toMatch(/journal.\d+\.ndjson, byte \d+: /);
      expect(files(SEGMENT).map((path) => readFileSync(path))).toEqual(before);
      await expectRightOrRefused(await open({ readOnly: true }), file);
    }));

  test('in the journal of an open store: reads are right, and verify names it [ES-2] [W9]', () =>
    trials.fault(what, async () => {
      const damaged = await fill();
      const file = files(SEGMENT)[0] ?? '';
      damage(file);
      expect(await expectRightOrRefused(damaged, file)).toBe(0);
      await expectFound(damaged, file);
      // Run files have all of it by now. The oldest segment may be gone; what is there must be whole.
      await damaged.close();
      const again = await open();
      expect(await expectRightOrRefused(again, file)).toBe(0);
      if (existsSync(file)) await expectFound(again, file);
    }));

  test('in the index of a closed store: it is built anew, and all is right [ES-2]', () =>
    trials.fault(what, async () => {
      await (await fill()).close();
      const [file = ''] = files(/^index\/index\.db$/);
      damage(file);
      const healed = await open();
      expect((await healed.stats()).recovery.indexRebuilt).toBe(true);
      expect(await expectRightOrRefused(healed, file)).toBe(0);
      expect((await healed.runs.list()).items).toHaveLength(RUNS.length);
      expect((await healed.verify()).findings).toEqual([]);
    }));
});

describe('a disk that says that it has written, and has not', () => {
  trials.where(straceAbility())('is found when the store is opened again [ES-2] [W9]', () =>
    trials.fault('a lying write', async () => {
      const file = join(folder, 'store', 'journal', '0000000001.ndjson');
      // Ten bytes are said to be written that are not; the rest of the frame is.
      const injection = { call: 'pwrite64', what: 'retval=10', nth: 3, paths: [file] } as const;
      const url = `file:${folder}/store`;
      const tuning = { segmentBytesMin: 1024 * 1024 };
      const wrap = straceOf(injection, join(folder, 'log'));
      const writer = new WriterProcess({ url, tuning }, wrap, ONE_THREAD);
      await writer.must({ do: 'open' });
      await writer.must({ do: 'write', rounds: 3, callers: 2 });
      await writer.must({ do: 'close' });
      await writer.end();
      const refusal: unknown = await openStore(url).catch((error: unknown) => error);
      expect(isStoreError(refusal, 'JOURNAL_CORRUPT')).toBe(true);
      expect(String(refusal)).toMatch(new RegExp(`${file}, byte \\d+: `));
    }),
  );
});
