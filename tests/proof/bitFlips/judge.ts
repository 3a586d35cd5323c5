import { isDeepStrictEqual } from 'node:util';
import { type Finding, isStoreError, type RunStatus } from '../../../src/index.ts';
import type { Damage } from '../../../src/testkit/bitFlips.ts';
import { type Answer, type Answers, COUNTS, LISTS, RUN_IDS } from './answers.ts';
import type { JournalFacts } from './journal.ts';

/** What a store did that was opened from a damaged image. */
export type Outcome =
  | { readonly refusal: unknown }
  | {
      readonly answers: Answers;
      readonly findings: readonly Finding[];
      readonly bytesLeftBehind: number;
      /** What the damaged file held at the end; `undefined` when it was gone. */
      readonly left: Buffer | undefined;
    };

export type Verdict =
  /** It does not open, and says which file is damaged, and where. */
  | 'refused'
  /** What is damaged is refused with file and byte; all else is answered as before. */
  | 'partly refused'
  /** All is answered as before, and `verify` names file and byte. */
  | 'named by verify'
  /** All is answered as before: the log has what the file had, and took its place. */
  | 'rebuilt'
  /** All is answered as before; opening reported bytes that it left behind. */
  | 'left behind'
  /** As before but for the last commits, which nothing on the disk proves to have been acknowledged. */
  | 'torn'
  /** All is answered as before; the byte is one that no reader looks at, by the format. */
  | 'unused';

export interface Expected {
  /** Of the image as it was. */
  readonly answers: Answers;
  /** Of the image without the commits behind a position, by that position. */
  readonly cuts: ReadonlyMap<number, Answers>;
  readonly journal: JournalFacts;
  /** Where the image lies in the file system. */
  readonly root: string;
  /** The content of the damaged file before. */
  readonly content: Buffer;
  /** And now. */
  readonly damaged: Buffer;
}

/** Why an outcome is wrong: another value, silence, or an error that does not say where. */
export class Wrong extends Error {}

/** Throws `Wrong` for an outcome that no one may ever see. */
export function judge(damage: Damage, outcome: Outcome, expected: Expected): Verdict {
  if ('refusal' in outcome) {
    requireNamed(outcome.refusal, damage, expected);
    return 'refused';
  }
  const { answers, findings, bytesLeftBehind } = outcome;
  for (const { file, byte, message } of findings) {
    if (
      isPlaceOf(damage, expected, message) ||
      isPlaceOf(damage, expected, `${file}, byte ${byte}:`)
    )
      continue;
    throw new Wrong(`verify finds something else: ${message}`);
  }
  const refused = compare(answers, expected.answers, damage, expected);
  if (refused instanceof Wrong) {
    return judgeTorn(damage, answers, bytesLeftBehind, expected, refused);
  }
  if (findings.length > 0) return refused > 0 ? 'partly refused' : 'named by verify';
  if (refused > 0) throw new Wrong('something is refused, and verify finds nothing');
  const { journal } = expected;
  if (damage.ranges.every(([, end]) => journal.isUnused(damage.file, end - 1))) return 'unused';
  if (damage.file.startsWith('/runs/') && isReplaced(expected, outcome.left)) return 'rebuilt';
  if (journal.isNewest(damage.file) && bytesLeftBehind > 0) return 'left behind';
  throw new Wrong('nobody noticed');
}

function isReplaced({ damaged }: Expected, left: Buffer | undefined): boolean {
  return left === undefined || !left.equals(damaged);
}

/** W9: the end of an unsealed journal may be missing, as far as no whole line proves it durable. */
function judgeTorn(
  damage: Damage,
  answers: Answers,
  bytesLeftBehind: number,
  expected: Expected,
  other: Wrong,
): Verdict {
  const { journal, cuts } = expected;
  if (!journal.isNewest(damage.file) || journal.isSealed || bytesLeftBehind === 0) throw other;
  const proven = journal.provenWithout(damage.ranges);
  for (const [position, cut] of cuts) {
    const refused = compare(answers, cut, damage, expected);
    if (refused !== 0) continue;
    if (position >= proven) return 'torn';
    throw new Wrong(`commits after ${position} are gone, and ${proven} was proven durable`);
  }
  throw other;
}

/** How many answers were refused; `Wrong` when one is another than it should be. */
function compare(
  answers: Answers,
  wanted: Answers,
  damage: Damage,
  expected: Expected,
): number | Wrong {
  const refusedRuns = RUN_IDS.filter((id) => isRefusal(answers.get(`run ${id}`)));
  let refused = 0;
  for (const [question, want] of wanted) {
    const got = answers.get(question);
    if (got !== undefined && 'error' in got) {
      requireNamed(got.error, damage, expected);
      refused++;
    } else if (!isAnswered(question, got, want, refusedRuns, wanted)) {
      return new Wrong(`${question}: ${JSON.stringify(got)} instead of ${JSON.stringify(want)}`);
    }
  }
  return refused;
}

function isRefusal(answer: Answer | undefined): boolean {
  return answer !== undefined && 'error' in answer;
}

/** A damaged run is in no list and no count; `runs.get` says why. */
function isAnswered(
  question: string,
  got: Answer | undefined,
  want: Answer,
  refusedRuns: readonly string[],
  wanted: Answers,
): boolean {
  if (isDeepStrictEqual(got, want)) return true;
  if (got === undefined || 'error' in got || 'error' in want || refusedRuns.length === 0)
    return false;
  if (LISTS.has(question)) {
    type Listed = { readonly id: string; readonly runId?: string };
    const listed = JSON.parse(want.value) as Listed[];
    const left = listed.filter(({ id, runId = id }) => !refusedRuns.includes(runId));
    return isDeepStrictEqual(JSON.parse(got.value), left);
  }
  if (question !== COUNTS) return false;
  const counts = JSON.parse(want.value) as Record<RunStatus, number>;
  for (const id of refusedRuns) {
    const run = wanted.get(`run ${id}`);
    if (run === undefined || 'error' in run || run.value.startsWith('not found')) continue;
    counts[(JSON.parse(run.value) as { readonly status: RunStatus }).status]--;
  }
  return isDeepStrictEqual(JSON.parse(got.value), counts);
}

const CODES = ['JOURNAL_CORRUPT', 'DATA_CORRUPT', 'UNSUPPORTED_FORMAT'] as const;

function requireNamed(error: unknown, damage: Damage, expected: Expected): void {
  if (!CODES.some((code) => isStoreError(error, code))) {
    throw new Wrong(`an error of another kind: ${String(error)}`, { cause: error });
  }
  const { message } = error as Error;
  if (!isPlaceOf(damage, expected, message)) throw new Wrong(`it names another place: ${message}`);
}

/** Whether a message names the damaged file and, if it names a byte, one of a damaged line. */
function isPlaceOf(
  { file, ranges }: Damage,
  { root, content, damaged }: Expected,
  message: string,
): boolean {
  const [, after] = message.split(`${root}${file}`);
  if (after === undefined) return false;
  const byte = /^, byte (\d+):/.exec(after)?.[1];
  if (byte === undefined) return true;
  return ranges.some(([from, to]) => {
    // As the lines were, and as they are now: damage makes newlines, and takes them away.
    const start = Math.min(lineStart(content, from), lineStart(damaged, from));
    const end = Math.max(lineEnd(content, to - 1), lineEnd(damaged, to - 1));
    return start <= Number(byte) && Number(byte) <= end;
  });
}

function lineStart(content: Buffer, byte: number): number {
  return byte === 0 ? 0 : content.lastIndexOf('\n', byte - 1) + 1;
}

function lineEnd(content: Buffer, byte: number): number {
  return content.indexOf('\n', byte) + 1 || content.length;
}
