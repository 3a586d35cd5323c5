import type { Payload } from '../../../src/index.ts';
import { SeededRandom } from '../../../src/testkit/seededRandom.ts';
import { newRun, type RunImage } from './image.ts';
import { type Operation, outcome } from './operation.ts';

type Kind = Operation['kind'];

/** How often each kind is drawn while it is possible. */
const WEIGHTS: readonly (readonly [Kind, number])[] = [
  ['create', 12],
  ['append', 28],
  ['put', 10],
  ['addStep', 8],
  ['startStep', 7],
  ['endStep', 7],
  ['start', 6],
  ['end', 4],
  ['reset', 2],
  ['delete', 4],
  ['pair', 12],
  ['share', 8],
];

const RUNS_MAX = 6;
const STREAMED_SHARE = 0.3;
const BYTES_SHARE = 0.2;
const REUSED_ID_SHARE = 0.3;

/**
 * What one caller does, one operation after another. The seed alone decides it, so that whoever
 * knows the seed and a number of operations knows the state that they lead to, value by value.
 */
export class CallerWork {
  readonly #runs = new Map<string, RunImage | undefined>();
  readonly #random: SeededRandom;
  readonly #caller: string;
  #count = 0;

  /** `caller`: its name among all that ever write to a store. */
  constructor(seed: number, caller: string) {
    this.#random = new SeededRandom(seed);
    this.#caller = caller;
  }

  /** Its runs as the operations so far have made them; `undefined` where it deleted one. */
  get runs(): ReadonlyMap<string, RunImage | undefined> {
    return this.#runs;
  }

  /** The next operation; from now on `runs` shows its effect. */
  next(): Operation {
    const possible = WEIGHTS.filter(([kind]) => this.#isPossible(kind));
    let drawn = this.#random.below(possible.reduce((sum, [, weight]) => sum + weight, 0));
    const found = possible.find(([, weight]) => (drawn -= weight) < 0);
    const operation = this.#operation(found?.[0] ?? 'create');
    this.#apply(operation);
    this.#count++;
    return operation;
  }

  #isPossible(kind: Kind): boolean {
    if (kind === 'create') return this.#where().length < RUNS_MAX;
    return kind === 'share' || this.#where(kind).length >= (kind === 'pair' ? 2 : 1);
  }

  /** The runs that an operation of this kind may be about. */
  #where(kind?: Kind): string[] {
    return [...this.#runs].flatMap(([id, run]) => (run && isFor(kind, run) ? [id] : []));
  }

  #operation(kind: Kind): Operation {
    if (kind === 'create') return { kind, runId: this.#newRunId(), input: this.#payload() };
    if (kind === 'share') return { kind, payload: `${this.#caller}/${this.#count}` };
    const runId = this.#random.pick(this.#where(kind));
    switch (kind) {
      case 'append':
        return { kind, runId, payload: this.#payload() };
      case 'put': {
        const name = this.#random.pick(['a.txt', 'b/ü.bin', 'c']);
        const streamed = this.#random.chance(STREAMED_SHARE);
        return { kind, runId, name, streamed, body: this.#bytes() };
      }
      case 'addStep':
        return { kind, runId, id: `s${this.#count}`, input: this.#payload() };
      case 'startStep':
        return { kind, runId, id: this.#step(runId, 'queued') };
      case 'endStep':
        return { kind, runId, id: this.#step(runId, 'running'), output: this.#payload() };
      case 'end':
        return { kind, runId, output: this.#payload() };
      case 'pair': {
        const other = this.#random.pick(this.#where().filter((id) => id !== runId));
        return { kind, runIds: [runId, other], mark: `${this.#caller}/${this.#count}` };
      }
      case 'start':
      case 'reset':
      case 'delete':
      default:
        return { kind, runId };
    }
  }

  #apply(operation: Operation): void {
    if (operation.kind === 'share') return;
    const ids = operation.kind === 'pair' ? operation.runIds : [operation.runId];
    for (const id of ids) {
      // Only a creation finds none, and it looks at nothing of it.
      this.#runs.set(id, outcome(operation, this.#runs.get(id) ?? newRun(null)));
    }
  }

  /** Mostly a new one, now and then that of a run which it deleted. */
  #newRunId(): string {
    const deleted = [...this.#runs].flatMap(([id, run]) => (run === undefined ? [id] : []));
    if (deleted.length > 0 && this.#random.chance(REUSED_ID_SHARE)) {
      return this.#random.pick(deleted);
    }
    return `${this.#caller}/${this.#count}`;
  }

  #step(runId: string, status: string): string {
    const steps = this.#runs.get(runId)?.steps ?? [];
    return this.#random.pick(steps.filter((step) => step.status === status)).id;
  }

  #payload(): Payload {
    if (this.#random.chance(BYTES_SHARE)) return this.#bytes();
    const word = `${this.#caller} "${this.#count}" é\n${this.#random.below(1e9)} `;
    return { n: this.#count, text: word.repeat(Math.ceil(this.#size() / word.length)) };
  }

  #bytes(): Uint8Array {
    return new Uint8Array(Buffer.alloc(this.#size(), this.#random.bytes(61)));
  }

  /** Mostly small, some over a page, and some larger than a segment of this store. Bytes. */
  #size(): number {
    const share = this.#random.below(100);
    return this.#random.below(
      share < 70 ? 300 : share < 90 ? 6_000 : share < 97 ? 30_000 : 120_000,
    );
  }
}

function isFor(kind: Kind | undefined, run: RunImage): boolean {
  const hasStep = (status: string) => run.steps.some((step) => step.status === status);
  const isOpen = run.status !== 'succeeded';
  switch (kind) {
    case 'addStep':
      return isOpen;
    case 'startStep':
      return isOpen && hasStep('queued');
    case 'endStep':
      return isOpen && hasStep('running');
    case 'start':
      return run.status === 'queued';
    case 'end':
      return run.status === 'running';
    case 'reset':
      return run.status === 'succeeded';
    default:
      return true;
  }
}
