import { RUN_STATUSES, STEP_STATUSES } from '../../../src/index.ts';
import type { SeededRandom } from '../../../src/testkit.ts';
import type { Answer, Call, RunCall } from './calls.ts';

const STEPS = ['s1', 's2', 's3'];
const KEYS = ['k1', 'k2'];

/** How often each call is made, against the others. */
const WEIGHTS: Readonly<Record<Call['op'], number>> = {
  append: 24,
  update: 16,
  get: 12,
  transaction: 12,
  events: 10,
  updateStep: 9,
  createStep: 8,
  getStep: 5,
  create: 5,
  listSteps: 4,
  list: 4,
  delete: 3,
  reset: 2,
};

const OPS = (Object.keys(WEIGHTS) as Call['op'][]).flatMap((op) =>
  Array.from({ length: WEIGHTS[op] }, () => op),
);
const RUN_OPS = OPS.filter(
  (op): op is RunCall['op'] => !['list', 'events', 'transaction'].includes(op),
);

/** What the callers call next, by chance, knowing what any of them was answered. */
export class Script {
  readonly runs: readonly string[];
  readonly #random: SeededRandom;
  /** The version that was seen last, by run, or by run and step; 0: it is not there. */
  readonly #versions = new Map<string, number>();
  #value = 10;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.runs = ['a', 'b', 'c'].slice(0, 1 + random.below(3));
  }

  next(): Call {
    const random = this.#random;
    const run = random.pick(this.runs);
    const op = this.#likely(random.pick(OPS), run);
    if (op === 'list') return { op };
    if (op === 'transaction') return this.#transaction(run);
    if (op !== 'events') return this.#runCall(op, run);
    const after = random.chance(0.5) ? 0 : random.below(6);
    return { op, run, after, limit: random.chance(0.7) ? 50 : 1 + random.below(3) };
  }

  /** Calls made together: one caller does not wait for one before it makes the next. */
  burst(): readonly Call[] {
    const random = this.#random;
    if (random.chance(0.5)) return Array.from({ length: 2 + random.below(2) }, () => this.next());
    // What was of the deleted run must not be taken for the new one's.
    const run = random.pick(this.runs);
    const again: RunCall = { op: 'append', run, key: random.pick(KEYS), value: random.below(2) };
    return [{ op: 'delete', run }, this.#runCall('create', run), again, this.next()];
  }

  /** Much that cannot succeed, for want of a run or a step, becomes the creation of one. */
  #likely<Op extends Call['op']>(op: Op, run: string): Op | 'create' | 'createStep' {
    if (this.#random.chance(0.3)) return op;
    if ((this.#versions.get(run) ?? 0) === 0) return 'create';
    const needsStep = op === 'getStep' || op === 'updateStep';
    return needsStep && this.#stepsOf(run, true).length === 0 ? 'createStep' : op;
  }

  #stepsOf(run: string, areThere: boolean): readonly string[] {
    return STEPS.filter((step) => (this.#versions.get(`${run} ${step}`) ?? 0) > 0 === areThere);
  }

  #transaction(run: string): Call {
    const random = this.#random;
    const other = random.pick(this.runs);
    const runs = run === other ? [run] : [run, other];
    const calls = Array.from({ length: 1 + random.below(4) }, (_, n) =>
      this.#runCall(random.pick(RUN_OPS), runs[n % runs.length] ?? run),
    );
    return { op: 'transaction', runs, calls };
  }

  #runCall(op: RunCall['op'], run: string): RunCall {
    const random = this.#random;
    const step = this.#step(op, run);
    // The same key comes with the same input again and with another; other values are new.
    const key = random.chance(0.5) ? { key: random.pick(KEYS) } : {};
    const keyed = { ...key, value: 'key' in key ? random.below(2) : this.#value++ };
    switch (op) {
      case 'get':
      case 'reset':
      case 'listSteps':
        return { op, run };
      case 'create':
        return { op, run, value: this.#value++ };
      case 'append':
        return { op, run, ...keyed };
      case 'createStep':
        return { op, run, step, ...keyed };
      case 'getStep':
        return { op, run, step };
      case 'delete':
        return { op, run, ...this.#condition(run) };
      case 'update': {
        const status = random.chance(0.6) ? { status: random.pick(RUN_STATUSES) } : {};
        return { op, run, ...status, value: this.#value++, ...this.#condition(run) };
      }
      case 'updateStep': {
        const wanted = random.pick(STEP_STATUSES);
        const status = wanted !== 'queued' && random.chance(0.6) ? { status: wanted } : {};
        const condition = this.#condition(`${run} ${step}`);
        return { op, run, step, ...status, value: this.#value++, ...condition };
      }
    }
  }

  /** Mostly one that is there, or one that is not for a creation. */
  #step(op: RunCall['op'], run: string): string {
    const wanted = this.#stepsOf(run, op !== 'createStep');
    return this.#random.pick(wanted.length > 0 && this.#random.chance(0.8) ? wanted : STEPS);
  }

  /** Mostly what was seen last: several callers then come with the same version. */
  #condition(entity: string): { readonly ifVersion?: number } {
    const seen = this.#versions.get(entity);
    if (seen === undefined || seen === 0 || this.#random.chance(0.4)) return {};
    return { ifVersion: this.#random.chance(0.85) ? seen : seen + 1 };
  }

  /** Takes note of the versions in an answer. */
  heard(call: Call, answer: Answer): void {
    if (call.op === 'transaction') {
      if (Array.isArray(answer)) {
        for (const [n, one] of call.calls.entries()) this.heard(one, answer[n] as Answer);
      }
      return;
    }
    if (!('run' in call)) return;
    const entity = 'step' in call ? `${call.run} ${call.step}` : call.run;
    if (answer !== null && 'version' in answer) this.#versions.set(entity, answer.version);
    if (call.op === 'delete' && answer === null) this.#forget(call.run);
  }

  #forget(run: string): void {
    this.#versions.set(run, 0);
    for (const step of STEPS) this.#versions.delete(`${run} ${step}`);
  }
}
