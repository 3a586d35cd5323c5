import type { DatabaseOptions } from '../db.ts';
import { StoreError } from '../errors.ts';
import { type Clock, systemClock } from '../ports/clock.ts';
import { type Random, systemRandom } from '../ports/random.ts';

/** Connections of a database whose caller does not say. */
export const CONNECTIONS_MAX = 10;

const DEFAULTS = {
  connectionsMax: CONNECTIONS_MAX,
  waitingMax: 1_000,
  acquireTimeoutMs: 5_000,
  statementTimeoutMs: 30_000,
  lockTimeoutMs: 10_000,
  idleInTransactionTimeoutMs: 60_000,
  preparedMax: 256,
  retriesMax: 5,
} as const;

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(DEFAULTS),
  ...(['create', 'onWarning', 'clock', 'random'] satisfies readonly (keyof DatabaseOptions)[]),
]);
const MAY_BE_ZERO: ReadonlySet<string> = new Set(['waitingMax', 'preparedMax', 'retriesMax']);

/** `DatabaseOptions` with every default in its place. */
export interface DatabaseSettings extends Readonly<Record<keyof typeof DEFAULTS, number>> {
  readonly create: boolean;
  readonly onWarning: (message: string) => void;
  readonly clock: Clock;
  readonly random: Random;
}

/** `connectionsMax` is what the backend has when its caller does not say. */
export function databaseSettings(
  options: DatabaseOptions,
  connectionsMax: number = DEFAULTS.connectionsMax,
): DatabaseSettings {
  const unknown = Object.keys(options).find((name) => !KNOWN.has(name));
  if (unknown !== undefined) {
    const message = `options.${unknown} is not known; there are ${[...KNOWN].join(', ')}`;
    throw new StoreError('INVALID_ARGUMENT', message);
  }
  const numbers: Record<keyof typeof DEFAULTS, number> = { ...DEFAULTS, connectionsMax };
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    numbers[name] = whole(name, options[name] ?? numbers[name]);
  }
  return {
    ...numbers,
    create: options.create ?? true,
    onWarning: options.onWarning ?? ((message) => process.emitWarning(message)),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

function whole(name: string, value: number): number {
  const min = MAY_BE_ZERO.has(name) ? 0 : 1;
  // The servers keep these in 32 bits, and so do timers.
  if (Number.isInteger(value) && value >= min && value < 2 ** 31) return value;
  const message = `${name} must be a whole number from ${min}; it is ${String(value)}`;
  throw new StoreError('INVALID_ARGUMENT', message);
}
