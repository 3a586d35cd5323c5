import { isDeepStrictEqual } from 'node:util';
import { type Commit, isStoreError } from '../../index.ts';
import { type Contents, differing, folded } from './contents.ts';

/** A promise that the store made, and one that a crash state broke. */
export type Invariant =
  | 'the store opens'
  | 'every acknowledged commit is there'
  | 'no commit is partly there'
  | 'nothing refused is there'
  | 'an unknown outcome is all or nothing'
  | 'positions and sequence numbers are dense'
  | 'run files and index equal the log'
  | 'every named blob is whole'
  | 'a cursor gives every later change once'
  | 'opening again changes nothing'
  | 'the store accepts writes'
  | 'a failed file is not tried again'
  | typeof READ_RULE;

const READ_RULE = 'what was read is there';

export class Broken extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, detail: string, cause?: unknown) {
    super(`${invariant}: ${detail}`, { cause });
    this.invariant = invariant;
  }
}

/** A write, with what became of it. */
interface Call {
  readonly marks: readonly string[];
  result?: unknown;
  outcome: 'under way' | 'acknowledged' | 'refused' | 'unknown';
  /** How many events of the disk there had been when its outcome was told. */
  at: number;
}

/** A pin that was acknowledged: neither it nor the log after it may go. */
interface PinCall {
  readonly name: string;
  readonly number: number;
  /** Events of the disk when it was acknowledged, and when its release began. */
  readonly from: number;
  until: number;
}

const MARK = /«[^»]*»/g;

/**
 * What callers were told, and when; beside the log as `watch` gave it. A call is known by its marks:
 * texts in guillemets, unique to it, that it wrote somewhere into what it stored.
 */
export class Ledger {
  readonly #calls: Call[] = [];
  /** In the order of the log; the first one is the first after `base`. */
  readonly #commits: Commit[] = [];
  /** By how many commits there were: what the store holds. */
  readonly #contents: Contents[];
  readonly #numbers = new Map<string, number>();
  /** By mark: which commit has it, counted from 1. */
  readonly #byMark = new Map<string, number>();
  /** When a commit was first shown to be durable, if it was. */
  readonly #shownAt: number[] = [];
  readonly #base: string;
  readonly #pins: PinCall[] = [];
  /** Marks that a read found in what it was given, and when. */
  readonly #reads: { readonly marks: readonly string[]; readonly at: number }[] = [];
  /** How many events of the disk there had been when the store was open: from then on it is there. */
  openedAt = Infinity;
  #marks = 0;

  /** `base`: where the log stands when it begins, and what the store holds then. */
  constructor(base: string, contents: Contents = new Map()) {
    this.#base = base;
    this.#numbers.set(base, 0);
    this.#contents = [contents];
  }

  /**
   * What holds for a process that found the first `number` commits after a crash at which there had
   * been `events` events: what had been promised by then, from the start; the other commits from `at`
   * on, when it began to serve them.
   */
  branch(number: number, events: number, at: number): Ledger {
    const required = Math.max(this.requiredAt(events), this.readAt(events));
    const branch = new Ledger(this.#base, this.contentsAt(0));
    for (const [n, commit] of this.#commits.slice(0, number).entries()) {
      branch.add(commit, n < required ? 0 : at);
    }
    branch.#marks = this.#marks;
    branch.openedAt = events < this.openedAt ? at : 0;
    for (const pin of this.pinsAt(events)) branch.#pins.push({ ...pin, from: 0, until: Infinity });
    return branch;
  }

  /** A text that no other call has. */
  mark(): string {
    this.#marks += 1;
    return `«${this.#marks}»`;
  }

  get length(): number {
    return this.#commits.length;
  }

  /** The cursor of the last commit. */
  get end(): string {
    return this.positionOf(this.length);
  }

  /** `now`: how many events of the disk there were. A failure is noted, and `undefined`. */
  async call<T>(
    marks: readonly string[],
    now: () => number,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    const call: Call = { marks, outcome: 'under way', at: Infinity };
    this.#calls.push(call);
    try {
      const result = await work();
      call.outcome = 'acknowledged';
      call.result = result;
      return result;
    } catch (error) {
      if (!isStoreError(error)) throw error;
      call.outcome = error.code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'refused';
      return undefined;
    } finally {
      call.at = now();
    }
  }

  /** A read was given this: no crash may take it back from now on (W10). */
  read(entities: readonly unknown[], at: number): void {
    this.#reads.push({ marks: marksIn(entities), at });
  }

  /** A pin at the end of the log was acknowledged. */
  pinned(name: string, at: number): void {
    this.#pins.push({ name, number: this.length, from: at, until: Infinity });
  }

  /** From here on nobody can rely on that pin. */
  released(name: string, at: number): void {
    for (const pin of this.#pins) if (pin.name === name) pin.until = Math.min(pin.until, at);
  }

  /** The pins that outlive a crash at which there had been `events` events. */
  pinsAt(events: number): readonly { readonly name: string; readonly number: number }[] {
    return this.#pins.filter(({ from, until }) => from <= events && events < until);
  }

  /** The process died: of what had no answer, nobody knows. */
  die(): void {
    for (const call of this.#calls) if (call.outcome === 'under way') call.outcome = 'unknown';
  }

  /** The next commit of the log; `at`: as of a call's outcome, when it was shown. */
  add(commit: Commit, at: number): void {
    this.#commits.push(commit);
    const number = this.#commits.length;
    this.#numbers.set(commit.position, number);
    this.#shownAt.push(at);
    this.#contents.push(folded(this.#contents[number - 1] as Contents, commit));
    for (const mark of marksOf(commit)) {
      if (!this.#byMark.has(mark)) this.#byMark.set(mark, number);
    }
  }

  /** Which commit this cursor is, counted from 1; 0 for the base, `undefined` for none of the log. */
  numberOf(position: string): number | undefined {
    return this.#numbers.get(position);
  }

  commitsAfter(number: number): readonly Commit[] {
    return this.#commits.slice(number);
  }

  positionOf(number: number): string {
    return this.#commits[number - 1]?.position ?? this.#base;
  }

  /** What the store holds after so many commits. */
  contentsAt(number: number): Contents {
    return this.#contents[number] as Contents;
  }

  /** How many commits must outlive a crash at which there had been `events` events. */
  requiredAt(events: number): number {
    let required = 0;
    for (const { marks, outcome, at } of this.#calls) {
      if (outcome !== 'acknowledged' || at > events) continue;
      for (const mark of marks) required = Math.max(required, this.#byMark.get(mark) ?? Infinity);
    }
    this.#shownAt.forEach((at, n) => at <= events && (required = Math.max(required, n + 1)));
    return required;
  }

  /** How many of them had been read by then. */
  readAt(events: number): number {
    let read = 0;
    for (const { marks, at } of this.#reads) {
      if (at > events) continue;
      for (const mark of marks) read = Math.max(read, this.#byMark.get(mark) ?? 0);
    }
    return read;
  }

  /** Compares what callers were told with the log itself, without any crash. */
  check(): void {
    for (const { marks } of this.#reads) {
      const ghost = marks.find((mark) => !this.#byMark.has(mark));
      if (ghost !== undefined)
        throw new Broken(READ_RULE, `${ghost} was read, and is not in the log`);
    }
    for (const { marks, outcome, result } of this.#calls) {
      const commits = new Set(marks.map((mark) => this.#byMark.get(mark)));
      const text = marks.join(' ');
      if (outcome === 'refused' && [...commits].some((n) => n !== undefined)) {
        throw new Broken('nothing refused is there', `${text} was refused, and is in the log`);
      }
      if (outcome === 'acknowledged' && commits.has(undefined)) {
        throw new Broken('every acknowledged commit is there', `${text} is not in the log`);
      }
      if (commits.size > 1) {
        throw new Broken(
          'no commit is partly there',
          `${text} is in commits ${[...commits].join(', ')}`,
        );
      }
      const [number] = commits;
      if (outcome === 'acknowledged' && number !== undefined) this.#checkAnswer(result, number);
    }
  }

  /** What a caller was given is what the log has. */
  #checkAnswer(result: unknown, number: number): void {
    if (typeof result !== 'object' || result === null) return;
    const { remaining: _, ...entity } = result as { readonly remaining?: number };
    for (const { run, steps, events, artifacts } of this.contentsAt(number).values()) {
      const entities = [run, ...steps, ...events, ...artifacts];
      if (entities.some((it) => isDeepStrictEqual(it, entity))) return;
    }
    const detail = `commit ${number} is not what its caller was given`;
    throw new Broken('every acknowledged commit is there', detail);
  }

  /** A commit that nobody was told of: it must be all of a call whose outcome is not known. */
  explain(commit: Commit): void {
    const marks = marksOf(commit).filter((mark) => !this.#byMark.has(mark));
    const own = (call: Call) => call.marks.some((mark) => marks.includes(mark));
    const call = this.#calls.find(own);
    const text = marks.join(' ') || `commit ${commit.position}`;
    if (call?.outcome === 'refused') {
      throw new Broken('nothing refused is there', `${text} was refused, and came back`);
    }
    if (call === undefined || !isDeepStrictEqual(new Set(call.marks), new Set(marks))) {
      throw new Broken('an unknown outcome is all or nothing', `${text} is all that came back`);
    }
  }

  /** Which invariant a run that is not as it should be breaks. */
  blame(actual: Contents, number: number): Broken | undefined {
    const expected = this.contentsAt(number);
    const runs = differing(expected, actual);
    if (runs.length === 0) return undefined;
    const detail = `runs ${runs.join(', ')} differ from the log at commit ${number}`;
    const last = this.#commits[number - 1];
    const touched = new Set(last?.changes.map(({ runId }) => runId));
    const isHalf = touched.size > runs.length && runs.every((id) => touched.has(id));
    return new Broken(
      isHalf ? 'no commit is partly there' : 'run files and index equal the log',
      detail,
    );
  }
}

function marksIn(value: unknown): readonly string[] {
  return JSON.stringify(value).match(MARK) ?? [];
}

function marksOf({ changes }: Pick<Commit, 'changes'>): readonly string[] {
  const marks = new Set<string>();
  for (const change of changes) {
    // A deletion says no more than which run; that is the mark of whoever deletes it.
    if (change.type === 'run.deleted') marks.add(`«deleted ${change.runId}»`);
    else {
      const { runId: _, ...rest } = change;
      for (const mark of marksIn(rest)) marks.add(mark);
    }
  }
  return [...marks];
}
