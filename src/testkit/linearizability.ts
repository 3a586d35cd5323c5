import { describeFailure } from './linearizability/report.ts';
import { explain } from './linearizability/search.ts';

/** One call of a history. Times are whole numbers of one clock, and no two are the same. */
export interface Operation<Input, Output> {
  /** When it was called. */
  readonly call: number;
  /**
   * When it answered. Of one whose outcome is unknown: after this it takes effect no more;
   * `Infinity` when it may for ever.
   */
  readonly return: number;
  readonly input: Input;
  /**
   * What it answered, a refusal included; `undefined` when the outcome is unknown: it took effect
   * at one moment after the call, or never. An answer that says nothing is `null`.
   */
  readonly output: Output | undefined;
}

/** How one caller alone would find the object to behave. Pure: no state is ever changed. */
export interface SequentialModel<State, Input, Output> {
  readonly initial: State;
  /**
   * The states in which `input` may leave `state` when it answers `output`; none when it cannot
   * answer so. Without an `output`, all states in which it may leave it.
   */
  readonly step: (state: State, input: Input, output: Output | undefined) => readonly State[];
  /** The same text for the same state, and another for any other. */
  readonly key: (state: State) => string;
}

export type Verdict<Input, Output> =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /**
       * The history up to the first answer that nothing explains: what had not answered by then
       * has an unknown outcome.
       */
      readonly prefix: readonly Operation<Input, Output>[];
      /** The prefix, and how far it can be explained, to be read. */
      readonly text: string;
    };

/**
 * Whether the operations took effect one after the other, each at one moment between its call and its
 * answer (Herlihy & Wing, "Linearizability", 1990). Outcomes that are unknown and have an end are
 * those of a crash: the object is then strictly linearizable (Aguilera & Frølund, 2003).
 *
 * The search is that of Wing & Gong ("Testing and verifying concurrent objects", 1993), which
 * remembers the pairs of operations done and state that led nowhere (Lowe, "Testing for
 * linearizability", 2017). It is exponential in the operations under way at a time, not in all.
 *
 * Throws a `RangeError` for an operation that ends before it begins.
 */
export function checkLinearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): Verdict<Input, Output> {
  const backwards = history.find((operation) => !(operation.call < operation.return));
  if (backwards !== undefined) {
    throw new RangeError(`called at ${backwards.call}, answered at ${backwards.return}`);
  }
  if (explain(history, model).isWhole) return { ok: true };
  const prefix = shortestUnexplained(history, model);
  const text = describeFailure(prefix, explain(prefix, model));
  return { ok: false, prefix, text };
}

/** By halves: what begins with a prefix that cannot be explained cannot be explained either. */
function shortestUnexplained<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): readonly Operation<Input, Output>[] {
  const ends = history
    .filter(({ output }) => output !== undefined)
    .map((operation) => operation.return)
    .toSorted((a, b) => a - b);
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (explain(until(history, ends[middle] as number), model).isWhole) low = middle + 1;
    else high = middle;
  }
  return until(history, ends[low] as number);
}

function until<Input, Output>(
  history: readonly Operation<Input, Output>[],
  end: number,
): readonly Operation<Input, Output>[] {
  return history
    .filter(({ call }) => call < end)
    .map((operation) =>
      operation.return <= end ? operation : { ...operation, return: Infinity, output: undefined },
    );
}
