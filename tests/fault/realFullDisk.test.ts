import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ability, system } from '../fixtures/real/machine.ts';
import { Mounts, powerCutAbility, tmpfsAbility } from '../fixtures/real/mounts.ts';
import { Trials } from '../fixtures/real/trials.ts';
import { expectWhole } from '../fixtures/real/whole.ts';
import { SMALL, WriterProcess } from '../fixtures/real/writerProcess.ts';

const trials = new Trials('real-full', 'full disks');
const canMount = tmpfsAbility();
const canLimit = ability('prlimit on another process', () => {
  system('prlimit', '--pid', String(process.pid), '--fsize');
});

let folder: string;
let mounts: Mounts;
let writer: WriterProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-full-'));
  mounts = new Mounts();
});

afterEach(async () => {
  writer.kill();
  mounts.release();
  await rm(folder, { recursive: true, force: true });
});

/** Each segment is twice the one before: sooner or later one is over any limit. */
const GROWING = { ...SMALL, segmentBytesMax: 1024 * 1024 };

/** How writes may end on a disk that fails. */
const FAILED = ['OUTCOME_UNKNOWN', 'STORAGE_FAILED', 'STORAGE_FULL', 'STORE_POISONED'];

/** Takes all the room that is left. Returns what gives it back. */
function fill(at: string): () => void {
  const file = join(at, 'ballast');
  const handle = openSync(file, 'a');
  try {
    for (let size = 64 * 1024; size >= 1; size = size >> 2) {
      const bytes = Buffer.alloc(size, 1);
      try {
        while (writeSync(handle, bytes) === size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(handle);
  }
  return () => rmSync(file);
}

const write = (rounds: number) => writer.must({ do: 'write', rounds, callers: 3 });

async function start(place: string, tuning = SMALL): Promise<string> {
  const url = `file:${place}/store`;
  writer = new WriterProcess({ url, tuning });
  await writer.must({ do: 'open' });
  await write(4);
  expect(writer.refusals()).toEqual([]);
  return url;
}

/** What the process itself reads now: nothing is missing, whatever was refused. */
async function expectReadable(): Promise<void> {
  const { inspection } = await writer.must({ do: 'read' });
  expect(inspection).toMatchObject({ errors: [], problems: [] });
}

/** Full, refused, room again, written, closed, reopened. */
async function fillsAndHeals(url: string, fillUp: () => () => void): Promise<void> {
  const makeRoom = fillUp();
  const since = writer.outcomes.length;
  const { status } = await write(200);
  expect(writer.refusals(since)).toEqual(['STORAGE_FULL']);
  expect(status).toBe('open');
  await expectReadable();
  makeRoom();
  const healed = writer.outcomes.length;
  expect((await write(4)).status).toBe('open');
  expect(writer.outcomes.length).toBeGreaterThan(healed + 50);
  expect(writer.refusals(healed)).toEqual([]);
  await writer.must({ do: 'close' });
  await writer.end();
  await expectWhole(url, writer.ledger);
}

describe('a full disk', () => {
  const whereItMounts = trials.where(canMount);

  whereItMounts(
    'refuses writes while journal segments find no room, and heals in place [ES-1] [W3]',
    () =>
      trials.fault('full tmpfs', async () => {
        const place = mounts.tmpfs('size=4m');
        await fillsAndHeals(await start(place), () => fill(place));
      }),
  );

  whereItMounts('without a free inode is the same [ES-1] [W3]', () =>
    trials.fault('no inode', async () => {
      const place = mounts.tmpfs('size=32m,nr_inodes=300');
      const url = await start(place);
      await fillsAndHeals(url, () => {
        const names: string[] = [];
        try {
          for (;;) {
            const name = join(place, `inode-${names.length}`);
            closeSync(openSync(name, 'wx'));
            names.push(name);
          }
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        }
        return () => names.forEach((name) => rmSync(name));
      });
    }),
  );

  whereItMounts('met by closing, and again by opening, takes nothing [ES-1]', () =>
    trials.fault('full at close and open', async () => {
      const place = mounts.tmpfs('size=4m');
      const url = await start(place);
      const makeRoom = fill(place);
      const closed = await writer.order({ do: 'close' });
      expect(closed).toMatchObject({ status: 'closed', refusal: { outcome: 'STORAGE_FULL' } });
      // What closing could not use is taken too.
      fill(place);
      const opened = await writer.order({ do: 'open' });
      expect(opened.refusal).toMatchObject({ outcome: 'STORAGE_FULL', cause: 'ENOSPC' });
      makeRoom();
      await writer.must({ do: 'open' });
      await expectReadable();
      await write(2);
      await writer.must({ do: 'close' });
      await writer.end();
      await expectWhole(url, writer.ledger);
    }),
  );

  trials.where(canMount, powerCutAbility())(
    'under a thin ext4 volume refuses or poisons, and takes nothing [ES-1] [W3]',
    () =>
      trials.fault('thin volume', async () => {
        const pool = mounts.tmpfs('size=14m');
        const disk = mounts.ext4(64, pool);
        const url = await start(disk.folder);
        const makeRoom = fill(pool);
        const since = writer.outcomes.length;
        await writer.order({ do: 'write', rounds: 400, callers: 3 });
        const codes = writer.refusals(since);
        expect(codes.length).toBeGreaterThan(0);
        for (const code of codes) expect(FAILED).toContain(code);
        await writer.order({ do: 'close' });
        await writer.end();
        makeRoom();
        disk.unmount();
        disk.mount();
        await expectWhole(url, writer.ledger);
      }),
  );
});

describe('a limit on the size of files', () => {
  const whereItLimits = trials.where(canLimit);
  const limitTo = (bytes: string) =>
    system('prlimit', '--pid', String(writer.pid), `--fsize=${bytes}:unlimited`);

  whereItLimits('met by a new segment refuses, and heals when it is raised [ES-1] [W3]', () =>
    trials.fault('a limit for new files', async () => {
      const url = await start(folder, GROWING);
      await fillsAndHeals(url, () => {
        limitTo('200000');
        return () => limitTo('unlimited');
      });
    }),
  );

  whereItLimits('met by a write of commits poisons until it is opened again [ES-1] [W3]', () =>
    trials.fault('a limit for open files', async () => {
      const url = await start(folder);
      limitTo('1000');
      const since = writer.outcomes.length;
      expect((await write(20)).status).toBe('poisoned');
      expect(writer.refusals(since)).toContain('OUTCOME_UNKNOWN');
      limitTo('unlimited');
      const later = writer.outcomes.length;
      await write(1);
      expect(writer.outcomes.slice(later).filter(({ outcome }) => outcome === 'ok')).toEqual([]);
      await writer.must({ do: 'close' });
      await writer.must({ do: 'open' });
      await write(2);
      await writer.must({ do: 'close' });
      await writer.end();
      await expectWhole(url, writer.ledger);
    }),
  );

  test('that a shell sets ends what the store takes, and loses nothing [ES-1] [W3]', () =>
    trials.fault('ulimit -f', async () => {
      const url = `file:${folder}/store`;
      writer = new WriterProcess({ url, tuning: GROWING }, [
        'sh',
        '-c',
        'ulimit -f 300; exec "$0" "$@"',
      ]);
      await writer.must({ do: 'open' });
      await write(200);
      const codes = writer.refusals();
      expect(codes.length).toBeGreaterThan(0);
      for (const code of codes) expect(FAILED).toContain(code);
      await writer.order({ do: 'close' });
      await writer.end();
      expect(writer.ledger.acknowledged).toBeGreaterThan(10);
      await expectWhole(url, writer.ledger);
    }));
});
