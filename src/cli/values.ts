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

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A date (`2026-01-31`, `2026-01-31T12:00:00Z`) or an age (`90s`, `30m`, `2h`, `7d`). */
export function moment(text: string, now: number): Date {
  const age = /^(\d+)([smhd])$/.exec(text);
  const ms = age === null ? Date.parse(text) : now - Number(age[1]) * (UNIT_MS[age[2] ?? ''] ?? 0);
  const date = new Date(ms);
  if (!Number.isNaN(date.getTime())) return date;
  throw new InvalidArgumentError('It is a date such as 2026-01-31T12:00Z, or an age such as 2h.');
}

export function oneOf<T extends string>(allowed: readonly T[], text: string): T {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`It is one of ${allowed.join(', ')}.`);
}
