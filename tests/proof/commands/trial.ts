import type { Store, Transaction } from '../../../src/index.ts';
import { ManualClock, SeededRandom } from '../../../src/testkit.ts';
import { ReferenceStore, type ReferenceTransaction } from '../../../src/testkit/referenceStore.ts';
import { type Break, but } from './brokenStores.ts';
import {
  type Call,
  expectSame,
  type Outcome,
  outcomeOf,
  Picks,
  type Plan,
  type StoreCalls,
  type TransactionCalls,
} from './calls.ts';
import type { Place, StoreOptions } from './places.ts';

interface TrialOptions {
  readonly place: Place;
  readonly seed: number;
  readonly tuning: StoreOptions['tuning'];
  readonly breaks?: Break | undefined;
  /** How many processes have it open at once, where that is possible. Default: 1. */
  readonly processes?: number;
}

class Planned extends Error {}

/**
 * A store and its reference, which are given the same calls, one after the other. After each, and
 * after each end of a process, the store has to be as the reference is, whichever process is asked.
 */
export class Trial {
  readonly reference: ReferenceStore;
  readonly #place: Place;
  readonly #options: TrialOptions;
  readonly #random: SeededRandom;
  #clock = new ManualClock();
  /** Of each process; the first one is at work. */
  #stores: Store[] = [];
  #life = 0;
  #commitsBefore = 0;
  /** What the store chose in the call of the moment. */
  #chosen: { readonly id?: string; readonly at?: Date } = {};
  #lastAt = 0;
  #highest = 0;

  constructor(options: TrialOptions) {
    this.#options = options;
    this.#place = options.place;
    this.#random = new SeededRandom(options.seed);
    this.reference = new ReferenceStore({
      now: () => this.#clock.now(),
      at: () => this.#at(),
      freshId: () => this.#chosen.id ?? 'none was chosen',
    });
  }

  get store(): Store {
    const [store] = this.#stores;
    if (store === undefined) throw new Error('the store is not open');
    return store;
  }

  /** Commits that the reference counted since the store was opened. */
  get commitsSinceOpened(): number {
    return this.reference.commits - this.#commitsBefore;
  }

  async open(): Promise<void> {
    const { place, tuning, breaks, processes = 1 } = this.#options;
    const { ms } = this.#clock;
    // A clock of its own for each life: the timers of a process end with it.
    this.#clock = Object.assign(new ManualClock(), { ms });
    const world = { clock: this.#clock, random: this.#random };
    this.#life++;
    while (this.#stores.length < processes) {
      const store = await place.open({ ...world, tuning, disk: breaks?.disk });
      this.#stores.push(but(store, breaks?.store?.(store, this.#life) ?? {}));
    }
    this.#commitsBefore = this.reference.commits;
  }

  /** Closes the store, if it is open, and removes what is left of it. */
  async end(): Promise<void> {
    try {
      await this.#close();
    } finally {
      await this.#place.destroy();
    }
  }

  async reopen(): Promise<void> {
    await this.#close();
    await this.open();
  }

  /** All processes end here and now; others open what they left. */
  async crash(how: 'kill' | 'cutPower'): Promise<void> {
    const store = this.#stores.shift();
    if (store !== undefined) await this.#place[how](store);
    await this.#close();
    await this.open();
  }

  /** Another process is at work from now on. What it knows of runs is as old as its last call. */
  async takeTurns(): Promise<void> {
    this.#stores.push(...this.#stores.splice(0, 1));
    // It looks how late it is in the log, for the reference has only one time.
    await this.store.stats();
  }

  /** Commits of all processes since they were opened. */
  async commitsWritten(): Promise<number> {
    const stats = await Promise.all(this.#stores.map((store) => store.stats()));
    return stats.reduce((sum, { writes }) => sum + writes.commits, 0);
  }

  async #close(): Promise<void> {
    for (const store of this.#stores.splice(0)) await store.close();
  }

  /** Moves the clock: on, with its timers, or to another time without them. */
  moveClock(ms: number, how: 'advance' | 'jump'): void {
    if (how === 'advance') this.#clock.advance(ms);
    else this.#clock.ms += ms;
  }

  async call(plan: Plan<never>): Promise<string> {
    const call = plan(new Picks(this.reference)) as Call<StoreCalls>;
    await this.same(call, this.store, this.reference);
    return call.text;
  }

  /** Makes a call on both; their answers, or the codes of their refusals, have to be equal. */
  async same<Calls>(call: Call<Calls>, store: Calls, reference: Calls): Promise<Outcome> {
    const actual = await outcomeOf(() => call.on(store));
    this.#chosen = chosenIn(actual);
    this.#highest = Math.max(this.#highest, this.#clock.now());
    const before = this.#lastAt;
    const expected = await outcomeOf(() => call.on(reference));
    if ('code' in expected) this.#lastAt = before;
    expectSame(call.text, actual, expected);
    return actual;
  }

  /** `fails`: it throws at the end; `strict`: it throws the first refusal that it is given. */
  async transaction(
    numbers: readonly number[],
    plans: readonly Plan[],
    { fails, strict }: { readonly fails: boolean; readonly strict: boolean },
  ): Promise<string> {
    const runIds = numbers.map((n) => new Picks(this.reference).run(n));
    const texts: string[] = [];
    let staged: ReferenceTransaction | undefined;
    const work = async (tx: Transaction): Promise<number> => {
      staged = this.reference.begin(runIds);
      for (const plan of plans) {
        const call: Call<TransactionCalls> = plan(new Picks(staged, runIds));
        texts.push(call.text);
        const outcome = await this.same<TransactionCalls>(call, tx, staged);
        if (strict && 'code' in outcome) throw new Planned(outcome.code);
      }
      if (fails) throw new Planned('at its end');
      return texts.length;
    };
    const before = this.#lastAt;
    let end = 'returned';
    try {
      await this.store.transaction(runIds, work);
      staged?.commit();
    } catch (error) {
      if (!(error instanceof Planned)) throw error;
      this.#lastAt = before;
      end = `threw (${error.message})`;
    }
    return `transaction(${JSON.stringify(runIds)}) { ${texts.join('; ')} } ${end}`;
  }

  /** Times never go back, and are not ahead of the clock, as far as it ever was. */
  #at(): Date {
    const { at } = this.#chosen;
    const earliest = Math.max(this.#clock.now(), this.#lastAt);
    const isPossible =
      at !== undefined && at.getTime() >= earliest && at.getTime() <= this.#highest;
    this.#lastAt = isPossible ? at.getTime() : earliest;
    return new Date(this.#lastAt);
  }
}

function chosenIn(outcome: Outcome): { readonly id?: string; readonly at?: Date } {
  if (!('value' in outcome) || typeof outcome.value !== 'object') return {};
  const entity = (outcome.value ?? {}) as Record<string, unknown>;
  const { id, updatedAt, recordedAt } = entity;
  const at = updatedAt ?? recordedAt;
  return { ...(typeof id === 'string' && { id }), ...(at instanceof Date && { at }) };
}
