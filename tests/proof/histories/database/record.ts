import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import {
  type Clock,
  isStoreError,
  openStore,
  type OpenOptions,
  type Store,
  systemClock,
} from '../../../../src/index.ts';
import { SeededRandom } from '../../../../src/testkit.ts';
import type { Operation } from '../../../../src/testkit/linearizability.ts';
import { type Answer, type Call, perform } from '../calls.ts';
import type { History } from '../history.ts';
import { Script } from '../script.ts';
import { disagreements, Follower, positionOf } from './follower.ts';
import type { DatabasePlace } from './place.ts';

/** Milliseconds after which a history that has not ended is taken to hang. */
const TIME_MAX_MS = 60_000;

/** Polls come twenty times as often as a store asks for; and clocks of machines differ. */
const hurried = (aheadMs: number): Clock => ({
  now: () => Date.now() + aheadMs,
  after: (ms, task) => systemClock.after(ms / 20, task),
});

/** One process that has the store open: what would be shared in memory, it has for itself. */
interface Instance {
  readonly store: Store;
  readonly follower: Follower;
  readonly killed: Promise<'killed'>;
  readonly kill: () => void;
  isDead: boolean;
  /** It closes, because somebody wants it opened again. */
  isLeaving: boolean;
}

/** What is not known multiplies what a search has to try. */
const UNKNOWN_MAX = 6;

/**
 * Several processes on one database, and several callers on each, as the seed decides. `isCalm`: few
 * calls at a time, and no troubles, so that a search finds out soon that nothing explains it.
 */
export async function recordDatabaseHistory(
  seed: number,
  place: DatabasePlace,
  isCalm = false,
): Promise<History> {
  const end = new AbortController();
  const life = new Life(seed, place, isCalm);
  const hanging = delay(TIME_MAX_MS, undefined, { ref: false, signal: end.signal }).then(() => {
    throw new Error(`it has not ended within ${TIME_MAX_MS} ms: ${life.stage}`);
  });
  hanging.catch(() => undefined);
  try {
    return await Promise.race([life.live(), hanging]);
  } catch (error) {
    life.abandon();
    throw error;
  } finally {
    end.abort();
  }
}

class Life {
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #place: DatabasePlace;
  readonly #script: Script;
  readonly #isCalm: boolean;
  /** How likely a call comes with trouble. */
  readonly #trouble: number;
  readonly #operations: Writable<Operation<Call, Answer>>[] = [];
  readonly #instances: Promise<Instance>[] = [];
  /** All that were ever open, for the case that it does not end well. */
  readonly #opened: Pick<Instance, 'store' | 'follower'>[] = [];
  readonly #fates: string[] = [];
  readonly #counts = new Map<string, number>();
  #unknown = 0;
  #start = '';
  #time = 0;
  #stage = 'beginning';

  constructor(seed: number, place: DatabasePlace, isCalm: boolean) {
    this.#seed = seed;
    this.#place = place;
    this.#random = new SeededRandom(seed);
    this.#script = new Script(this.#random);
    this.#isCalm = isCalm;
    this.#trouble = isCalm ? 0 : this.#random.pick([0, 0, 0.03, 0.1]);
  }

  /** What it is at, and what is under way, in words. */
  get stage(): string {
    const open = this.#unanswered.map(({ input }) => input);
    return `${this.#stage}, unanswered: ${JSON.stringify(open)}`;
  }

  get #unanswered(): Writable<Operation<Call, Answer>>[] {
    return this.#operations.filter(({ output }) => output === undefined);
  }

  async live(): Promise<History> {
    const random = this.#random;
    await this.#empty();
    const processes = random.chance(0.3) ? 3 : 2;
    for (let n = 0; n < processes; n++) this.#instances.push(this.#open(n));
    if (random.chance(0.8)) {
      for (const run of this.#script.runs) await this.#call({ op: 'create', run, value: 1 });
    }
    this.#stage = 'calling';
    const callers = 3 + (this.#isCalm ? 0 : random.below(4));
    const calls = Math.ceil((10 + random.below(14)) / callers);
    await Promise.all(Array.from({ length: callers }, () => this.#caller(calls)));
    this.#stage = 'reading';
    await this.#readAll();
    this.#stage = 'comparing what was watched';
    await this.#compareFollowers();
    this.#stage = 'ending';
    await this.#endAll();
    const operations = this.#operations;
    const [unknown, runs] = [this.#unknown, this.#script.runs];
    return {
      seed: this.#seed,
      runs,
      operations,
      unknown,
      fates: this.#fates,
      counts: this.#counts,
    };
  }

  /** Lets go of everything, without waiting: something may hang. */
  abandon(): void {
    const ignore = () => undefined;
    for (const { store, follower } of this.#opened) {
      follower.stop().catch(ignore);
      store.close().catch(ignore);
    }
  }

  /** Nothing is there of an earlier history but the log. */
  async #empty(): Promise<void> {
    await using store = await openStore(this.#place.url(0));
    for await (const { id } of store.runs.list()) await store.runs.delete(id);
    this.#start = store.position();
  }

  async #open(process: number): Promise<Instance> {
    const random = this.#random;
    const options: OpenOptions = {
      clock: hurried(random.pick([0, 0, -60_000, 2_000])),
      random,
      cacheBytesMax: random.pick([0, 2_000, 1_000_000]),
      database: { clock: systemClock, connectionsMax: random.pick([1, 2, 10]) },
    };
    const store = await this.#untilOpen(this.#place.url(process), options);
    let kill = () => undefined as void;
    const killed = new Promise<'killed'>((resolve) => (kill = () => resolve('killed')));
    const follower = new Follower(store, this.#start);
    this.#opened.push({ store, follower });
    return { store, follower, killed, kill, isDead: false, isLeaving: false };
  }

  /** A connection may be cut while it is opened. */
  async #untilOpen(url: string, options: OpenOptions): Promise<Store> {
    for (;;) {
      try {
        return await openStore(url, options);
      } catch (error) {
        if (!isOfTheNetwork(codeOf(error)) || !this.#place.hasNetwork) throw error;
      }
    }
  }

  async #caller(calls: number): Promise<void> {
    const random = this.#random;
    for (let n = 0; n < calls; n++) {
      for (let turns = random.below(3); turns > 0; turns--) await setImmediate();
      const burst =
        !this.#isCalm && random.chance(0.1) ? this.#script.burst() : [this.#script.next()];
      const process = random.below(this.#instances.length);
      const made = burst.map((call) => this.#call(call, process));
      if (random.chance(this.#trouble)) await this.#meet(process);
      await Promise.all(made);
    }
  }

  async #meet(process: number): Promise<void> {
    const random = this.#random;
    if (this.#unknown > UNKNOWN_MAX) return;
    const what = random.pick(this.#place.hasNetwork ? ['cut', 'cut', 'kill', 'close'] : ['close']);
    this.#fates.push(`${process}: ${what}`);
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
    if (what === 'cut') return this.#place.cutSoon(process, random);
    const instance = await this.#instances[process];
    if (instance === undefined || instance.isLeaving || instance.isDead) return;
    const left = what === 'kill' ? this.#kill(instance, process) : this.#close(instance);
    this.#instances[process] = left.then(() => this.#open(process));
    await this.#instances[process];
  }

  async #close(instance: Instance): Promise<void> {
    instance.isLeaving = true;
    await instance.store.close();
    await instance.follower.stop();
  }

  /** Nobody hears of it again, and all its connections are reset. */
  async #kill(instance: Instance, process: number): Promise<void> {
    instance.isDead = true;
    instance.kill();
    await this.#place.cutAll(process);
    await instance.store.close();
    await instance.follower.stop();
  }

  async #readAll(): Promise<void> {
    await this.#call({ op: 'list' });
    for (const run of this.#script.runs) {
      await this.#call({ op: 'get', run });
      await this.#call({ op: 'listSteps', run });
      await this.#call({ op: 'events', run, after: 0, limit: 100 });
    }
  }

  /** One call, written down. What has no answer may take effect until all processes have ended. */
  async #call(
    call: Call,
    process: number = this.#random.below(this.#instances.length),
  ): Promise<void> {
    const instance = (await this.#instances[process]) as Instance;
    const operation: Writable<Operation<Call, Answer>> = {
      call: ++this.#time,
      return: Infinity,
      input: call,
      output: undefined,
    };
    this.#operations.push(operation);
    const answer = await Promise.race([perform(instance.store, call), instance.killed]);
    if (answer === 'killed' || instance.isDead) return void this.#unknown++;
    const refused = answer !== null && 'refused' in answer ? answer.refused : '';
    if (isOfTheNetwork(refused) && this.#fates.length === 0) {
      throw new Error(`${refused} from a database that nothing has happened to`);
    }
    if (refused === 'OUTCOME_UNKNOWN') return void this.#unknown++;
    operation.return = ++this.#time;
    operation.output = answer;
    this.#script.heard(call, answer);
  }

  /** Those of processes that are there have seen the same, and all of it. */
  async #compareFollowers(): Promise<void> {
    const instances = await Promise.all(this.#instances);
    const { position } = await this.#told(instances[0] as Instance);
    const isBehind = ({ follower }: Instance) => follower.position < positionOf(position);
    while (instances.some(isBehind)) await setImmediate();
    const problems = disagreements(
      this.#start,
      instances.map(({ follower }) => [...follower.commits]),
    );
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  /** A cut that was ordered may come only now. */
  async #told({ store }: Instance): Promise<{ readonly position: string }> {
    for (;;) {
      try {
        return await store.stats();
      } catch (error) {
        if (!isOfTheNetwork(codeOf(error)) || this.#fates.length === 0) throw error;
      }
    }
  }

  /** Ends all processes; what is left is read by one that comes after them. */
  async #endAll(): Promise<void> {
    const instances = await Promise.all(this.#instances);
    await Promise.all(instances.map((instance) => this.#close(instance)));
    await this.#place.quiet();
    // Nobody is connected: what was under way has happened by now, or never will.
    this.#time++;
    for (const operation of this.#unanswered) operation.return = this.#time;
    this.#instances.length = 0;
    this.#instances.push(this.#open(0));
    await this.#readAll();
    const { store, follower } = (await this.#instances[0]) as Instance;
    const { findings } = await store.verify();
    if (findings.length > 0) throw new Error(`verify found ${JSON.stringify(findings)}`);
    await store.close();
    await follower.stop();
  }
}

function codeOf(error: unknown): string {
  return isStoreError(error) ? error.code : String(error);
}

function isOfTheNetwork(code: string): boolean {
  return code === 'STORAGE_FAILED' || code === 'OUTCOME_UNKNOWN';
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };
