import type { PortCall, PortOperation, Fault } from './call.ts';

export interface NthCallOptions {
  /** 1 is the first call that the fault can meet. */
  readonly nth: number;
  readonly fault: NonNullable<Fault>;
  /** All calls from the nth on fail. Default: only the nth. */
  readonly persistent?: boolean | undefined;
  /** Which calls count. Default: all that the fault can meet. */
  readonly counts?: ((call: PortCall) => boolean) | undefined;
}

const MOVES_BYTES: ReadonlySet<PortOperation> = new Set(['write', 'read']);
const LEAVES_ALL_AS_IT_WAS: ReadonlySet<PortOperation> = new Set([
  'read',
  'readdir',
  'fstat',
  'stat',
  'lstat',
  'readlink',
  'realpath',
]);

/** Makes the nth call of a `FaultyDisk` fail: hand `decide` to its `fault`. */
export class NthCall {
  /** Calls so far that counted. */
  seen = 0;
  /** The first call that failed. */
  struck: PortCall | undefined;
  readonly #options: NthCallOptions;

  constructor(options: NthCallOptions) {
    this.#options = options;
  }

  readonly decide = (call: PortCall): Fault => {
    const { nth, fault, persistent = false, counts = () => true } = this.#options;
    if (!canMeet(fault, call) || !counts(call)) return undefined;
    this.seen++;
    if (persistent ? this.seen < nth : this.seen !== nth) return undefined;
    this.struck ??= call;
    return fault;
  };
}

/** A call that changes nothing fails `late` as it fails at once; only bytes can come short. */
function canMeet(fault: string, { op, bytes = 0 }: PortCall): boolean {
  if (fault === 'short') return MOVES_BYTES.has(op) && bytes > 1;
  return fault !== 'late' || !LEAVES_ALL_AS_IT_WAS.has(op);
}
