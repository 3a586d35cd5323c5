import { inspect, isDeepStrictEqual } from 'node:util';
import type { Store } from '../../../src/index.ts';
import type { RunImage } from './image.ts';
import { observe } from './observe.ts';
import { callersOf, PHASES, sharedRunOf, type WriterTask } from './protocol.ts';
import type { LastWords } from './victim.ts';

type Images = ReadonlyMap<string, RunImage | undefined>;

/** What a caller's first so many operations lead to. */
interface Outcome {
  readonly runs: Images;
  /** Which of them went to the shared run. */
  readonly shares: ReadonlySet<number>;
}

interface Writer {
  readonly task: WriterTask;
  readonly words: LastWords;
}

/**
 * What the killed writers of a store have been told is stored, and so what has to be there. Of
 * each caller at most one operation was under way: it is there as a whole or not at all, and once
 * it was seen, it stays as it was seen.
 */
export class Ledger {
  /** What each run must be for ever; `undefined` for one that must not be there. */
  readonly #settled = new Map<string, RunImage | undefined>();
  #writers: Writer[] = [];
  #acknowledged = 0;

  /** Operations that any writer was told are stored, over all stores. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  add(task: WriterTask, words: LastWords): void {
    this.#writers.push({ task, words });
    for (const count of words.acknowledged) this.#acknowledged += count;
  }

  /** From now on it is about a new store, in which nothing is. */
  turnOver(): void {
    this.#settled.clear();
    this.#writers = [];
  }

  /** What in the store is not as it must be; none when all is well. */
  async check(store: Store): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const [id, image] of this.#settled) {
      problems.push(...differences(id, image, await observe(store, id)));
    }
    for (const writer of this.#writers) {
      for (let caller = 0; caller < writer.task.callers; caller++) {
        problems.push(...(await this.#settleCaller(store, writer, caller)));
      }
      problems.push(...(await this.#settleShared(store, writer)));
    }
    this.#writers = [];
    problems.push(...(await this.#compareList(store)));
    const { findings } = await store.verify();
    problems.push(...findings.map(({ file, message }) => `verify: ${file}: ${message}`));
    return problems;
  }

  async #settleCaller(store: Store, writer: Writer, caller: number): Promise<readonly string[]> {
    const { task, words } = writer;
    const count = words.acknowledged[caller] ?? 0;
    const isBegun = words.phase !== 'starting' && words.phase !== 'opening';
    const most = words.refused.has(caller) || !isBegun ? count : count + 1;
    const acknowledged = outcomeOf(task, caller, count).runs;
    const observed = new Map<string, RunImage | undefined>();
    const underWay = outcomeOf(task, caller, most).runs;
    for (const id of underWay.keys()) observed.set(id, await observe(store, id));
    for (const [id, image] of observed) this.#settled.set(id, image);
    if (areEqual(acknowledged, observed) || areEqual(underWay, observed)) return [];
    return [...observed].flatMap(([id, image]) => differences(id, acknowledged.get(id), image));
  }

  /** The shared run tells what was appended in the end by whom, in any order among the callers. */
  async #settleShared(store: Store, { task, words }: Writer): Promise<readonly string[]> {
    const id = sharedRunOf(task.prefix);
    const image = await observe(store, id);
    this.#settled.set(id, image);
    const isAcknowledged = PHASES.indexOf(words.phase) >= PHASES.indexOf('working');
    if (image === undefined) return isAcknowledged ? [`run ${id} is lost`] : [];
    const stored = image.events.map(({ payload }) => (typeof payload === 'string' ? payload : ''));
    const problems = words.acknowledged.flatMap((count, caller) => {
      const name = `${task.prefix}.${caller}`;
      const most = words.refused.has(caller) ? count : count + 1;
      const possible = [...outcomeOf(task, caller, most).shares];
      const own = stored.filter((payload) => payload.startsWith(`${name}/`));
      const due = possible.filter((n) => n < count).map((n) => `${name}/${n}`);
      const all = possible.map((n) => `${name}/${n}`);
      if (isDeepStrictEqual(own, due) || isDeepStrictEqual(own, all)) return [];
      return [`run ${id} has the events ${own.join()} of ${name}, acknowledged: ${due.join()}`];
    });
    for (const [key, seq] of words.shared) {
      const payload = `${task.prefix}.${key.replace(' ', '/')}`;
      if (stored[seq - 1] !== payload) problems.push(`run ${id}: event ${seq} is not ${payload}`);
    }
    return problems;
  }

  /** The index tells of the same runs as the runs themselves. */
  async #compareList(store: Store): Promise<readonly string[]> {
    const listed = new Map<string, string>();
    for await (const { id, status } of store.runs.list({ limit: 1_000 })) listed.set(id, status);
    const ids = new Set([...listed.keys(), ...this.#settled.keys()]);
    return [...ids].flatMap((id) => {
      const [inList, inRun] = [listed.get(id), this.#settled.get(id)?.status];
      return inList === inRun ? [] : [`run ${id} is ${inRun}, and ${inList} in the list`];
    });
  }
}

function outcomeOf(task: WriterTask, caller: number, count: number): Outcome {
  const work = callersOf(task)[caller];
  const shares = new Set<number>();
  for (let n = 0; n < count; n++) if (work?.next().kind === 'share') shares.add(n);
  return { runs: work?.runs ?? new Map(), shares };
}

/** A run that is missing in `due` must not be there. */
function areEqual(due: Images, observed: Images): boolean {
  return [...observed].every(([id, image]) => isDeepStrictEqual(due.get(id), image));
}

function differences(
  id: string,
  due: RunImage | undefined,
  found: RunImage | undefined,
): readonly string[] {
  if (isDeepStrictEqual(due, found)) return [];
  if (due === undefined) return [`run ${id} is there, and must not be`];
  if (found === undefined) return [`run ${id} is lost`];
  const fields = Object.keys(due) as (keyof RunImage)[];
  return fields
    .filter((field) => !isDeepStrictEqual(due[field], found[field]))
    .map((field) => `run ${id}: ${field} is ${brief(found[field])}, not ${brief(due[field])}`);
}

function brief(value: unknown): string {
  return inspect(value, {
    depth: 3,
    maxArrayLength: 3,
    maxStringLength: 40,
    breakLength: Infinity,
  });
}
