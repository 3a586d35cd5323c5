import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, sep } from 'node:path';
import { openStore, type OpenOptions, type Store } from '../../../src/index.ts';
import { ManualClock, SeededRandom } from '../../../src/testkit.ts';
import type { DiskImage } from '../../../src/testkit/simulatedDisk.ts';
import { FaultyDisk } from '../../../src/testkit/faultyDisk.ts';
import { isJournalWrite } from '../../fixtures/store/testDisk.ts';
import { type Answers, KEYED, readAnswers } from './answers.ts';

export interface SmallStore {
  readonly name: string;
  /** Its folder, without what belongs to its owner. */
  readonly image: DiskImage;
  /** A cursor from before the last session. */
  readonly start: string;
  /** Whether its last owner closed it. */
  readonly isClosed: boolean;
  /** When it was left. Milliseconds since 1970. */
  readonly ms: number;
  /** What it answered, while it was open, after everything, and before its last batch. */
  readonly answers: readonly Answers[];
}

/** The newest segment of the killed store has room for its three commits, and little filler. */
export const TUNING = { segmentBytesMin: 1325, segmentBytesMax: 1325 };

/** A segment for each batch, as large as that. */
const EXACT = { segmentBytesMin: 512, segmentBytesMax: 512 };

/** Writes a store by ordinary calls into a temporary folder, and keeps what is there at its end. */
class Building {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-flips-'));
  readonly clock = new ManualClock();
  readonly answers: Answers[] = [];
  #start = '';
  #image: DiskImage = { folders: [], files: new Map() };
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  async open(options: OpenOptions = {}): Promise<Store> {
    const place = `file:${this.folder}`;
    const defaults = { ...TUNING, clock: this.clock, random: this.#random };
    const store = await openStore(place, { ...defaults, ...options });
    this.#start = store.position();
    return store;
  }

  async note(store: Store): Promise<void> {
    this.answers.push(await readAnswers(store, this.#start));
  }

  /** Keeps the files as they are now: closed, or as a kill leaves them. */
  take(): void {
    this.#image = imageOf(this.folder);
  }

  named(name: string): SmallStore {
    const { clock, answers } = this;
    const image = this.#image;
    const isClosed = image.files.has('/index/closed.json');
    return { name, image, isClosed, start: this.#start, ms: clock.ms, answers };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const FACTS = { tags: { k: 'v' }, metadata: { s: 't', n: 1 } };

/** One whose last owner closed it: a run that has ended, with all that a run can have. */
export async function closedStore(seed: number): Promise<SmallStore> {
  return built('closed', seed, async (building) => {
    const store = await building.open(EXACT);
    await store.pins.create({ name: 'p' });
    await store.transaction('a', async (tx) => {
      await tx.runs.create({ id: 'a', workflow: 'w', project: 'p', tags: { t: '1' } });
      await tx.steps.create('a', { id: 's', name: 's', input: Buffer.from([0, 255]) });
      await tx.artifacts.put('a', { name: 'x', body: 'one', ...FACTS });
      const parents = [{ runId: 'a', name: 'x', version: 1 }];
      await tx.artifacts.put('a', { name: 'y', body: 'two', parents });
      await tx.events.append('a', KEYED);
      await tx.runs.update('a', { status: 'cancelled', output: 1 });
    });
    await building.note(store);
    await store.close();
    building.take();
  });
}

/** One whose owner was killed: its newest segment holds what is proven durable and what is not. */
export async function killedStore(seed: number): Promise<SmallStore> {
  return built('killed', seed, async (building) => {
    await twoSessions(building);
    const disk = new FaultyDisk();
    const store = await building.open({ fileSystem: disk });
    await building.note(store);
    // While the first is written the others gather, in one batch: whatever becomes of it, each of
    // its two commits is whole or not there.
    const gathered = Promise.withResolvers<undefined>();
    disk.fault = (call) => (isJournalWrite(call) ? gathered.promise : undefined);
    const calls = [
      store.runs.create({ id: 'c', workflow: 'w', parentRunId: 'a', parentStepId: 's' }),
      store.transaction('a', (tx) => tx.events.append('a', { type: 'e' })),
      store.transaction('d', async (tx) => {
        await tx.runs.create({ id: 'd', workflow: 'w' });
        await tx.events.append('d', { type: 'e' });
      }),
    ];
    for (let n = 0; n < TURNS; n++) await new Promise((resolve) => setImmediate(resolve));
    gathered.resolve(undefined);
    await Promise.all(calls);
    await building.note(store);
    building.take();
    await store.close();
  });
}

/** Of the event loop: enough for a transaction of runs in memory to come to its commit. */
const TURNS = 50;

/** The same life and more of it, closed in order: a larger store, with more parts of one run. */
export async function grownStore(seed: number): Promise<SmallStore> {
  return built('grown', seed, async (building) => {
    await twoSessions(building);
    let store = await building.open();
    await store.steps.create('a', { id: 's', name: 's', input: { n: 1 } });
    for (const body of ['one', 'two']) {
      await store.artifacts.put('a', { name: 'x', body, ...FACTS });
    }
    await store.runs.create({ id: 'b', workflow: 'w', project: 'p' });
    await store.runs.update('b', { status: 'cancelled', output: 1 });
    await store.close();
    store = await building.open();
    await store.events.append('b', { type: 'e', payload: 'x'.repeat(2_000) });
    await building.note(store);
    await store.close();
    building.take();
  });
}

/** A live run in two parts, and one that was deleted. */
async function twoSessions(building: Building): Promise<void> {
  const first = await building.open();
  await first.transaction(['a', 'd'], async (tx) => {
    await tx.runs.create({ id: 'a', workflow: 'w', tags: { t: '1' } });
    await tx.events.append('a', KEYED);
    await tx.runs.create({ id: 'd', workflow: 'w' });
  });
  await first.close();
  // The first segment goes at its end: what is in files only, the log can no longer heal.
  const second = await building.open({ ...EXACT, journalBytesKeep: 0 });
  await second.pins.create({ name: 'p' });
  await second.transaction(['a', 'd'], async (tx) => {
    await tx.runs.delete('d');
    await tx.events.append('a', { type: 'e', payload: Buffer.from([1, 254]) });
  });
  await second.close();
}

async function built(
  name: string,
  seed: number,
  build: (building: Building) => Promise<void>,
): Promise<SmallStore> {
  const building = new Building(seed);
  try {
    await build(building);
    return building.named(name);
  } finally {
    building.remove();
  }
}

// IMPORTANT: never the lock's file: to close it would drop the lock. And what is only being made has
// no name yet: opening removes it, whatever it holds.
const LEFT_OUT = /^(lock\.db|owner\.json|\.holdfast-.*)$/;

function imageOf(root: string): DiskImage {
  const folders: string[] = [];
  const files = new Map<string, Buffer>();
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  for (const name of names.toSorted()) {
    if (LEFT_OUT.test(basename(name))) continue;
    const path = `/${name.replaceAll(sep, '/')}`;
    if (statSync(join(root, name)).isDirectory()) folders.push(path);
    else files.set(path, readFileSync(join(root, name)));
  }
  return { folders, files };
}
