import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { SeededRandom } from '../../src/testkit.ts';
import { IS_SOAK, SEED } from '../fixtures/proof.ts';
import {
  type Injection,
  ONE_THREAD,
  retriesIn,
  straceAbility,
  straceOf,
  type TracedCall,
  tracedCalls,
} from '../fixtures/real/strace.ts';
import { Trials } from '../fixtures/real/trials.ts';
import { expectWhole } from '../fixtures/real/whole.ts';
import { type Reply, WriterProcess } from '../fixtures/real/writerProcess.ts';

const trials = new Trials('real-calls', 'failed system calls');
const whereStraceInjects = trials.where(straceAbility());
const random = new SeededRandom(SEED);
const LONG_MS = IS_SOAK ? 3_600_000 : 120_000;

let folder: string;
let writer: WriterProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-calls-'));
});

afterEach(async () => {
  writer.kill();
  await rm(folder, { recursive: true, force: true });
});

const store = () => join(folder, 'store');
const segment = (number: number) =>
  join(store(), 'journal', `${String(number).padStart(10, '0')}.ndjson`);

interface Life {
  readonly calls: readonly TracedCall[];
  /** After the writes; `undefined` where opening was refused. */
  readonly status: Reply['status'];
  readonly closed: Reply | undefined;
}

/** A life of a store with this fault in it, from opening to the end of the process. */
async function live(injection: Injection): Promise<Life> {
  await rm(store(), { recursive: true, force: true });
  const log = join(folder, 'strace.log');
  writer = new WriterProcess({ url: `file:${store()}` }, straceOf(injection, log), ONE_THREAD);
  const { refusal } = await writer.order({ do: 'open' });
  expect(refusal?.outcome ?? '').not.toContain('untyped');
  let [status, closed]: [Reply['status'], Reply | undefined] = [undefined, undefined];
  if (refusal === undefined) {
    ({ status } = await writer.order({ do: 'write', rounds: 3, callers: 2 }));
    if (status === 'poisoned') await writer.order({ do: 'write', rounds: 2, callers: 2 });
    const { inspection } = await writer.must({ do: 'read' });
    expect(inspection?.problems).toEqual([]);
    closed = await writer.order({ do: 'close' });
    expect(closed.refusal?.outcome ?? '').not.toContain('untyped');
  }
  await writer.end();
  return { calls: tracedCalls(log), status, closed };
}

/** One fault of many; whether it struck: there may be fewer calls than that. */
async function strikes(injection: Injection, check: (life: Life) => void): Promise<void> {
  const life = await live(injection);
  const { call, what, nth } = injection;
  const struck = life.calls.find(({ injected }) => injected);
  if (struck === undefined) return;
  const where = struck.path.replace(folder, '');
  await trials.fault(`${what} of ${call} ${nth}, ${where}`, async () => {
    check(life);
    const retries = retriesIn(life.calls).filter((retry) => !isIndex(retry));
    expect(retries).toEqual([]);
    await expectWhole(`file:${store()}`, writer.ledger);
  });
}

/** SQLite tries again on its own files; they are derived, and made anew when they do not match. */
const isIndex = (text: string) => text.includes(`${store()}/index/index.db`);

/** W3: the store is poisoned, and no promise resolves after the first that failed. */
function expectPoisoned({ status, closed }: Life): void {
  const first = writer.outcomes.findIndex(({ outcome }) => outcome !== 'ok');
  if (first === -1) {
    // It was met by closing.
    expect(closed?.refusal?.outcome).toBe('STORAGE_FAILED');
    return;
  }
  expect(status).toBe('poisoned');
  const codes = writer.outcomes.slice(first).map(({ outcome }) => outcome);
  expect(new Set(codes)).toEqual(new Set(['OUTCOME_UNKNOWN', 'STORE_POISONED']));
}

/** Every number up to `last` when soaking, else some of them. */
function numbersTo(last: number, count: number): number[] {
  const all = Array.from({ length: last }, (_, i) => i + 1);
  return IS_SOAK ? all : Array.from({ length: count }, () => random.pick(all));
}

/** More than what such a life has of each. */
const CALLS = { pwrite64: 90, fsync: 90, rename: 35, unlink: 12 } as const;

describe('an error of the kernel', () => {
  whereStraceInjects.each(['error=EIO', 'error=ENOSPC', 'retval=0'])(
    'as %s in a write of the journal poisons: no acknowledgement, no second try [ST-1] [W1] [W3]',
    async (what) => {
      for (const [number, last] of [
        [1, 3],
        [2, 8],
        [3, 20],
      ] as const) {
        for (const nth of numbersTo(last, 1)) {
          const paths = [segment(number)];
          await strikes({ call: 'pwrite64', what, nth, paths }, expectPoisoned);
        }
      }
    },
    LONG_MS,
  );

  whereStraceInjects(
    'in naming a segment, or in making its name durable, poisons [W3] [W5]',
    async () => {
      for (const number of IS_SOAK ? [1, 2, 3, 4] : [2]) {
        const paths = [segment(number)];
        await strikes({ call: 'rename', what: 'error=EIO', nth: 1, paths }, expectPoisoned);
      }
      // The first sync of the folder comes with its opening.
      for (const nth of IS_SOAK ? [2, 3, 4] : [3]) {
        const paths = [join(store(), 'journal')];
        await strikes({ call: 'fsync', what: 'error=EIO', nth, paths }, expectPoisoned);
      }
    },
    LONG_MS,
  );

  whereStraceInjects.each([
    ['pwrite64', 'error=EIO', 4],
    ['pwrite64', 'error=ENOSPC', 3],
    ['fsync', 'error=EIO', 6],
    ['rename', 'error=EIO', 2],
    ['unlink', 'error=EIO', 2],
  ] as const)(
    'anywhere, in any %s, as %s, loses nothing, and no file is tried twice [ST-1] [W3]',
    async (call, what, count) => {
      for (const nth of numbersTo(CALLS[call], count)) {
        await strikes({ call, what, nth }, () => undefined);
      }
    },
    LONG_MS,
  );
});
