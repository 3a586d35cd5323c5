import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Clock, openStore, systemClock } from '../../src/index.ts';
import { SEED } from '../fixtures/proof.ts';
import { refusal } from '../fixtures/store/scene.ts';
import { Ledger } from './sigkill/ledger.ts';
import { TUNING, type WriterTask } from './sigkill/protocol.ts';
import { Victim } from './sigkill/victim.ts';

const CONTENDER = new URL('./sigkill/contender.ts', import.meta.url).pathname;
const LOCK_WAIT_MS = 1_000;
const ROUNDS = 4;

let folder: string;
let url: string;
let victim: Victim | undefined;
let children: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-owner-'));
  url = `file:${folder}/store`;
  victim = undefined;
  children = [];
});

afterEach(async () => {
  victim?.signal('SIGKILL');
  for (const child of children) child.kill('SIGKILL');
  await victim?.killed;
  await rm(folder, { recursive: true, force: true });
});

/** An owner whose eight callers write without a pause, stopped in the middle of it. */
async function stoppedOwner(): Promise<{ readonly task: WriterTask; readonly owner: Victim }> {
  const task = { url, seed: SEED, prefix: 'w', callers: 8 };
  const owner = new Victim(task);
  victim = owner;
  await owner.reached('working', 100);
  owner.signal('SIGSTOP');
  return { task, owner };
}

/** The refusal of who waits for the owner, and how long that was by its clock. Milliseconds. */
async function refused(): Promise<{ readonly message: string; readonly waitedMs: number }> {
  let waitedMs = 0;
  const clock: Clock = {
    now: () => systemClock.now(),
    after(ms, task) {
      waitedMs += ms;
      const handle = setImmediate(task);
      return () => clearImmediate(handle);
    },
  };
  const opening = openStore(url, { lockWaitMs: LOCK_WAIT_MS, clock });
  const { message } = await refusal(opening, 'STORE_LOCKED');
  return { message, waitedMs };
}

/** Nothing that `owner` acknowledged is missing, in a store that opens without any wait. */
async function expectKept(task: WriterTask, owner: Victim): Promise<void> {
  const ledger = new Ledger();
  ledger.add(task, await owner.killed);
  await using store = await openStore(url, { ...TUNING, lockWaitMs: 0 });
  expect(await ledger.check(store)).toEqual([]);
}

describe('an owner stopped by SIGSTOP', () => {
  it('keeps its store while it lives, whatever becomes of owner.json [ES-5] [W12]', async () => {
    const { owner } = await stoppedOwner();
    const first = await refused();
    expect(first.message).toContain(`pid ${owner.pid} `);
    expect(first.waitedMs).toBe(LOCK_WAIT_MS);
    const ownerFile = join(folder, 'store', 'owner.json');
    await utimes(ownerFile, 0, 0);
    expect((await refused()).message).toContain(`pid ${owner.pid} `);
    await rm(ownerFile);
    expect((await refused()).message).toContain('in use by another process');
  });

  it('goes on when it is woken, and what it acknowledged is there [ES-5]', async () => {
    const { task, owner } = await stoppedOwner();
    const ownerFile = join(folder, 'store', 'owner.json');
    const content = await readFile(ownerFile);
    await rm(ownerFile);
    await refused();
    await writeFile(ownerFile, content);
    await utimes(ownerFile, 0, 0);
    owner.signal('SIGCONT');
    await owner.reached('working', owner.acknowledged + 300);
    owner.signal('SIGKILL');
    await expectKept(task, owner);
  });

  it('loses its store at once when it is killed, and nothing with it [ES-5]', async () => {
    const { task, owner } = await stoppedOwner();
    await refused();
    owner.signal('SIGKILL');
    await expectKept(task, owner);
  });
});

describe('two processes that want the store of a killed one', () => {
  it('never have it both: one gets it, the other is told by whom it is held [ES-5]', async () => {
    const store = await openStore(url);
    await store.runs.create({ id: 'all', workflow: 'owners' });
    await store.close();
    const winners: string[] = [];
    let contenders = [await contender('0'), await contender('1')];
    for (let round = 0; round < ROUNDS; round++) {
      const answers = await Promise.all(contenders.map((each) => each.contend()));
      const won = answers.findIndex(({ seq }) => seq !== undefined);
      const [winner, loser] = won === 0 ? contenders : contenders.toReversed();
      expect(answers[won]).toEqual({ seq: round + 1 });
      expect(answers[1 - won]?.refused).toContain(`pid ${winner?.pid} `);
      winners.push(winner?.name ?? '');
      await winner?.kill();
      if (loser !== undefined) contenders = [loser, await contender(`${round + 2}`)];
    }
    await using reopened = await openStore(url, { lockWaitMs: 0 });
    const { items } = await reopened.events.list('all');
    expect(items.map(({ payload }) => payload)).toEqual(winners);
    expect((await reopened.verify()).findings).toEqual([]);
  });
});

interface Answer {
  /** Of the event that it wrote as the owner. */
  readonly seq?: number;
  readonly refused?: string;
}

async function contender(name: string) {
  const child = spawn(process.execPath, [CONTENDER, url, name], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    name,
    pid: child.pid,
    async contend(): Promise<Answer> {
      child.stdin.write('\n');
      return JSON.parse(String((await lines.next()).value)) as Answer;
    },
    async kill(): Promise<void> {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}
