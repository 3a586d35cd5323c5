import { createMemoryFileSystem, isStoreError, openStore, type Store } from '../../../src/index.ts';
import { FaultyDisk, type Fault, type PortCall } from '../../../src/testkit/faultyDisk.ts';
import { ManualClock } from '../../../src/testkit/manualClock.ts';
import { SeededRandom } from '../../../src/testkit/seededRandom.ts';
import { contentsOf } from './contents.ts';
import type { Mutant } from './world.ts';

const TUNING = {
  segmentBytesMin: 4096,
  segmentBytesMax: 8192,
  journalBytesKeep: 8192,
  tailBytesMax: 4096,
  quietMs: 5,
};
const RUNS = 4;
const MARKS = /mark-\d+-\d+/g;

export interface LoadOptions {
  readonly seed: number;
  /** Who write at the same time. */
  readonly callers: number;
  /** How often each of them writes. */
  readonly rounds: number;
  readonly mutant: Mutant;
  readonly fault: (call: PortCall) => Fault;
}

/** A call of the journal: on a segment that has its name, or on the folder of segments. */
export const isOfJournal = ({ path }: PortCall): boolean =>
  /\/journal(\/\d{10}\.ndjson)?$/.test(path);

/**
 * The life of a store under concurrent callers, who each leave marks, on a disk of which calls fail:
 * runs, steps, events, artifacts, transactions over two runs, checkpoints and removed segments.
 */
export class Load {
  readonly disk: FaultyDisk;
  readonly clock = new ManualClock();
  struck: PortCall | undefined;
  /** The marks of commits that were acknowledged after that and were not durable before. */
  readonly late = new Set<string>();
  readonly #acknowledged = new Set<string>();
  readonly #refused = new Set<string>();
  /** The marks in those writes of the journal that had been done when a call failed. */
  readonly #durable = new Set<string>();
  readonly #random: SeededRandom;
  readonly #options: LoadOptions;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.disk = new FaultyDisk(createMemoryFileSystem());
    this.disk.fault = (call, data) => {
      const fault = options.fault(call);
      if (fault !== undefined) this.struck ??= call;
      // A batch is written only when the one before it is durable.
      else if (data !== undefined && isOfJournal(call) && this.struck === undefined) {
        for (const [mark] of Buffer.from(data).toString().matchAll(MARKS)) this.#durable.add(mark);
      }
      return fault;
    };
  }

  /** From the first opening to the close, whatever fails in between. */
  async run(): Promise<void> {
    try {
      const store = await this.#open();
      for (let n = 0; n < RUNS; n++) {
        const mark = `mark-0-${n}`;
        await this.#attempt(mark, store.runs.create({ id: `r${n}`, workflow: 'w', input: mark }));
      }
      const { callers } = this.#options;
      await Promise.all(Array.from({ length: callers }, (_, n) => this.#call(store, n + 1)));
      this.clock.advance(10);
      await store.close();
    } catch (error) {
      if (!isStoreError(error)) throw error;
    }
  }

  /** On a healthy disk: what was promised and is not so. */
  async broken(): Promise<readonly string[]> {
    this.disk.fault = () => undefined;
    const store = await this.#open();
    const text = JSON.stringify([...(await contentsOf(store)).values()]);
    const { findings } = await store.verify();
    await store.close();
    const found = new Set([...text.matchAll(MARKS)].map(([mark]) => mark));
    const { openHandles } = this.disk;
    return [
      ...[...this.#acknowledged]
        .filter((mark) => !found.has(mark))
        .map((mark) => `${mark} is lost`),
      ...[...this.#refused].filter((mark) => found.has(mark)).map((mark) => `${mark} was refused`),
      ...findings.map(({ message }) => message),
      ...(openHandles > 0 ? [`${openHandles} handles stay open`] : []),
    ];
  }

  #open(): Promise<Store> {
    const fileSystem = this.#options.mutant.port?.(this.disk) ?? this.disk;
    const options = { ...TUNING, fileSystem, clock: this.clock, random: this.#random };
    return openStore('memory:', options);
  }

  async #call(store: Store, caller: number): Promise<void> {
    for (let round = 0; round < this.#options.rounds; round++) {
      const mark = `mark-${caller}-${round}`;
      await this.#attempt(mark, this.#write(store, mark, caller + round));
      if (caller === 1) this.clock.advance(3);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #write(store: Store, mark: string, n: number): Promise<unknown> {
    const [runId, other] = [`r${n % RUNS}`, `r${(n + 1) % RUNS}`];
    switch (n % 5) {
      case 0:
        return store.artifacts.put(runId, { name: mark, body: mark });
      case 1:
        return store.transaction([runId, other], async (tx) => {
          await tx.steps.create(runId, { name: mark });
          await tx.events.append(other, { type: 'e', payload: mark });
        });
      default:
        return store.events.append(runId, { type: 'e', payload: `${mark} ${'x'.repeat(400)}` });
    }
  }

  async #attempt(mark: string, call: Promise<unknown>): Promise<void> {
    try {
      await call;
    } catch (error) {
      if (!isStoreError(error)) throw error;
      if (error.code !== 'OUTCOME_UNKNOWN') this.#refused.add(mark);
      return;
    }
    this.#acknowledged.add(mark);
    if (this.struck !== undefined && !this.#durable.has(mark)) this.late.add(mark);
  }
}
