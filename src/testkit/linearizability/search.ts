import type { Operation, SequentialModel } from '../linearizability.ts';

/** How far a history could be explained. */
export interface Explanation<Input, Output> {
  /** Whether an order of all that answered was found. */
  readonly isWhole: boolean;
  /** The longest order that was found. */
  readonly order: readonly Operation<Input, Output>[];
  /** The state that it leads to, as the model names it. */
  readonly state: string;
}

export function explain<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): Explanation<Input, Output> {
  const search = new Search(history, model);
  const isWhole = search.goesOn({ from: 0, done: 0n, latest: -Infinity }, model.initial);
  return { isWhole, order: search.longest, state: model.key(search.reached) };
}

/** Which operations took effect: all before the one numbered `from`, or they never will. */
interface Progress {
  readonly from: number;
  /** A bit for each operation from there on, lowest first. */
  readonly done: bigint;
  /** The latest call among those done: nothing takes effect before it any more. */
  readonly latest: number;
}

class Search<State, Input, Output> {
  longest: readonly Operation<Input, Output>[] = [];
  reached: State;
  /** In order of their calls. */
  readonly #operations: readonly Operation<Input, Output>[];
  readonly #model: SequentialModel<State, Input, Output>;
  readonly #order: Operation<Input, Output>[] = [];
  readonly #seen = new Set<string>();

  constructor(
    history: readonly Operation<Input, Output>[],
    model: SequentialModel<State, Input, Output>,
  ) {
    this.#operations = history.toSorted((a, b) => a.call - b.call);
    this.#model = model;
    this.reached = model.initial;
  }

  /** Whether all that has not taken effect yet, and answered, can follow in `state`. */
  goesOn(progress: Progress, state: State): boolean {
    const { open, firstAnswer } = this.#open(progress);
    if (firstAnswer === Infinity) return true;
    const key = `${progress.from} ${progress.done.toString(36)} ${this.#model.key(state)}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    for (const n of open) {
      const operation = this.#operations[n] as Operation<Input, Output>;
      const after = this.#after(progress, n);
      for (const next of this.#model.step(state, operation.input, operation.output)) {
        this.#order.push(operation);
        this.#remember(next);
        if (this.goesOn(after, next)) return true;
        this.#order.pop();
      }
    }
    return false;
  }

  /** The operations that may come next, and the first answer among them. */
  #open({ from, done, latest }: Progress): {
    readonly open: number[];
    readonly firstAnswer: number;
  } {
    const open: number[] = [];
    let firstAnswer = Infinity;
    for (let n = from; n < this.#operations.length; n++) {
      const operation = this.#operations[n] as Operation<Input, Output>;
      // Called only after another had answered: that one comes first.
      if (operation.call > firstAnswer) break;
      if (isDone(done, n - from) || operation.return < latest) continue;
      open.push(n);
      if (operation.output !== undefined) firstAnswer = Math.min(firstAnswer, operation.return);
    }
    return { open, firstAnswer };
  }

  #after({ from, done, latest }: Progress, n: number): Progress {
    const { call } = this.#operations[n] as Operation<Input, Output>;
    let [begin, bits] = [from, done | (1n << BigInt(n - from))];
    const last = Math.max(latest, call);
    while (
      begin < this.#operations.length &&
      (isDone(bits, 0) || (this.#operations[begin] as Operation<Input, Output>).return < last)
    ) {
      bits >>= 1n;
      begin++;
    }
    return { from: begin, done: bits, latest: last };
  }

  #remember(state: State): void {
    if (this.#order.length <= this.longest.length) return;
    this.longest = [...this.#order];
    this.reached = state;
  }
}

function isDone(done: bigint, n: number): boolean {
  return (done & (1n << BigInt(n))) !== 0n;
}
