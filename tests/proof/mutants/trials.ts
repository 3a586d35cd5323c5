import type { Hunt, Mutant } from './mutant.ts';
import type { HuntOrder, HuntReport } from './hunt.ts';
import { SourceCopy } from './copy.ts';
import { MUTANTS } from './catalogue.ts';

const HUNT = new URL('hunt.ts', import.meta.url);
const DAMAGE = new URL('damage.ts', import.meta.url);
const LANES = 2;

/** A promise that a mutant broke, or what it was looked for in vain. */
export type Verdict = 'caught' | { readonly missed: string };

/**
 * Tries every mutant, and the store as it is, in copies of the sources: two at a time, each in a
 * process of its own.
 */
export class Trials {
  readonly #seed: number;
  readonly #copies = Array.from({ length: LANES }, () => new SourceCopy());
  readonly #lanes: Promise<unknown>[] = this.#copies.map(() => Promise.resolve());
  readonly #reports = new Map<Mutant, Promise<HuntReport>>();
  readonly #unchanged: readonly Promise<HuntReport>[];
  #next = 0;

  /** `unchanged`: how far the store as it is goes through each hunt. */
  constructor(seed: number, unchanged: Required<Pick<HuntOrder, 'rounds' | 'share'>>) {
    this.#seed = seed;
    for (const mutant of MUTANTS) {
      this.#reports.set(
        mutant,
        this.#inLane((copy) => this.#try(copy, mutant)),
      );
    }
    const damaged = this.#inLane((copy) => copy.run<HuntReport>([], DAMAGE, { seed }));
    this.#unchanged = [
      damaged,
      ...union(MUTANTS).map((hunt) =>
        this.#inLane((copy) => copy.run<HuntReport>([], HUNT, { ...hunt, ...unchanged, seed })),
      ),
    ];
  }

  async verdictOf(mutant: Mutant): Promise<Verdict> {
    const { states, broken } = await (this.#reports.get(mutant) as Promise<HuntReport>);
    if (broken === undefined) return { missed: `${states} states of seed ${this.#seed}` };
    const { invariant, detail } = broken;
    // One that cannot even run says nothing about the proof.
    const isMishap = /^\w*: ?(Type|Reference|Syntax)Error|^(Type|Reference)Error/.test(detail);
    if (mutant.breaks.includes(invariant) && !isMishap) return 'caught';
    return { missed: `it broke something else: ${invariant}\n${detail}` };
  }

  /** What is wrong with the store as it is, wherever a mutant was looked for. */
  async falseAlarms(): Promise<readonly string[]> {
    const reports = await Promise.all(this.#unchanged);
    return reports.flatMap(({ broken }) => broken?.detail ?? []);
  }

  /** Resolves when every process has ended. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#lanes);
    for (const copy of this.#copies) copy.remove();
  }

  #try(copy: SourceCopy, { edits, hunt }: Mutant): Promise<HuntReport> {
    const seed = this.#seed;
    if (hunt === 'damage') return copy.run(edits, DAMAGE, { seed });
    return copy.run(edits, HUNT, { ...hunt, seed } satisfies HuntOrder);
  }

  /** A mutant that does not fit fails its own test, whenever that asks. */
  #inLane<T>(work: (copy: SourceCopy) => Promise<T>): Promise<T> {
    const lane = this.#next++ % LANES;
    const copy = this.#copies[lane] as SourceCopy;
    const done = (this.#lanes[lane] as Promise<unknown>).then(() => work(copy));
    this.#lanes[lane] = done.catch(() => undefined);
    return done;
  }
}

/** All that is hunted in, each workload once in each way. */
function union(mutants: readonly Mutant[]): readonly Hunt[] {
  const hunts = new Map<string, Hunt>();
  for (const { hunt } of mutants) {
    if (hunt === 'damage') continue;
    const { workloads, rounds: _rounds, share: _share, ...way } = hunt;
    const key = JSON.stringify(way);
    const before = hunts.get(key)?.workloads ?? [];
    hunts.set(key, { ...way, workloads: [...new Set([...before, ...workloads])] });
  }
  return [...hunts.values()];
}
