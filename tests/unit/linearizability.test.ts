import { describe, expect, test } from '@jest/globals';
import { SeededRandom } from '../../src/testkit.ts';
import {
  checkLinearizable,
  type Operation,
  type SequentialModel,
} from '../../src/testkit/linearizability.ts';
import { SEED } from '../fixtures/proof.ts';

type Input = readonly [name: string, ...values: number[]];
type Output = number | boolean | 'empty' | null;
type MaybeOutput = Output | undefined;
type History = readonly Operation<Input, Output>[];

/** What one call does to a value: the state after it, and its answer. */
type Sequential<State> = (state: State, input: Input) => readonly [State, Output];

interface Subject<State> {
  readonly name: string;
  readonly model: SequentialModel<State, Input, Output>;
  readonly apply: Sequential<State>;
  readonly input: (random: SeededRandom) => Input;
}

function subject<State>(
  name: string,
  initial: State,
  apply: Sequential<State>,
  input: (random: SeededRandom) => Input,
): Subject<State> {
  const step = (state: State, given: Input, output: Output | undefined): readonly State[] => {
    const [next, answer] = apply(state, given);
    return output === undefined || output === answer ? [next] : [];
  };
  return { name, apply, input, model: { initial, step, key: (state) => JSON.stringify(state) } };
}

const register = subject<number>(
  'register',
  0,
  (state, [name, value = 0, other = 0]) => {
    if (name === 'write') return [value, null];
    if (name === 'swap') return state === value ? [other, true] : [state, false];
    return [state, state];
  },
  (random) => {
    const value = random.below(3);
    return random.pick<Input>([['read'], ['write', value], ['swap', value, random.below(3)]]);
  },
);

const counter = subject<number>(
  'counter',
  0,
  (state, [name]) => (name === 'add' ? [state + 1, state + 1] : [state, state]),
  (random) => random.pick<Input>([['add'], ['add'], ['get']]),
);

const queue = subject<readonly number[]>(
  'queue',
  [],
  (state, [name, value = 0]) => {
    if (name === 'put') return [[...state, value], null];
    return state.length === 0 ? [state, 'empty'] : [state.slice(1), state[0] as number];
  },
  (random) => random.pick<Input>([['put', random.below(3)], ['take']]),
);

/** Every order of every choice of operations that has all those that answered. */
function isExplained<State>(history: History, { model }: Subject<State>): boolean {
  const extend = (order: History, states: readonly State[]): boolean => {
    if (history.every((one) => one.output === undefined || order.includes(one))) return true;
    return history
      .filter((one) => !order.includes(one) && order.every(({ call }) => call < one.return))
      .filter((one) => rest(order, one).every((other) => one.call < other.return))
      .some((one) => {
        const next = states.flatMap((state) => model.step(state, one.input, one.output));
        return next.length > 0 && extend([...order, one], next);
      });
  };
  const rest = (order: History, next: Operation<Input, Output>): History =>
    history.filter((one) => one.output !== undefined && one !== next && !order.includes(one));
  return extend([], [model.initial]);
}

/** Up to six calls that overlap, answered as some order has it; then an answer may be changed. */
function randomHistory<State>(random: SeededRandom, { apply, input, model }: Subject<State>) {
  const calls = Array.from({ length: 2 + random.below(5) }, (_, n) => {
    const start = random.below(24);
    // No two calls or answers share a number: it says which of the six drew it.
    const draw = () => (start + random.below(12)) * 12 + n;
    const [call = 0, effect = 0, end = 0] = [draw(), draw(), draw()].toSorted((a, b) => a - b);
    return {
      call,
      effect,
      return: end + 6,
      input: input(random),
      output: undefined as MaybeOutput,
    };
  });
  let state = model.initial;
  const answers: Output[] = [];
  for (const call of calls.toSorted((a, b) => a.effect - b.effect)) {
    const [next, output] = apply(state, call.input);
    const isUnknown = random.chance(0.2);
    if (!isUnknown || random.chance(0.5)) state = next;
    if (isUnknown && random.chance(0.5)) call.return = Infinity;
    if (isUnknown) continue;
    answers.push(output);
    call.output = output;
  }
  const history = calls.map(({ call, return: end, input, output }) => {
    return { call, return: end, input, output };
  });
  const changed = random.pick(history);
  if (changed.output !== undefined && random.chance(0.8)) changed.output = random.pick(answers);
  return history;
}

describe.each([register, counter, queue] as readonly Subject<unknown>[])(
  'of a $name',
  (subject) => {
    test('the verdict is that of all permutations, on thousands of short histories', () => {
      const random = new SeededRandom(SEED);
      const count = { good: 0, bad: 0 };
      for (let n = 0; n < 2_500; n++) {
        const history = randomHistory(random, subject);
        const verdict = checkLinearizable(history, subject.model);
        const seen = { seed: SEED, n, history, ok: verdict.ok };
        expect(seen).toEqual({ ...seen, ok: isExplained(history, subject) });
        count[verdict.ok ? 'good' : 'bad']++;
        if (!verdict.ok) expectShortest(verdict.prefix, subject, seen);
      }
      expect(Math.min(count.good, count.bad)).toBeGreaterThan(500);
    });
  },
);

/** The prefix cannot be explained, and could be without its last answer. */
function expectShortest(prefix: History, subject: Subject<unknown>, seen: object): void {
  const answered = prefix.filter(({ output }) => output !== undefined);
  const last = Math.max(...answered.map((one) => one.return));
  const before = prefix
    .filter(({ call }) => call < last)
    .map((one) => (one.return === last ? { ...one, return: Infinity, output: undefined } : one));
  expect({ ...seen, explained: isExplained(prefix, subject) }).toEqual({
    ...seen,
    explained: false,
  });
  expect({ ...seen, before: isExplained(before, subject) }).toEqual({ ...seen, before: true });
}

/** `call–return name values → output`; without an output its outcome is unknown. */
function written(...lines: readonly string[]): History {
  return lines.map((line) => {
    const [, call, end, name = '', values = '', , output] =
      /^(\d+)–(\d+|…) (\w+)((?: \d+)*)( → (\S+))?$/.exec(line) ?? [];
    return {
      call: Number(call),
      return: end === '…' ? Infinity : Number(end),
      input: [name, ...values.split(' ').slice(1).map(Number)],
      output: output === undefined ? undefined : (JSON.parse(output) as Output),
    };
  });
}

const verdictOf = (...lines: readonly string[]) =>
  checkLinearizable(written(...lines), register.model);

describe('a history', () => {
  test.each([
    ['that is empty', []],
    ['of one caller', ['1–2 write 1 → null', '3–4 read → 1', '5–6 swap 1 2 → true']],
    ['in which a read overlaps the write that it shows', ['1–4 write 1 → null', '2–3 read → 1']],
    [
      'in which a read overlaps a write and shows what was before',
      ['1–4 write 1 → null', '2–3 read → 0'],
    ],
    ['whose unknown write took effect late', ['1–… write 1', '2–3 read → 0', '4–5 read → 1']],
    ['whose unknown write never took effect', ['1–… write 1', '2–3 read → 0', '4–5 read → 0']],
    ['whose crash left the write', ['1–4 write 1', '2–3 read → 0', '5–6 read → 1']],
  ])('%s is linearizable', (_, lines) => {
    expect(verdictOf(...lines)).toEqual({ ok: true });
  });

  test.each([
    ['with a read from before the last write', ['1–2 write 1 → null', '3–4 read → 0']],
    ['whose reads go back', ['1–6 write 1 → null', '2–3 read → 1', '4–5 read → 0']],
    ['in which two swap the same value', ['1–3 swap 0 1 → true', '2–4 swap 0 2 → true']],
    ['whose unknown write is seen and then gone', ['1–… write 1', '2–3 read → 1', '4–5 read → 0']],
    ['whose unknown write is seen before it was called', ['1–2 read → 1', '3–… write 1']],
    [
      'whose write comes after the crash had settled it',
      ['1–4 write 1', '5–6 read → 0', '7–8 read → 1'],
    ],
    [
      'whose write comes after the crash, while a read is open all the time,',
      ['1–10 read → 1', '2–3 write 1', '4–5 write 2 → null', '6–7 read → 1'],
    ],
    [
      'whose write comes after the crash, and after one from before it,',
      ['1–10 write 3 → null', '2–3 write 1', '4–5 write 2 → null', '6–7 read → 2', '8–9 read → 1'],
    ],
    ['whose refused write is seen', ['1–2 swap 1 2 → false', '3–4 read → 2']],
  ])('%s is not', (_, lines) => {
    expect(verdictOf(...lines).ok).toBe(false);
  });

  test('that cannot be explained is cut after the first answer that cannot, and told', () => {
    const verdict = verdictOf(
      '1–2 write 1 → null',
      '3–7 write 2 → null',
      '4–5 read → 0',
      '8–9 read → 2',
    );
    if (verdict.ok) throw new Error('found to be linearizable');
    expect(verdict.prefix).toEqual(written('1–2 write 1 → null', '3–… write 2', '4–5 read → 0'));
    expect(verdict.text.split('\n')).toEqual([
      'no order explains these 3 operations (place in the longest order, time, call):',
      '   1  1–2        ["write",1] → null',
      '   2  3–…        ["write",2] → unknown',
      '   -  4–5        ["read"] → 0',
      'after the longest order, of 2, the state is 2',
    ]);
  });

  test('of hundreds of calls is searched in no time when few overlap', () => {
    const history = Array.from({ length: 400 }, (_, n) => [
      { call: 4 * n, return: 4 * n + 2, input: ['add'] as const, output: 2 * n + 2 },
      { call: 4 * n + 1, return: 4 * n + 3, input: ['add'] as const, output: 2 * n + 1 },
    ]).flat();
    expect(checkLinearizable(history, counter.model)).toEqual({ ok: true });
    const last = { call: 1601, return: 1602, input: ['get'] as const, output: 799 };
    expect(checkLinearizable([...history, last], counter.model).ok).toBe(false);
  });

  test('with an operation that ends before it begins is refused', () => {
    expect(() => verdictOf('2–1 read → 0')).toThrow(RangeError);
  });
});
