import { createHash } from 'node:crypto';
import { type Commit, isStoreError, type NewArtifact, type Store } from '../../index.ts';
import { ManualClock } from '../manualClock.ts';
import { SeededRandom } from '../seededRandom.ts';
import { SimulatedDisk } from '../simulatedDisk.ts';
import { observed } from './contents.ts';
import { Broken, Ledger } from './ledger.ts';
import type { OpenInWorld, Remains, Subject } from './recording.ts';
import type { Side } from './side.ts';

const TURNS_MAX = 12;
/** How often somebody reads while somebody else writes. */
const READ_SHARE = 0.2;
const QUIET_ROUNDS = 3;
const ROUNDS_MAX = 10_000;

interface Parts {
  readonly random: SeededRandom;
  readonly disk: SimulatedDisk;
  readonly clock: ManualClock;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly open: OpenInWorld;
  readonly side: Side | undefined;
}

/** Where a workload plays: a store on a simulated disk, a clock, and callers. */
export class Stage {
  readonly random: SeededRandom;
  readonly clock: ManualClock;
  readonly disk: SimulatedDisk;
  readonly ledger: Ledger;
  store: Store;
  readonly #open: OpenInWorld;
  readonly #side: Side | undefined;
  #watching: Promise<void>;
  #failure: Error | undefined;

  private constructor({ random, disk, clock, store, ledger, open, side }: Parts) {
    this.random = random;
    this.disk = disk;
    this.clock = clock;
    this.store = store;
    this.ledger = ledger;
    this.#open = open;
    this.#side = side;
    this.#watching = this.#watch();
  }

  /** A new store on an empty disk. */
  static async begin(seed: number, subject: Subject): Promise<Stage> {
    const { open, side } = subject;
    const random = new SeededRandom(seed);
    const disk = new SimulatedDisk({ random, turnsMax: TURNS_MAX });
    if (subject.onEvent !== undefined) disk.onEvent = subject.onEvent;
    const clock = new ManualClock();
    const store = await open({ fileSystem: disk.fileSystem, clock, random });
    const ledger = new Ledger(store.position());
    ledger.openedAt = disk.events.length;
    return new Stage({ random, disk, clock, store, ledger, open, side });
  }

  /** The store that a crash left. */
  static async goOn(remains: Remains, subject: Subject): Promise<Stage | undefined> {
    const { open, side } = subject;
    const { disk, clock, events } = remains;
    const random = new SeededRandom(events);
    const store = await open({ fileSystem: disk.fileSystem, clock, random });
    const number = remains.ledger.numberOf(store.position());
    if (number === undefined) {
      disk.kill();
      await store.close().catch(() => undefined);
      return undefined;
    }
    const ledger = remains.ledger.branch(number, events, disk.events.length);
    return new Stage({ random, disk, clock, store, ledger, open, side });
  }

  /** One write that stores these marks. Resolves in any case: its outcome is in the ledger. */
  call<T>(marks: readonly string[], work: (store: Store) => Promise<T>): Promise<T | undefined> {
    const now = () => this.disk.events.length;
    const written = this.ledger.call(marks, now, () => work(this.store));
    return this.random.chance(READ_SHARE) ? this.#readDuring(written) : written;
  }

  /** An artifact of these bytes, under their own digest. */
  async put(
    mark: string,
    runId: string,
    artifact: NewArtifact & { readonly body: Uint8Array },
  ): Promise<void> {
    const stored = await this.call([mark], (store) => store.artifacts.put(runId, artifact));
    const digest = `sha256:${createHash('sha256').update(artifact.body).digest('hex')}`;
    if (stored === undefined || stored.digest === digest) return;
    throw new Broken('every named blob is whole', `${artifact.name} was put as ${stored.digest}`);
  }

  async #readDuring<T>(written: Promise<T>): Promise<T> {
    const [result] = await Promise.all([written, this.#read()]);
    return result;
  }

  /** What a caller sees that only reads. */
  async #read(): Promise<void> {
    const { store } = this;
    try {
      const { items } = await store.runs.list({ limit: 5 });
      this.ledger.read(items, this.disk.events.length);
      const run = items[this.random.below(Math.max(1, items.length))];
      if (run === undefined) return;
      const lists = [
        store.steps.list(run.id),
        store.events.list(run.id),
        store.artifacts.list(run.id),
      ];
      for (const list of lists) this.ledger.read((await list).items, this.disk.events.length);
      this.ledger.read([await store.runs.get(run.id)], this.disk.events.length);
    } catch (error) {
      // Closed, killed or poisoned meanwhile, or the run was deleted: nothing was seen.
      if (!isStoreError(error)) throw error;
    }
  }

  /** A text that no other call has. */
  mark(): string {
    return this.ledger.mark();
  }

  /** A reader holds on to the log from here on. */
  async pin(name: string): Promise<void> {
    await this.#seen();
    await this.store.pins.create({ name, after: this.ledger.end });
    this.ledger.pinned(name, this.disk.events.length);
  }

  async unpin(name: string): Promise<void> {
    this.ledger.released(name, this.disk.events.length);
    await this.store.pins.release(name);
  }

  /** Lets timers run that are due after `ms`, and waits until the disk has nothing to do. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.quiet();
  }

  /** Waits until the disk has nothing to do. */
  async quiet(): Promise<void> {
    let before = -1;
    for (let rounds = 0; rounds < QUIET_ROUNDS; rounds++) {
      if (before !== this.disk.events.length) rounds = 0;
      before = this.disk.events.length;
      await nextTurn();
    }
  }

  async close(): Promise<void> {
    await this.#seen();
    await this.store.close();
    await this.#watching;
  }

  async reopen(): Promise<void> {
    const { random, clock, disk } = this;
    this.store = await this.#open({ fileSystem: disk.fileSystem, clock, random });
    this.#failure = undefined;
    this.#watching = this.#watch();
  }

  /** The process dies, and the next one finds all that it wrote. */
  async kill(): Promise<void> {
    this.ledger.die();
    this.disk.kill();
    await this.#letGo();
    await this.reopen();
    await this.#seen();
  }

  /** Ends the work: without a crash, what is stored is what callers were told. */
  async end(): Promise<void> {
    const { store, ledger } = this;
    if (store.status === 'open') await this.#seen();
    ledger.check();
    if (store.status === 'closed') return;
    const broken = ledger.blame(await observed(store), ledger.length);
    if (broken !== undefined) throw broken;
    this.disk.kill();
    await this.#letGo();
  }

  /** What a dead process does fails, whatever it was. */
  async #letGo(): Promise<void> {
    const left = this.#side?.take();
    await Promise.allSettled([this.store.close(), this.#watching]);
    if (left !== undefined) this.#side?.put(left);
  }

  async #watch(): Promise<void> {
    const commits = this.store.watch({ after: this.ledger.end });
    try {
      for await (const commit of commits) this.#shown(commit);
    } catch (error) {
      // Of a process that died, or it is told when somebody waits for what was to be seen.
      this.#failure = isStoreError(error)
        ? new Broken('a cursor gives every later change once', error.message, error)
        : new Error('the watcher broke off', { cause: error });
    }
  }

  #shown(commit: Commit): void {
    this.ledger.add(commit, this.disk.events.length);
  }

  /** Until the watcher has seen all that is durable. */
  async #seen(): Promise<void> {
    await this.quiet();
    for (let rounds = 0; this.#isBehind; rounds++) {
      if (this.#failure !== undefined) throw this.#failure;
      if (rounds > ROUNDS_MAX) {
        throw new Broken('a cursor gives every later change once', 'the watcher never got there');
      }
      await nextTurn();
    }
  }

  get #isBehind(): boolean {
    return this.ledger.numberOf(this.store.position()) === undefined;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
