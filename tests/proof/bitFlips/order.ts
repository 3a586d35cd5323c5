/** What one process is to do. */
export interface Order {
  readonly seed: number;
  readonly soak: boolean;
  /** It takes every damage whose number leaves the rest `part` when divided by `parts`. */
  readonly part: number;
  readonly parts: number;
  /** Only files whose path in the store begins so. Default: all. */
  readonly only?: string;
}

/** What it found. */
export interface Result {
  readonly flips: number;
  readonly sectors: number;
  /** Bits of an index whose flip its checksum was compared for, without opening. */
  readonly digests: number;
  /** How often each verdict was given. */
  readonly counts: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}
