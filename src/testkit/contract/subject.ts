import { isStoreError, LIMITS, type Store, type StoreError } from '../../index.ts';
import type { TestRunner } from '../runner.ts';

export interface Suite extends TestRunner {
  readonly subject: StoreUnderTest;
}

interface Places {
  readonly open: (place: string) => Promise<Store>;
  readonly destroy: (place: string) => Promise<void>;
}

let placesMade = 0;

/** The store of the running test: opened before it, verified, closed and removed after it. */
export class StoreUnderTest {
  readonly #places: Places;
  readonly #reopened: boolean;
  #place = '';
  #extra: string[] = [];
  #store: Store | undefined;

  constructor(places: Places, reopened: boolean) {
    this.#places = places;
    this.#reopened = reopened;
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error('there is no store outside a test');
    return this.#store;
  }

  get place(): string {
    return this.#place;
  }

  async setUp(): Promise<void> {
    this.#place = newPlace();
    this.#store = await this.#places.open(this.#place);
  }

  async tearDown(): Promise<void> {
    const { store } = this;
    this.#store = undefined;
    try {
      const findings = store.status === 'open' ? (await store.verify()).findings : [];
      await store.close();
      if (findings.length > 0) {
        throw new Error(`the store is damaged after the test: ${JSON.stringify(findings)}`);
      }
    } finally {
      for (const place of [this.#place, ...this.#extra]) await this.#places.destroy(place);
      this.#extra = [];
    }
  }

  /** Between writing and reading: closed and opened again where that is what is tested. */
  async throughReopen(): Promise<Store> {
    return this.#reopened ? this.reopen() : this.store;
  }

  async reopen(): Promise<Store> {
    await this.store.close();
    this.#store = await this.#places.open(this.#place);
    return this.#store;
  }

  /** A second store, which the test closes. */
  async another(): Promise<Store> {
    const place = newPlace();
    this.#extra.push(place);
    return this.#places.open(place);
  }
}

function newPlace(): string {
  return `store-${++placesMade}`;
}

/** The `StoreError` with which `work` was refused; no refusal, or another error, fails the test. */
export async function refusal(work: () => unknown): Promise<StoreError> {
  try {
    await work();
  } catch (error) {
    if (isStoreError(error)) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** The codes of the calls that were refused and the values of those that were not. */
export async function outcomes<T>(
  calls: readonly Promise<T>[],
): Promise<{ readonly values: readonly T[]; readonly codes: readonly string[] }> {
  const values: T[] = [];
  const codes: string[] = [];
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === 'fulfilled') values.push(result.value);
    else if (isStoreError(result.reason)) codes.push(result.reason.code);
    else throw result.reason;
  }
  return { values, codes };
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** The first `count` items; then it lets go of the source. */
export async function take<T>(source: AsyncIterable<T>, count: number): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) {
    items.push(item);
    if (items.length >= count) break;
  }
  return items;
}

export async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(Buffer.concat(await collect(source)));
}

export async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.from(await bytesOf(source)).toString();
}

/** The numbers from 1 to `count`. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** For calls that the types forbid. */
export function untyped(value: unknown): never {
  return value as never;
}

export const RUNNING = { status: 'running' } as const;
export const SUCCEEDED = { status: 'succeeded' } as const;
export const FAILED = {
  status: 'failed',
  error: { name: 'Error', message: 'it broke', code: 'E_BROKE' },
} as const;

export const LIST_DEFAULT = LIMITS.listDefault;
