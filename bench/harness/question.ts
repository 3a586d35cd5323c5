/** One measured number, with what was hoped for. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target?: Target;
  /** What else is worth knowing: percentiles, the other side of a ratio. */
  readonly note?: string;
}

interface Target {
  readonly is: '≥' | '≤' | '<' | '=';
  readonly value: number;
}

export interface Context {
  /** A new, empty folder on the disk of the project; removed at the end. */
  readonly folder: (name: string) => Promise<string>;
  /** URL of a new, empty database of a PostgreSQL on that disk, as it comes: durable. */
  readonly database: () => Promise<string>;
  /** A closed store with this many ended runs; made once and shared: do not delete from it. */
  readonly filledStore: (runs: number) => Promise<string>;
  /** Small sizes, for a look at whether it works; the figures mean little then. */
  readonly quick: boolean;
  /** How many stored runs a grown store has, and how many events a long run. */
  readonly sizes: { readonly runs: number; readonly events: number };
  /** Shows on a terminal what is going on. */
  readonly progress: (text: string) => void;
}

/** One file per question: what is asked, and how it is answered. */
export interface Question {
  readonly id: string;
  readonly title: string;
  ask(context: Context): Promise<readonly Figure[]>;
}

const COMPARE: Readonly<Record<Target['is'], (value: number, bar: number) => boolean>> = {
  '≥': (value, bar) => value >= bar,
  '≤': (value, bar) => value <= bar,
  '<': (value, bar) => value < bar,
  '=': (value, bar) => value === bar,
};

/** `undefined` where nothing was promised. */
export function meets({ value, target }: Figure): boolean | undefined {
  return target && COMPARE[target.is](value, target.value);
}
