/**
 * A map that can be forked in constant time: a fork sees its base until it sets a key itself, and
 * the base never sees the fork. Values are never `undefined`.
 */
export class LayeredMap<K, V> {
  #base: LayeredMap<K, V> | undefined;
  /** Made when it is first needed: most forks set few keys, or none. */
  #own: Map<K, V> | undefined;

  constructor(base?: LayeredMap<K, V>) {
    this.#base = base;
  }

  fork(): LayeredMap<K, V> {
    return new LayeredMap(this);
  }

  get(key: K): V | undefined {
    return this.#own?.get(key) ?? this.#base?.get(key);
  }

  set(key: K, value: V): void {
    this.#own ??= new Map();
    this.#own.set(key, value);
  }

  /** Takes back what was set here; what the base has is seen again. */
  forget(key: K): void {
    this.#own?.delete(key);
  }

  /** In the order in which keys were first set, base first. */
  *values(): Generator<V, void, undefined> {
    for (const [, value] of this.entries()) yield value;
  }

  *entries(): Generator<readonly [K, V], void, undefined> {
    if (this.#base === undefined) {
      if (this.#own !== undefined) yield* this.#own;
      return;
    }
    for (const [key, value] of this.#base.entries()) yield [key, this.#own?.get(key) ?? value];
    for (const entry of this.#own ?? []) if (this.#base.get(entry[0]) === undefined) yield entry;
  }

  clear(): void {
    this.#base = undefined;
    this.#own = undefined;
  }
}
