import { StoreError } from '../../errors.ts';
import { LIMITS } from '../../limits.ts';
import { checkInteger } from '../../model/check.ts';
import type { Listing, Page, PageOptions } from '../contract.ts';

/** A list that is fetched when it is awaited (one page) or iterated (page after page). */
export class PagedListing<T, O extends PageOptions> implements Listing<T> {
  readonly #fetch: (options: O) => Promise<Page<T>>;
  readonly #options: O;

  /** `fetch` checks the options, and so refuses them where the list is awaited. */
  constructor(options: O, fetch: (options: O) => Promise<Page<T>>) {
    this.#options = options;
    this.#fetch = fetch;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- awaiting a list gives its first page
  then<A = Page<T>, B = never>(
    onPage?: ((page: Page<T>) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#fetch(this.#options).then(onPage, onError);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let options = this.#options; ;) {
      const { items, next } = await this.#fetch(options);
      yield* items;
      if (next === null) return;
      options = { ...options, cursor: next };
    }
  }
}

export function checkLimit(limit: number | undefined): number {
  if (limit === undefined) return LIMITS.listDefault;
  return checkInteger(limit, 'limit', 1, LIMITS.listMax);
}

/** A place inside an ordered list, opaque to callers; `kind` keeps lists from being mixed up. */
export function toListCursor(kind: string, place: number | string): string {
  return Buffer.from(`${kind}:${place}`).toString('base64url');
}

/** The place as text; `undefined` for the beginning. */
export function fromListCursor(kind: string, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const text = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '';
  if (text.startsWith(`${kind}:`)) return text.slice(kind.length + 1);
  throw new StoreError('INVALID_ARGUMENT', `cursor is not one of this list of ${kind}`);
}

export function numberFromListCursor(kind: string, cursor: string | undefined): number {
  const place = Number(fromListCursor(kind, cursor) ?? 0);
  return checkInteger(place, 'cursor', 0, Number.MAX_SAFE_INTEGER);
}
