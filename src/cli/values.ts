import { InvalidArgumentError } from 'commander';

/** Parsers of option values, in the form that commander calls: (text, what was collected before). */

export function tag(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('A tag is written key=value.');
  return Object.fromEntries([...Object.entries(before), [text.slice(0, at), text.slice(at + 1)]]);
}

export function repeated(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('It must be a whole number.');
}

export function positive(text: string): number {
  const value = wholeNumber(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('It must be at least 1.');
}

/** A name that can be seen. */
export function named(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('It must not be empty.');
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** `90s`, `15m`, `2h`, `7d`, `1w`, `500ms`. Milliseconds; `undefined` when it is no duration. */
function durationMs(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d+)(ms|[smhdw])$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNIT_MS[unit] ?? 0);
}

// A timer cannot wait longer.
const WAIT_MS_MAX = 2 ** 31 - 1;

/** How long to wait; `0` is not at all. Milliseconds. */
export function wait(text: string): number {
  const ms = text === '0' ? 0 : durationMs(text);
  if (ms !== undefined && ms <= WAIT_MS_MAX) return ms;
  throw new InvalidArgumentError('It is a duration such as 30s or 5m, of 24 days at most.');
}

const DATE = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** A moment as it was given: an age counts back from the `now` that it is asked with. */
export type Moment = (now: number) => Date;

/** A date (`2026-01-31`, `2026-01-31T12:00:00Z`) or an age (`90s`, `30m`, `2h`, `7d`, `1w`). */
export function moment(text: string): Moment {
  const age = durationMs(text);
  const at = DATE.test(text) ? Date.parse(text) : Number.NaN;
  const given: Moment = (now) => new Date(age === undefined ? at : now - age);
  if (!Number.isNaN(given(Date.now()).getTime())) return given;
  throw new InvalidArgumentError('It is a date such as 2026-01-31T12:00Z, or an age such as 2h.');
}

export function oneOf<T extends string>(allowed: readonly T[], text: string): T {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`It is one of ${allowed.join(', ')}.`);
}
