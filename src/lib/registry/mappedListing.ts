import type { Listing, Page } from '../store/contract.ts';

interface Mapping<From, To> {
  /** `undefined` leaves an item out. */
  readonly item: (item: From) => To | undefined;
  readonly error: (error: unknown) => unknown;
}

/** A list of the store, of which the registry shows another side. Its cursors are those of the store. */
export class MappedListing<From, To> implements Listing<To> {
  readonly #source: Listing<From>;
  readonly #mapping: Mapping<From, To>;

  constructor(source: Listing<From>, mapping: Mapping<From, To>) {
    this.#source = source;
    this.#mapping = mapping;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- awaited it is its first page: see Listing
  then<A = Page<To>, B = never>(
    fulfilled?: ((page: Page<To>) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#page().then(fulfilled, rejected);
  }

  async #page(): Promise<Page<To>> {
    const { item, error } = this.#mapping;
    try {
      const { items, next } = await this.#source;
      return { items: items.flatMap((one) => item(one) ?? []), next };
    } catch (cause) {
      throw error(cause);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<To> {
    const { item, error } = this.#mapping;
    try {
      for await (const one of this.#source) {
        const mapped = item(one);
        if (mapped !== undefined) yield mapped;
      }
    } catch (cause) {
      throw error(cause);
    }
  }
}
