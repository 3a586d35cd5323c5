import { inspect, isDeepStrictEqual } from 'node:util';
import {
  isStoreError,
  type Page,
  type RunStatus,
  type StepStatus,
  type Store,
  type Transaction,
} from '../../../src/index.ts';
import type { ReferenceStore, ReferenceTransaction } from '../../../src/testkit/referenceStore.ts';
import { collect } from '../../fixtures/collect.ts';

export type StoreCalls = Store | ReferenceStore;
export type TransactionCalls = Transaction | ReferenceTransaction;

/** A call that can be made on the store and on the reference alike. */
export interface Call<Calls = StoreCalls | TransactionCalls> {
  readonly text: string;
  readonly on: (calls: Calls) => unknown;
}

/** A call that is settled when it is made: by then it is known what there is to be spoken of. */
export type Plan<Calls = StoreCalls | TransactionCalls> = (picks: Picks) => Call<Calls>;

export function call<Calls>(
  name: string,
  args: readonly unknown[],
  on: (calls: Calls) => unknown,
): Call<Calls> {
  return { text: `${name}(${args.map(show).join(', ')})`, on };
}

/** On one line, without what is absent, and long repetitions cut. */
function show(arg: unknown): string {
  const text = inspect(arg, { depth: 4, breakLength: Infinity });
  return text.replaceAll(/ \w+: undefined,?/g, '').replaceAll(/(.+?)\1{9,}/g, '$1…');
}

/** Ids that runs are given; the last has the length of the limit. */
export const RUN_IDS = ['r', 'Run/É.', 'x'.repeat(200)];
export const STEP_IDS = ['s', 't', '../s'];
const GHOST = 'ghost';

/** Turns numbers into the ids of what is there, and now and then of what is not. */
export class Picks {
  readonly #reference: ReferenceStore | ReferenceTransaction;
  readonly #runIds: readonly string[];

  constructor(reference: ReferenceStore | ReferenceTransaction, runIds?: readonly string[]) {
    this.#reference = reference;
    const listed = () => reference.runs.list({ limit: 1000 }).items.map(({ id }) => id);
    this.#runIds = runIds ?? listed().toReversed();
  }

  run(n: number): string {
    return pick(this.#runIds, [...RUN_IDS, GHOST], n);
  }

  step(runId: string, n: number): string {
    return pick(this.#stepIds(runId), [...STEP_IDS, GHOST], n);
  }

  steps(runId: string, numbers: readonly number[]): readonly string[] {
    return [...new Set(numbers.map((n) => this.step(runId, n)))];
  }

  /** The statuses of the run and of the step, as far as they are there. */
  statuses(
    runId: string,
    stepId: string,
  ): { readonly run?: RunStatus; readonly step?: StepStatus } {
    const run = found(() => this.#reference.runs.get(runId))?.status;
    const step = found(() => this.#reference.steps.get(runId, stepId))?.status;
    return { ...(run && { run }), ...(step && { step }) };
  }

  runVersion(runId: string): number {
    return found(() => this.#reference.runs.get(runId))?.version ?? 1;
  }

  stepVersion(runId: string, stepId: string): number {
    return found(() => this.#reference.steps.get(runId, stepId))?.version ?? 1;
  }

  #stepIds(runId: string): readonly string[] {
    const page = found(() => this.#reference.steps.list(runId, { limit: 1000 }));
    return page?.items.map(({ id }) => id) ?? [];
  }
}

/** One in 25 may be missing, and so may be all while nothing is there. */
function pick(there: readonly string[], all: readonly string[], n: number): string {
  const from = there.length === 0 || n % 25 === 24 ? all : there;
  return from[Math.floor(n / 25) % from.length] ?? GHOST;
}

function found<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if (isStoreError(error)) return undefined;
    throw error;
  }
}

/** All pages of a list: as many items on each, and its end in the same place, belong to the answer. */
export async function pagesOf<T>(
  list: (cursor: string | undefined) => PromiseLike<Page<T>> | Page<T>,
): Promise<readonly (readonly T[])[]> {
  const pages: (readonly T[])[] = [];
  for (let cursor: string | undefined; ;) {
    const { items, next } = await list(cursor);
    pages.push(items);
    if (next === null) return pages;
    cursor = next;
  }
}

export async function bytesOf(source: AsyncIterable<Uint8Array> | Uint8Array): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  return new Uint8Array(Buffer.concat(await collect(source)));
}

export type Outcome =
  { readonly value: unknown } | { readonly code: string; readonly id: string | undefined };

/** What became of a call; an error that is no refusal fails the test. */
export async function outcomeOf(work: () => unknown): Promise<Outcome> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!isStoreError(error)) throw error;
    return { code: error.code, id: error.id };
  }
}

/** The store answered otherwise than the reference. */
class Difference extends Error {
  constructor(text: string, actual: unknown, expected: unknown) {
    const whole = (value: unknown) => inspect(value, { depth: 8, breakLength: 100 });
    super(`${text}\nthe store:     ${whole(actual)}\nthe reference: ${whole(expected)}`);
  }
}

export function expectSame(text: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) throw new Difference(text, actual, expected);
}
