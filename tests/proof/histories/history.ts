import { setImmediate } from 'node:timers/promises';
import {
  createMemoryFileSystem,
  type FileStoreTuning,
  isStoreError,
  openStore,
  type Store,
} from '../../../src/index.ts';
import { ManualClock, SeededRandom } from '../../../src/testkit.ts';
import type { Operation } from '../../../src/testkit/linearizability.ts';
import { type Answer, type Call, perform } from './calls.ts';
import { UNAVAILABLE } from './model.ts';
import { Script } from './script.ts';
import { troublesOf, tuningOf } from './settings.ts';
import { type Trouble, TroubledDisk } from './troubledDisk.ts';

/** One process that has the store open. */
interface Incarnation {
  readonly store: Store;
  readonly disk: TroubledDisk;
  /** It closes, because somebody wants it opened again. */
  isLeaving: boolean;
}

export interface History {
  readonly seed: number;
  readonly runs: readonly string[];
  readonly operations: readonly Operation<Call, Answer>[];
  /** Calls whose outcome nobody was told. */
  readonly unknown: number;
  /** What the processes met, one after the other. */
  readonly fates: readonly string[];
  /** What was done to the disk, in all processes, or what happened to processes of a database. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Makes a store wrong, to see that it is found out. */
export type Break = (store: Store) => Store;

/** Turns of the event loop after which a history that has not ended is taken to hang. */
const TURNS_MAX = 200_000;

/** Several callers on one store, from the first opening to the last, as the seed decides. */
export function recordHistory(seed: number, broken: Break = (store) => store): Promise<History> {
  return new Life(seed, broken).live();
}

class Life {
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #break: Break;
  readonly #script: Script;
  readonly #clock = new ManualClock();
  readonly #fileSystem = createMemoryFileSystem();
  readonly #turnsMax: number;
  readonly #tuning: Partial<FileStoreTuning>;
  readonly #troubles: Trouble[];
  readonly #disks: TroubledDisk[] = [];
  readonly #operations: Writable<Operation<Call, Answer>>[] = [];
  /** Called, and never told how it ended; settled when the store is opened again. */
  #open: Writable<Operation<Call, Answer>>[] = [];
  #unknown = 0;
  #time = 0;
  #running: Promise<Incarnation>;
  #ended = false;

  constructor(seed: number, broken: Break) {
    const random = new SeededRandom(seed);
    this.#seed = seed;
    this.#random = random;
    this.#break = broken;
    this.#script = new Script(random);
    this.#turnsMax = random.pick([0, 2, 4, 9]);
    this.#tuning = tuningOf(random);
    this.#troubles = troublesOf(random);
    this.#running = this.#begin();
  }

  async live(): Promise<History> {
    try {
      await Promise.race([this.#callAndRead(), this.#passTime()]);
    } finally {
      this.#ended = true;
    }
    return {
      seed: this.#seed,
      runs: this.#script.runs,
      operations: this.#operations,
      unknown: this.#unknown,
      fates: this.#disks.map(({ fate }) => fate ?? 'nothing'),
      counts: this.#diskCalls(),
    };
  }

  async #callAndRead(): Promise<void> {
    const random = this.#random;
    if (random.chance(0.8)) await this.#createRuns();
    const callers = 3 + random.below(4);
    const calls = Math.ceil((10 + random.below(14)) / callers);
    await Promise.all(Array.from({ length: callers }, () => this.#caller(calls)));
    await this.#readAll();
    this.#troubles.length = 0;
    await this.#leave(await this.#running, random.pick(['killed', 'closed']));
    await this.#readAll();
    const { store } = await this.#running;
    const { findings } = await store.verify();
    if (findings.length > 0) throw new Error(`verify found ${JSON.stringify(findings)}`);
    await store.close();
  }

  /** Time goes on by itself, as the checkpointer expects; and nothing may take for ever. */
  async #passTime(): Promise<void> {
    for (let turn = 0; !this.#ended; turn++) {
      await setImmediate();
      if (turn % 4 === 0) this.#clock.advance(1);
      if (turn > TURNS_MAX) throw new Error(`it hangs after ${this.#operations.length} calls`);
    }
  }

  async #createRuns(): Promise<void> {
    for (const run of this.#script.runs) await this.#call({ op: 'create', run, value: 1 });
  }

  async #caller(calls: number): Promise<void> {
    const random = this.#random;
    for (let n = 0; n < calls; n++) {
      for (let turns = random.below(3); turns > 0; turns--) await setImmediate();
      const burst = random.chance(0.1) ? this.#script.burst() : [this.#script.next()];
      const made = await Promise.all(burst.map((call) => this.#call(call)));
      const incarnation = made.at(-1) ?? (await this.#running);
      const wanted = incarnation.store.status === 'poisoned' ? 0.4 : 0.01;
      if (random.chance(wanted)) await this.#leave(incarnation, 'closed');
    }
  }

  async #readAll(): Promise<void> {
    await this.#call({ op: 'list' });
    for (const run of this.#script.runs) {
      await this.#call({ op: 'get', run });
      await this.#call({ op: 'listSteps', run });
      await this.#call({ op: 'events', run, after: 0, limit: 100 });
    }
  }

  /** One call, written down. Of what was under way in a killed process nobody hears again. */
  async #call(call: Call): Promise<Incarnation> {
    const incarnation = await this.#running;
    const { store, disk } = incarnation;
    const operation: Writable<Operation<Call, Answer>> = {
      call: ++this.#time,
      return: Infinity,
      input: call,
      output: undefined,
    };
    this.#operations.push(operation);
    this.#open.push(operation);
    const answer = await Promise.race([perform(store, call), disk.killed]);
    if (answer === 'killed' || disk.isDead) return incarnation;
    const refused = answer !== null && 'refused' in answer ? answer.refused : '';
    this.#expectReason(refused, incarnation);
    if (refused === 'OUTCOME_UNKNOWN') return incarnation;
    this.#open = this.#open.filter((one) => one !== operation);
    operation.return = ++this.#time;
    operation.output = isPartial(call, disk) ? { refused: 'DATA_CORRUPT' } : answer;
    this.#script.heard(call, answer);
    return incarnation;
  }

  #expectReason(refused: string, { disk, isLeaving }: Incarnation): void {
    if (refused === 'STORE_CLOSED' && isLeaving) return;
    if (isOfTheDisk(refused) && disk.fate === undefined) {
      throw new Error(`${refused} from a disk without fault`);
    }
  }

  /** Ends this process, unless that was done already; the next one begins at once. */
  async #leave(incarnation: Incarnation, how: 'killed' | 'closed'): Promise<void> {
    if (incarnation.isLeaving || incarnation.disk.isDead) return;
    if (how === 'killed') return incarnation.disk.kill();
    incarnation.isLeaving = true;
    this.#running = this.#closed(incarnation).then(() => this.#begin());
    await this.#running;
  }

  async #closed({ store, disk }: Incarnation): Promise<void> {
    try {
      await Promise.race([store.close(), disk.killed]);
    } catch (error) {
      // What was stored is there whether closing succeeds or not.
      if (!isStoreError(error) || disk.fate === undefined) throw error;
    }
  }

  /** Opens the store in a new process, and again while the disk fails or the process is killed. */
  async #begin(): Promise<Incarnation> {
    for (;;) {
      const disk = this.#newDisk();
      const store = await this.#tryOpen(disk);
      if (store === undefined) continue;
      const incarnation = { store: this.#break(store), disk, isLeaving: false };
      void this.#succeed(incarnation);
      this.#settle();
      disk.isServing = true;
      return incarnation;
    }
  }

  /** After a kill the next process begins. */
  async #succeed(incarnation: Incarnation): Promise<void> {
    await incarnation.disk.killed;
    if (!incarnation.isLeaving) this.#running = this.#begin();
  }

  #newDisk(): TroubledDisk {
    const trouble = this.#troubles.shift();
    const disk = new TroubledDisk(this.#fileSystem, this.#random, this.#turnsMax, trouble);
    this.#disks.push(disk);
    return disk;
  }

  async #tryOpen(disk: TroubledDisk): Promise<Store | undefined> {
    const [clock, random] = [this.#clock, this.#random];
    const options = { ...this.#tuning, fileSystem: disk, clock, random };
    try {
      const store = await Promise.race([openStore('memory:', options), disk.killed]);
      return store === 'killed' ? undefined : store;
    } catch (error) {
      if (isStoreError(error) && isOfTheDisk(error.code) && disk.fate !== undefined)
        return undefined;
      throw error;
    }
  }

  /** Whatever was under way when the last process ended has happened by now, or never will. */
  #settle(): void {
    this.#time++;
    for (const operation of this.#open) operation.return = this.#time;
    this.#unknown += this.#open.length;
    this.#open = [];
  }

  #diskCalls(): Map<string, number> {
    const all = new Map<string, number>();
    for (const { counts } of this.#disks) {
      for (const [what, count] of counts) all.set(what, (all.get(what) ?? 0) + count);
    }
    return all;
  }
}

function isOfTheDisk(code: string): boolean {
  return UNAVAILABLE.has(code) || code === 'OUTCOME_UNKNOWN';
}

/** Lists leave out runs whose files could not be read when the store was opened. */
function isPartial(call: Call, disk: TroubledDisk): boolean {
  return call.op === 'list' && disk.hasHiddenRuns;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };
